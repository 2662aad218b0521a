"""Writing of restored frames: segments of video that are joined, with all else that the source holds, at the end."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream

from dlvr_plugin.clips.frame_planes import FrameEncoder
from dlvr_plugin.clips.video_info import VideoInfo, error_text
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.files import naming, partial_path

VideoCodec = Literal['x264', 'x265', 'av1', 'ffv1']
Quality = float | Literal['lossless']

SEGMENT_SUFFIX = '.nut'
"""Of the files of segments: a container that keeps any clock exactly, and can be read as far as it was written."""


@dataclass(frozen=True)
class _Encoder:
    """An encoder of FFmpeg.

    Attributes:
        name: FFmpeg's name.
        quality: What looks lossless; None where everything is lossless.
        worst: The largest number of quality.
        options: What it is told besides.
        lossless: What it is told for losslessness, None where it cannot be.
    """

    name: str
    quality: int | None
    worst: int
    options: dict[str, str]
    lossless: dict[str, str] | None


_ENCODERS: dict[VideoCodec, _Encoder] = {
    'x264': _Encoder('libx264', 12, 51, {'preset': 'medium'}, {'qp': '0'}),
    'x265': _Encoder('libx265', 12, 51, {'preset': 'medium'}, {'x265-params': 'lossless=1'}),
    'av1': _Encoder('libsvtav1', 16, 63, {'preset': '6'}, None),
    'ffv1': _Encoder('ffv1', None, 0, {'level': '3', 'slicecrc': '1'}, {}),
}


@dataclass(frozen=True)
class _Format:
    """A pixel format.

    Attributes:
        chroma: 0 for half the width and height, 1 for half the width, 2 for all of both.
        depth: Bits of a code.
    """

    chroma: int
    depth: int

    def fits(self, size: tuple[int, int]) -> bool:
        """Tell whether encoders take frames of a height and width."""
        return size[1] % (1 if self.chroma == 2 else 2) == 0 and size[0] % (2 if self.chroma == 0 else 1) == 0


_FORMATS = {
    f'{base}{"" if depth == 8 else f"{depth}le"}': _Format(chroma, depth)
    for chroma, base in enumerate(('yuv420p', 'yuv422p', 'yuv444p'))
    for depth in (8, 10, 12)
}


@dataclass(frozen=True)
class Encoding:
    """How frames are encoded.

    Attributes:
        codec: The encoder.
        quality: Its constant rate factor, lower is better; or 'lossless'.
        pixel_format: FFmpeg's name of the pixel format.
    """

    codec: VideoCodec
    quality: Quality
    pixel_format: str


def choose_encoding(
    info: VideoInfo,
    *,
    size: tuple[int, int],
    codec: VideoCodec | None = None,
    quality: Quality | None = None,
    pixel_format: str | None = None,
) -> Encoding:
    """Fill in what is not given, so that frames look as they were restored.

    Args:
        info: The source.
        size: Height and width of frames.
        codec: None for x264 of 8 bits and x265 of more.
        quality: None for what looks lossless.
        pixel_format: None for the source's subsampling of chroma and depth, as far as the encoder has them.

    Raises:
        InvalidValueError: The encoder is missing, or has no such quality or pixel format.
    """
    chosen = codec or ('x264' if info.bit_depth <= 8 else 'x265')
    encoder = _ENCODERS[chosen]
    try:
        formats = [each.name for each in av.Codec(encoder.name, 'w').video_formats or ()]
    except av.codec.codec.UnknownCodecError as error:
        there = [name for name, each in _ENCODERS.items() if each.name in av.codecs_available]
        raise InvalidValueError(
            f'codec {chosen}: the FFmpeg that PyAV comes with has no {encoder.name}. Take one of {", ".join(there)}.'
        ) from error
    possible = {
        name: each for name, each in _FORMATS.items() if name in formats and (each.fits(size) or chosen == 'ffv1')
    }
    wanted = pixel_format or _nearest_format(info, possible)
    if wanted not in possible:
        raise InvalidValueError(
            f'pixel format {wanted or "of the source"}: for frames of {size[1]}x{size[0]} pixels, {chosen} of this '
            f'build takes {", ".join(possible) or "none; take another codec"}.'
        )
    return Encoding(chosen, _check_quality(quality, chosen, encoder), wanted)


def _check_quality(quality: Quality | None, chosen: VideoCodec, encoder: _Encoder) -> Quality:
    if quality is None:
        quality = 'lossless' if encoder.quality is None else encoder.quality
    if quality == 'lossless':
        if encoder.lossless is None:
            raise InvalidValueError(f'quality lossless: {chosen} cannot do that. Take x264, x265 or ffv1, or a number.')
    elif encoder.quality is None:
        raise InvalidValueError(f'quality {quality}: {chosen} is lossless always. Leave the quality out.')
    elif not 0 <= quality <= encoder.worst:
        raise InvalidValueError(f'quality {quality}: expected 0 (best) to {encoder.worst} for {chosen}.')
    return quality


def _nearest_format(info: VideoInfo, possible: Mapping[str, _Format]) -> str | None:
    """Return the format that keeps chroma and depth of the source, or else the next one above, or else below."""
    source = av.VideoFormat(info.pixel_format)
    wanted = 2 if info.matrix == 'gbr' else _chroma_of(source.chroma_width(64), source.chroma_height(64))

    def loss(name: str) -> tuple[bool, bool, int, int]:
        chroma, depth = possible[name].chroma - wanted, possible[name].depth - info.bit_depth
        return chroma < 0, depth < 0, abs(chroma), abs(depth)

    return min(possible, key=loss, default=None)


def _chroma_of(width_of_64: int, height_of_64: int) -> int:
    return 2 if width_of_64 == 64 else 1 if height_of_64 == 64 else 0


class VideoWriter:
    """Encodes frames into a segment of video, which gets its name when it is closed.

    Its colours are tagged as those of the source, with what was assumed of that. It begins with a key frame, so that
    segments of the same source, size and encoding can be joined.

    Args:
        path: File of the segment, with the suffix ``SEGMENT_SUFFIX``.
        info: The source, whose clock and colours the segment has.
        size: Height and width of frames.
        encoding: How to encode.
        num_threads: Threads of the encoder, 0 for as many as it likes.

    Raises:
        InvalidValueError: The encoder does not take such frames.
    """

    def __init__(
        self, path: Path, info: VideoInfo, *, size: tuple[int, int], encoding: Encoding, num_threads: int = 0
    ) -> None:
        self.path, self.info, self.size, self.encoding = path, info, size, encoding
        matrix = 'bt709' if info.matrix == 'gbr' else info.matrix
        is_full_range = info.is_full_range and info.matrix != 'gbr'
        self._convert = FrameEncoder(
            pixel_format=encoding.pixel_format,
            matrix=matrix,
            is_full_range=is_full_range,
            chroma_location=info.chroma_location,
        )
        self._last: int | None = None
        partial_path(path).unlink(missing_ok=True)
        with naming(path):
            self._container: OutputContainer = av.open(
                f'file:{partial_path(path)}', 'w', format='nut', container_options={'avoid_negative_ts': 'disabled'}
            )
        try:
            self._stream = self._add_stream(num_threads)
        except (av.FFmpegError, ValueError) as error:
            self.discard()
            raise InvalidValueError(
                f'{encoding.codec} does not take frames of {size[1]}x{size[0]} pixels in {encoding.pixel_format}: '
                f'{error_text(error)}.'
            ) from error

    def write(self, rgb: np.ndarray, pts: int, duration: int = 0) -> None:
        """Encode a frame.

        Args:
            rgb: (h, w, 3), RGB: uint8, uint16, or float in [0, 1].
            pts: When it is shown, in ticks of the source.
            duration: How long, in ticks; 0 for unknown.

        Raises:
            InvalidValueError: It has another size, or does not come after the one before.
            OSError: The file cannot be written.
        """
        if rgb.shape != (*self.size, 3):
            raise InvalidValueError(f'{self.path}: a frame has the shape {rgb.shape}; expected {(*self.size, 3)}.')
        if self._last is not None and pts <= self._last:
            raise InvalidValueError(f'{self.path}: a frame at {pts} ticks comes after one at {self._last} ticks.')
        self._last = pts
        frame = self._convert(rgb)
        # Segments count from the first frame of the source, as their container knows no time before 0.
        frame.pts, frame.time_base, frame.duration = pts - self.info.start, self.info.time_base, duration
        with naming(self.path):
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Encode what is left, and give the segment its name.

        Raises:
            OSError: The file cannot be written.
        """
        try:
            with naming(self.path):
                self._container.mux(self._stream.encode(None))
                self._container.close()
            partial_path(self.path).replace(self.path)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove the segment, as far as it was written."""
        with suppress(av.FFmpegError, OSError):
            self._container.close()
        partial_path(self.path).unlink(missing_ok=True)

    def _add_stream(self, num_threads: int) -> VideoStream:
        encoder = _ENCODERS[self.encoding.codec]
        quality = self.encoding.quality
        options = dict(encoder.options)
        options |= (encoder.lossless or {}) if quality == 'lossless' else {'crf': str(quality)}
        options |= {
            'chroma_sample_location': self.info.chroma_location,
            **{name: str(number) for name, number in self.info.color_numbers.items()},
        }
        if self.encoding.codec == 'x265':
            options['x265-params'] = ':'.join(['log-level=error', *filter(None, [options.get('x265-params', '')])])
        rate = self.info.frame_rate or Fraction(25)
        stream = self._container.add_stream(encoder.name, rate=rate, options=options)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = self.size
        stream.pix_fmt = self.encoding.pixel_format
        stream.time_base = stream.codec_context.time_base = self.info.time_base
        stream.codec_context.thread_count = num_threads
        if self.info.sample_aspect_ratio:
            stream.codec_context.sample_aspect_ratio = self.info.sample_aspect_ratio
        stream.codec_context.open()
        return stream
