"""Draw stages of a chain from their options."""

import math
from collections.abc import Iterator
from typing import Any, Literal, TypeGuard, TypeVar

from dlvr_plugin.data.realistic.drawing import Draw, Limits
from dlvr_plugin.data.realistic.options import (
    BlurOptions,
    LastOptions,
    NoiseOptions,
    OrderOptions,
    RealisticOptions,
    ResizeOptions,
    VideoOptions,
)
from dlvr_plugin.data.realistic.stages import Blur, Jpeg, Noise, Resize, ResizeToResult, Sinc, Stage, Strengths, Video
from dlvr_plugin.data.realistic.video_codecs import VideoCompression

# The farthest that strengths move from frame to frame in RealBasicVSR (configuration realbasicvsr_wogan).
_SIGMA_STEP = 0.02
_ANGLE_STEP = math.pi / 10
_GENERALIZED_BETA_STEP = 0.05
_PLATEAU_BETA_STEP = 0.1
_CUTOFF_STEP = 0.02
_NOISE_STEP = 0.1
_POISSON_STEP = 0.005
_QUALITY_STEP = 3

_SMALL_KERNEL = 13  # below which Real-ESRGAN's sinc filters end at a third of the highest frequency or above

_Options = TypeVar('_Options')


def draw_stages(options: RealisticOptions, draw: Draw) -> tuple[Stage, ...]:
    """Return the stages of a clip, in their order."""
    rounds = (each for each in (options.first, options.second) if each is not None)
    stages = [stage for each in rounds if draw.chance(each.probability) for stage in _round(each, draw)]
    return (*stages, *_last(options.last, draw))


def _round(options: OrderOptions, draw: Draw) -> Iterator[Stage]:
    if _happens(options.blur, draw):
        yield _blur(options.blur, draw)
    if _happens(options.resize, draw):
        yield _resize(options.resize, draw)
    if _happens(options.noise, draw):
        yield _noise(options.noise, draw)
    yield from _compression(options, draw)


def _last(options: LastOptions, draw: Draw) -> list[Stage]:
    compression = list(_compression(options, draw))
    to_size: list[Stage] = [ResizeToResult(mode=draw.kind(options.modes.as_mapping()))]
    if _happens(options.sinc, draw):
        to_size.append(_sinc(options.sinc.size, options.sinc.cutoff, draw))
    return compression + to_size if draw.chance(options.resize_last) else to_size + compression


def _compression(options: OrderOptions | LastOptions, draw: Draw) -> Iterator[Stage]:
    if _happens(options.jpeg, draw):
        yield Jpeg(quality=draw.walk(options.jpeg.quality, step=_QUALITY_STEP))
    if _happens(options.video, draw):
        yield Video(compression=_video(options.video, draw))


def _happens(options: _Options | None, draw: Draw) -> TypeGuard[_Options]:
    """Tell whether a stage is there, and drawn."""
    section: Any = options
    return section is not None and draw.chance(section.probability)


def _blur(options: BlurOptions, draw: Draw) -> Stage:
    kind = draw.kind(options.kinds.as_mapping())
    size = draw.whole(options.size, step=2)
    if kind == 'sinc':
        low, high = options.sinc_cutoff
        return _sinc((size, size), (max(low, min(1 / 3, high)) if size < _SMALL_KERNEL else low, high), draw)
    sigma_x = sigma_y = draw.walk(options.sigma, step=_SIGMA_STEP)
    angle = (0.0,) * draw.num_frames
    if 'aniso' in kind:
        sigma_y = draw.walk(options.sigma, step=_SIGMA_STEP)
        angle = _turn(draw)
    beta = (1.0,) * draw.num_frames
    if kind.startswith('generalized'):
        beta = _shape(options.generalized_beta, _GENERALIZED_BETA_STEP, draw)
    elif kind.startswith('plateau'):
        beta = _shape(options.plateau_beta, _PLATEAU_BETA_STEP, draw)
    shape: Literal['gaussian', 'plateau'] = 'plateau' if kind.startswith('plateau') else 'gaussian'
    return Blur(shape=shape, size=size, sigma_x=sigma_x, sigma_y=sigma_y, angle=angle, beta=beta)


def _turn(draw: Draw) -> Strengths:
    """Return angles that may go on turning."""
    start = draw.number((-math.pi, math.pi))
    return draw.walk((-math.inf, math.inf), step=_ANGLE_STEP, start=start)


def _shape(limits: Limits, step: float, draw: Draw) -> Strengths:
    """Return shapes of kernels: where limits lie on both sides of 1, half of them start on each, as in BasicSR."""
    low, high = limits
    if low < 1 < high:
        start = draw.number((low, 1) if draw.chance(0.5) else (1, high))
        return draw.walk(limits, step=step, start=start)
    return draw.walk(limits, step=step)


def _sinc(sizes: tuple[int, int], cutoff: Limits, draw: Draw) -> Sinc:
    return Sinc(size=draw.whole(sizes, step=2), cutoff=draw.walk(cutoff, step=_CUTOFF_STEP))


def _resize(options: ResizeOptions, draw: Draw) -> Resize:
    low, high = options.factor
    limits = {'up': (max(low, 1.0), high), 'down': (low, min(high, 1.0)), 'keep': (1.0, 1.0)}
    factor = draw.number(limits[draw.kind(options.directions.as_mapping())])
    return Resize(factor=factor, factor_of=options.factor_of, mode=draw.kind(options.modes.as_mapping()))


def _noise(options: NoiseOptions, draw: Draw) -> Noise:
    kind = draw.kind(options.kinds.as_mapping())
    is_grey = draw.chance(options.grey)
    if kind == 'gaussian':
        strength = draw.walk(options.sigma, step=_NOISE_STEP)
    else:
        strength = draw.walk(options.poisson_scale, step=_POISSON_STEP)
    return Noise(kind=kind, strength=strength, is_grey=is_grey, seed=draw.seed())


def _video(options: VideoOptions, draw: Draw) -> VideoCompression:
    """Return the compression of a clip, which has one codec and one quality, as a file has."""
    codec = draw.kind(options.codecs.as_mapping())
    bits_per_pixel, quality = None, None
    if draw.chance(options.by_bit_rate):
        bits_per_pixel = draw.number(options.bits_per_pixel)
    else:
        qualities = {'h264': options.h264_crf, 'h265': options.h265_crf, 'vp9': options.vp9_crf}
        quality = draw.whole(qualities.get(codec, options.mpeg_quantizer))
    gop, b_frames = draw.whole(options.gop), draw.whole(options.b_frames)
    return VideoCompression(
        codec=codec,
        quality=quality,
        bits_per_pixel=bits_per_pixel,
        gop=gop,
        b_frames=0 if codec == 'vp9' else b_frames,
    )
