"""Compression of clips by real video codecs, in memory: frames are encoded, and the packets decoded again."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Annotated, Literal, get_args

import av
import numpy as np
import torch
from av.packet import Packet
from torch import Tensor

from dlvr_plugin.clips.frame_planes import FrameDecoder, FrameEncoder
from dlvr_plugin.core.choices import RealisticCodec
from dlvr_plugin.core.declarations import Range, check_fields
from dlvr_plugin.core.errors import InvalidValueError

FRAME_RATE = 25
"""Frames a second that encoders are told of; bit rates are counted by it."""

_LEAST_SIDE = 16  # x265 takes no smaller frames
_MATRIX, _CHROMA = 'smpte170m', 'left'


@dataclass(frozen=True, kw_only=True)
class _Format:
    """How FFmpeg encodes and decodes a codec.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        decoder: FFmpeg's name of the decoder.
        best: The smallest number of quality.
        worst: The largest number of quality.
        constant: Names of the options that hold the quality.
        bit_rate: Names of options that are the bits of a second beside the bit rate itself.
        frame_bits: Names of options that are the bits of a frame where a bit rate is asked for.
        has_b_frames: Whether there are frames that are predicted from later ones.
        options: What the encoder is told besides.
    """

    encoder: str
    decoder: str
    best: int
    worst: int
    constant: tuple[str, ...]
    bit_rate: tuple[str, ...] = ()
    frame_bits: tuple[str, ...] = ()
    has_b_frames: bool = True
    options: Mapping[str, str] = field(default_factory=dict)


# Equal bounds of the quantiser hold it: what FFmpeg's own -qscale sets in each frame, PyAV does not hand on. The rate
# control of FFmpeg's MPEG encoders strays for seconds unless its tolerance is small. 'bitexact' takes the transforms
# that are the same on all processors.
_MPEG2 = _Format(
    encoder='mpeg2video',
    decoder='mpeg2video',
    best=2,
    worst=31,
    constant=('qmin', 'qmax'),
    frame_bits=('bt',),
    options={'flags': '+bitexact'},
)
_FORMATS: dict[RealisticCodec, _Format] = {
    # The fastest preset with all that shapes the artefacts of common H.264: deblocking, CABAC, B-frames, weights.
    # 'ultrafast' has none of these.
    'h264': _Format(
        encoder='libx264', decoder='h264', best=0, worst=51, constant=('crf',), options={'preset': 'veryfast'}
    ),
    # 'superfast', with the sample-adaptive offsets that it leaves out: they cost little, and are what H.265 smooths by.
    # 'cutree' must be off: in frames up to 48 pixels wide, x265 writes beyond its buffers there, and the process dies.
    'h265': _Format(
        encoder='libx265',
        decoder='hevc',
        best=0,
        worst=51,
        constant=('crf',),
        options={
            'preset': 'superfast',
            'x265-params': 'log-level=none:pools=none:frame-threads=1:info=0:sao=1:cutree=0',
        },
    ),
    'mpeg2': _MPEG2,
    'mpeg4': replace(_MPEG2, encoder='mpeg4', decoder='mpeg4'),
    # As calls and live streams are encoded; 'good' takes three times as long.
    'vp9': _Format(
        encoder='libvpx-vp9',
        decoder='vp9',
        best=0,
        worst=63,
        constant=('crf',),
        bit_rate=('minrate', 'maxrate'),
        has_b_frames=False,
        options={'deadline': 'realtime', 'cpu-used': '8'},
    ),
}


@dataclass(frozen=True, kw_only=True)
class VideoCompression:
    """Compression by a video codec: 8 bits, 4:2:0, BT.601, limited range; one thread, the same bytes each time.

    Attributes:
        codec: The codec.
        quality: For H.264 and H.265 the constant rate factor, 0 to 51; for VP9 the same, 0 to 63; for MPEG-2 and
            MPEG-4 the quantiser, 2 to 31. Lower is better.
        bits_per_pixel: What to aim at instead, over the whole clip. Encoders count whole kilobits a second and start
            by a guess, so that clips of a few frames may miss it by a factor of two.
        gop: Frames from one key frame to the next, at most.
        b_frames: Frames in a row, at most, that are predicted from later ones, too. VP9 has none.

    Raises:
        InvalidValueError: A value out of range, both or neither of quality and bits per pixel, or the codec is
            missing in this build. InvalidTypeError: A value of another type.
    """

    codec: RealisticCodec
    quality: Annotated[int, Range(minimum=0, maximum=63)] | None = None
    bits_per_pixel: Annotated[float, Range(above=0, maximum=24)] | None = None
    gop: Annotated[int, Range(minimum=1, maximum=600)] = 12
    b_frames: Annotated[int, Range(minimum=0, maximum=8)] = 0

    def __post_init__(self) -> None:
        check_fields(self)
        check_codec(self.codec, 'codec')
        if (self.quality is None) == (self.bits_per_pixel is None):
            raise InvalidValueError(
                f'Video compression takes either quality or bits_per_pixel, got {self.quality} and '
                f'{self.bits_per_pixel}.'
            )
        best, worst = quality_range(self.codec)
        if self.quality is not None and not best <= self.quality <= worst:
            raise InvalidValueError(f'quality must be {best} to {worst} for {self.codec}, got {self.quality}.')

    def __call__(self, frames: Tensor) -> Tensor:
        """Compress a clip and return what is left of it.

        Args:
            frames: Frames (T, 3, H, W), RGB; what lies beyond [0, 1] is cut off.

        Returns:
            Frames (T, 3, H, W) in [0, 1], multiples of 1/255.
        """
        height, width = frames.shape[-2:]
        images = self.decode(self.encode(frames))
        if len(images) != len(frames):
            raise RuntimeError(f'{self}: {len(frames)} frames were encoded and {len(images)} decoded.')
        clip = torch.from_numpy(np.stack(images)[:, :height, :width])  # (T, H, W, 3)
        return clip.permute(0, 3, 1, 2).contiguous().float().div_(255)

    def encode(self, frames: Tensor) -> list[Packet]:
        """Encode frames (T, 3, H, W), RGB in [0, 1].

        Their last rows and columns are repeated as far as codecs need: to even sides of 16 pixels or more.
        """
        height, width = frames.shape[-2:]
        rows, columns = (max(side + side % 2, _LEAST_SIDE) for side in (height, width))
        images = frames.detach().permute(0, 2, 3, 1).numpy()
        images = np.pad(images, ((0, 0), (0, rows - height), (0, columns - width), (0, 0)), mode='edge')
        convert = FrameEncoder(pixel_format='yuv420p', matrix=_MATRIX, is_full_range=False, chroma_location=_CHROMA)
        encoder = self._open_encoder(rows, columns)
        packets: list[Packet] = []
        for index, image in enumerate(images):
            frame = convert(image)
            frame.pts, frame.time_base = index, Fraction(1, FRAME_RATE)
            packets += encoder.encode(frame)
        return packets + encoder.encode(None)

    def decode(self, packets: Sequence[Packet]) -> list[np.ndarray]:
        """Decode packets to images (H, W, 3), RGB, uint8, in the order in which they are shown."""
        decoder = _make_context(_FORMATS[self.codec].decoder, 'r')
        decoder.options = {'flags': '+bitexact'}
        convert = FrameDecoder(matrix=_MATRIX, is_full_range=False, chroma_location=_CHROMA, num_bits=8)
        return [convert(frame) for packet in (*packets, None) for frame in decoder.decode(packet)]

    def _open_encoder(self, height: int, width: int) -> av.VideoCodecContext:
        form = _FORMATS[self.codec]
        encoder = _make_context(form.encoder, 'w')
        encoder.height, encoder.width, encoder.pix_fmt = height, width, 'yuv420p'
        encoder.time_base, encoder.framerate = Fraction(1, FRAME_RATE), Fraction(FRAME_RATE)
        encoder.gop_size = self.gop
        if form.has_b_frames:
            encoder.max_b_frames = self.b_frames
        options = dict(form.options)
        if self.bits_per_pixel is None:
            encoder.bit_rate = 0
            options |= dict.fromkeys(form.constant, str(self.quality))
        else:
            frame_bits = self.bits_per_pixel * height * width
            encoder.bit_rate = max(round(frame_bits * FRAME_RATE / 1000), 1) * 1000
            options |= dict.fromkeys(form.bit_rate, str(encoder.bit_rate))
            options |= dict.fromkeys(form.frame_bits, str(encoder.bit_rate // FRAME_RATE))
        encoder.options = options
        encoder.open()
        return encoder


def _make_context(name: str, mode: Literal['r', 'w']) -> av.VideoCodecContext:
    context = av.CodecContext.create(name, mode)
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1  # loaders have a process for each core
    return context


def quality_range(codec: RealisticCodec) -> tuple[int, int]:
    """Return the best and the worst number of quality of a codec, of which the lower is better."""
    return _FORMATS[codec].best, _FORMATS[codec].worst


def check_codec(codec: str, name: str) -> None:
    """Demand that the FFmpeg in PyAV can encode and decode a codec.

    Args:
        codec: One of ``RealisticCodec``.
        name: What an error calls the option.

    Raises:
        InvalidValueError: It is none of these, or the build cannot do it.
    """
    there = [each for each in get_args(RealisticCodec) if _is_there(each)]
    if codec not in there:
        what = 'the FFmpeg that PyAV comes with cannot do that' if codec in _FORMATS else 'there is no such codec'
        raise InvalidValueError(f'{name}: got {codec}, but {what}. Take one of {", ".join(there)}.')


@functools.cache
def _is_there(codec: RealisticCodec) -> bool:
    try:
        av.Codec(_FORMATS[codec].encoder, 'w')
        av.Codec(_FORMATS[codec].decoder, 'r')
    except av.codec.codec.UnknownCodecError:
        return False
    return True
