"""Segments of a restored video: each is encoded by itself, and they are joined without being coded anew."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from dlvr_plugin.clips.video_info import VideoInfo
from dlvr_plugin.clips.video_joining import Cut, check_container, join_segments
from dlvr_plugin.clips.video_writer import SEGMENT_SUFFIX, Quality, VideoCodec, VideoWriter, choose_encoding
from dlvr_plugin.restoration.frame_sources import FrameSource


@dataclass(frozen=True, kw_only=True)
class VideoOptions:
    """How a video is encoded; None for what fits the source, see ``choose_encoding``.

    Attributes:
        codec: The encoder.
        quality: Its constant rate factor, or 'lossless'.
        pixel_format: FFmpeg's name of the pixel format.
    """

    codec: VideoCodec | None = None
    quality: Quality | None = None
    pixel_format: str | None = None


class VideoSegments:
    """Writes segments, one after the other.

    Args:
        source: What is restored.
        size: H and W of restored frames.
        target: The result.
        options: How it is encoded.

    Raises:
        InvalidValueError: The encoder does not take such frames, or the container of the result not the other streams.
    """

    suffix = SEGMENT_SUFFIX

    def __init__(self, source: FrameSource, *, size: tuple[int, int], target: Path, options: VideoOptions) -> None:
        self._source, self._size, self._target = source, size, target
        self._info = source.info or _info_of_frames(source)
        self._encoding = choose_encoding(
            self._info,
            size=size,
            codec=options.codec,
            quality=options.quality,
            pixel_format=options.pixel_format,
        )
        if source.info is not None:
            check_container(source.info, target, self._encoding)
        self.needs_16_bits = self._encoding.pixel_format.endswith('le')
        self._writer: VideoWriter | None = None

    def write(self, path: Path, image: np.ndarray, pts: int, duration: int) -> None:
        """Write a frame (H, W, 3), RGB, of the segment with this file."""
        if self._writer is None:
            self._writer = VideoWriter(path, self._info, size=self._size, encoding=self._encoding)
        self._writer.write(image, pts, duration)

    def end(self) -> None:
        """Make the file of the segment whole."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def abort(self) -> None:
        """Remove what is not whole."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.discard()

    def join(self, parts: Sequence[Path], joined: Path, cut: Cut | None = None) -> None:
        """Join the segments; of a video that was restored, all other streams go with them."""
        # Frames have no file whose other streams could be copied: the first segment stands for it.
        info = self._info if self._source.info is not None else replace(self._info, path=parts[0])
        join_segments(parts, info, joined, cut)


def _info_of_frames(source: FrameSource) -> VideoInfo:
    """Return what a video of frames is to say of itself: colours as players expect them, and their clock."""
    return VideoInfo(
        path=source.path,
        size=(0, 0),
        time_base=source.time_base,
        start=0,
        frame_rate=1 / source.time_base,
        num_frames=source.announced,
        codec='png',
        pixel_format='yuv420p',
        bit_depth=8,
        matrix='bt709',
        transfer='bt709',
        primaries='bt709',
        is_full_range=False,
        chroma_location='left',
        sample_aspect_ratio=Fraction(1),
        display_matrix=None,
        is_interlaced=False,
        assumed=frozenset(),
    )
