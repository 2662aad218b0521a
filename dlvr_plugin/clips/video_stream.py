"""Frames of video files as RGB, with their time, exactly as they were coded."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from dlvr_plugin.clips.frame_planes import FrameDecoder
from dlvr_plugin.clips.video_decoding import OnCut, decode_video
from dlvr_plugin.clips.video_info import Untagged, VideoInfo, probe_video
from dlvr_plugin.core.errors import DataError


@dataclass(frozen=True)
class DecodedFrame:
    """A frame.

    Attributes:
        rgb: (h, w, 3), RGB over the whole range of uint8 or uint16; as coded, not turned.
        pts: When it is shown, in ticks.
        duration: How long, in ticks; 0 if the file does not say.
        time_base: Seconds of a tick.
    """

    rgb: np.ndarray
    pts: int
    duration: int
    time_base: Fraction


def read_frames(
    path: str | Path,
    *,
    start: int | None = None,
    end: int | None = None,
    num_bits: Literal[8, 16] | None = None,
    untagged: Untagged = 'auto',
    deinterlace: bool = False,
    on_cut: OnCut | None = None,
) -> Iterator[DecodedFrame]:
    """Decode a video file.

    Args:
        path: The file.
        start: Timestamp in ticks of the first frame wanted, None for the first one of the file.
        end: Timestamp of the frame after the last one wanted, None for all.
        num_bits: 8 or 16 bits a channel; None for what holds those of the file.
        untagged: What to take it for where it names no matrix.
        deinterlace: Make a frame of the two fields of each interlaced one, instead of refusing them.
        on_cut: Takes in words what lacks or is damaged, once, after the last frame; None makes that an error.

    Yields:
        Frames, in the order of their timestamps, each of which is larger than the one before.

    Raises:
        DataError: As ``probe_video`` and ``decode_video``; or frames change their size.
    """
    info = probe_video(path, untagged=untagged)
    convert = frame_decoder(info, num_bits=num_bits)
    with closing(decode_video(info.path, start=start, deinterlace=deinterlace, on_cut=on_cut)) as frames:
        for frame, pts in frames:
            if end is not None and pts >= end:
                return
            if (frame.height, frame.width) != info.size:
                raise DataError(
                    f'{path}: the frame at {float(pts * info.time_base):.3f} s has {frame.width}x{frame.height} '
                    f'pixels, those before {info.size[1]}x{info.size[0]}. Split the file where the size changes.'
                )
            yield DecodedFrame(convert(frame), pts, frame.duration or 0, info.time_base)


def frame_decoder(info: VideoInfo, *, num_bits: Literal[8, 16] | None = None) -> FrameDecoder:
    """Return what makes RGB of the frames of a video."""
    return FrameDecoder(
        matrix=info.matrix,
        is_full_range=info.is_full_range,
        chroma_location=info.chroma_location,
        num_bits=num_bits or (8 if info.bit_depth <= 8 else 16),
    )


def upright(image: np.ndarray, info: VideoInfo) -> np.ndarray:
    """Turn and mirror a frame (h, w, c) as players show it, by right angles.

    Source: libavutil/display.h: x' = a x + c y, y' = b x + d y, for the matrix (a, b, u, c, d, v, x, y, w).
    """
    if info.display_matrix is None:
        return image
    a, b, _, c, d = info.display_matrix[:5]
    if info.rotation % 180:
        image, a, d = image.swapaxes(0, 1), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
