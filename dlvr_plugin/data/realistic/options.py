"""Ranges that realistic degradations are drawn from, as options describe them.

Defaults are those of Real-ESRGAN (of a stage by itself, those of its first round) and, for what only videos have, of
RealBasicVSR.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from dlvr_plugin.core.choices import RealisticPreset, SizeReference
from dlvr_plugin.core.declarations import NOT_NEGATIVE, Range

Weight = Annotated[float, NOT_NEGATIVE]
Probability = Annotated[float, Range(minimum=0, maximum=1)]

_Positive = Annotated[float, Range(above=0)]
_NotNegative = Annotated[float, NOT_NEGATIVE]
_Side = Annotated[int, Range(minimum=1, maximum=101)]
_Cutoff = Annotated[float, Range(minimum=0.01, maximum=1)]
_Factor = Annotated[float, Range(above=0, maximum=8)]
_Percent = Annotated[int, Range(minimum=1, maximum=100)]
_Crf = Annotated[int, Range(minimum=0, maximum=51)]
_Vp9Crf = Annotated[int, Range(minimum=0, maximum=63)]
_Quantizer = Annotated[int, Range(minimum=2, maximum=31)]
_Bits = Annotated[float, Range(above=0, maximum=24)]
_Gop = Annotated[int, Range(minimum=1, maximum=600)]
_BFrames = Annotated[int, Range(minimum=0, maximum=3)]


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How often each of some kinds is drawn, relative to one another; a kind that is not named has a weight of 0."""

    def as_mapping(self) -> Mapping[str, float]:
        """Return the kinds that can be drawn."""
        return {name: weight for name, weight in dataclasses.asdict(self).items() if weight}

    def __str__(self) -> str:
        return '{' + ', '.join(f'{name}: {weight}' for name, weight in self.as_mapping().items()) + '}'


@dataclass(frozen=True, kw_only=True)
class KernelWeights(Weights):
    """Kernels of blur.

    Attributes:
        iso: Gaussian, alike along all axes.
        aniso: Gaussian, of two widths and any direction.
        generalized_iso: Generalised Gaussian with a sharper peak or a flatter top, alike along all axes.
        generalized_aniso: The same of two widths and any direction.
        plateau_iso: With a flat top, alike along all axes.
        plateau_aniso: The same of two widths and any direction.
        sinc: Low-pass filter that rings and overshoots.
    """

    iso: Weight = 0.0
    aniso: Weight = 0.0
    generalized_iso: Weight = 0.0
    generalized_aniso: Weight = 0.0
    plateau_iso: Weight = 0.0
    plateau_aniso: Weight = 0.0
    sinc: Weight = 0.0


@dataclass(frozen=True, kw_only=True)
class DirectionWeights(Weights):
    """Whether frames become larger.

    Attributes:
        up: Larger, by a factor from 1 to the end of the range.
        down: Smaller, by a factor from the start of the range to 1.
        keep: A factor of 1.
    """

    up: Weight = 0.0
    down: Weight = 0.0
    keep: Weight = 0.0


@dataclass(frozen=True, kw_only=True)
class ModeWeights(Weights):
    """Interpolations.

    Attributes:
        area: Mean of the pixels that a pixel covers.
        bilinear: Of the 2 x 2 nearest pixels.
        bicubic: Of the 4 x 4 nearest pixels.
    """

    area: Weight = 0.0
    bilinear: Weight = 0.0
    bicubic: Weight = 0.0


@dataclass(frozen=True, kw_only=True)
class NoiseWeights(Weights):
    """Kinds of noise.

    Attributes:
        gaussian: The same everywhere.
        poisson: That of counted photons, stronger where it is bright.
    """

    gaussian: Weight = 0.0
    poisson: Weight = 0.0


@dataclass(frozen=True, kw_only=True)
class CodecWeights(Weights):
    """Video codecs.

    Attributes:
        h264: H.264, AVC.
        h265: H.265, HEVC.
        mpeg2: MPEG-2, of DVDs.
        mpeg4: MPEG-4 part 2.
        vp9: VP9.
    """

    h264: Weight = 0.0
    h265: Weight = 0.0
    mpeg2: Weight = 0.0
    mpeg4: Weight = 0.0
    vp9: Weight = 0.0


PUBLISHED_KERNELS = KernelWeights(
    iso=0.405,
    aniso=0.225,
    generalized_iso=0.108,
    generalized_aniso=0.027,
    plateau_iso=0.108,
    plateau_aniso=0.027,
    sinc=0.1,
)
"""Nine in ten of Real-ESRGAN's weights, and one in ten sinc."""

ANY_MODE = ModeWeights(area=1.0, bilinear=1.0, bicubic=1.0)
_PUBLISHED_DIRECTIONS = DirectionWeights(up=0.2, down=0.7, keep=0.1)
_PUBLISHED_NOISES = NoiseWeights(gaussian=0.5, poisson=0.5)
_PUBLISHED_CODECS = CodecWeights(h264=2.0, mpeg4=1.0)


@dataclass(frozen=True, kw_only=True)
class BlurOptions:
    """Blur of lens, motion or processing.

    Attributes:
        probability: Share of clips that have it.
        kinds: Weights of the kernels.
        size: Sides of the kernels in pixels, odd.
        sigma: Standard deviations in pixels of the frames at this stage.
        generalized_beta: Shapes of the generalised Gaussian; half of them are below 1, where the range goes there.
        plateau_beta: Shapes of plateaus.
        sinc_cutoff: Where sinc filters end, in parts of the highest frequency; with sides below 13 from 1/3 on.

    Source: Real-ESRGAN, sections 3.1 and 4.1; option file train_realesrgan_x4plus.
    """

    probability: Probability = 1.0
    kinds: KernelWeights = PUBLISHED_KERNELS
    size: tuple[_Side, _Side] = (7, 21)
    sigma: tuple[_Positive, _Positive] = (0.2, 3.0)
    generalized_beta: tuple[_Positive, _Positive] = (0.5, 4.0)
    plateau_beta: tuple[_Positive, _Positive] = (1.0, 2.0)
    sinc_cutoff: tuple[_Cutoff, _Cutoff] = (0.2, 1.0)


@dataclass(frozen=True, kw_only=True)
class ResizeOptions:
    """Another size, that of all frames of a clip.

    Attributes:
        probability: Share of clips that have it.
        directions: Weights of larger, smaller and the same.
        factor: Factors of the sides; no side becomes shorter than 16 pixels.
        factor_of: What factors count from, the size of the frames at this stage, or that of the low-quality result.
        modes: Weights of the interpolations.

    Source: Real-ESRGAN, sections 3.1 and 4.1; option file train_realesrgan_x4plus.
    """

    probability: Probability = 1.0
    directions: DirectionWeights = _PUBLISHED_DIRECTIONS
    factor: tuple[_Factor, _Factor] = (0.15, 1.5)
    factor_of: SizeReference = 'frames'
    modes: ModeWeights = ANY_MODE


@dataclass(frozen=True, kw_only=True)
class NoiseOptions:
    """Noise, fresh in each frame.

    Attributes:
        probability: Share of clips that have it.
        kinds: Weights of the kinds.
        grey: Share of them whose channels have the same noise.
        sigma: Standard deviations of Gaussian noise, in grey levels of 255.
        poisson_scale: Factors of Poisson noise; with 1, white is 256 photons and its noise 16 grey levels.

    Source: Real-ESRGAN, sections 3.1 and 4.1; option file train_realesrgan_x4plus.
    """

    probability: Probability = 1.0
    kinds: NoiseWeights = _PUBLISHED_NOISES
    grey: Probability = 0.4
    sigma: tuple[_NotNegative, _NotNegative] = (1.0, 30.0)
    poisson_scale: tuple[_NotNegative, _NotNegative] = (0.05, 3.0)


@dataclass(frozen=True, kw_only=True)
class JpegOptions:
    """JPEG of each frame.

    Attributes:
        probability: Share of clips that have it.
        quality: Qualities, 1 to 100.

    Source: Real-ESRGAN, sections 3.1 and 4.1; option file train_realesrgan_x4plus.
    """

    probability: Probability = 1.0
    quality: tuple[_Percent, _Percent] = (30, 95)


@dataclass(frozen=True, kw_only=True)
class VideoOptions:
    """Compression of the clip by a video codec.

    Attributes:
        probability: Share of clips that have it.
        codecs: Weights of the codecs.
        by_bit_rate: Share of clips that are given bits rather than a quality.
        bits_per_pixel: Bits for each pixel of each frame.
        h264_crf: Qualities of H.264, 0 to 51, the largest being the worst.
        h265_crf: Qualities of H.265, 0 to 51.
        vp9_crf: Qualities of VP9, 0 to 63.
        mpeg_quantizer: Quantisers of MPEG-2 and MPEG-4, 2 to 31, the largest being the worst.
        gop: Frames from key frame to key frame.
        b_frames: Frames between two others that are predicted from both; VP9 has none.

    Source: RealBasicVSR, section 4.1 and its configuration: 10000 to 100000 bits a frame, the codecs H.264 (by two
    names) and MPEG-4. In frames of the mean area after its first resizing, 0.69 times 256 x 256, that is 0.22 to 2.2
    bits a pixel. The qualities go from hardly visible to strong compression; they are not published.
    """

    probability: Probability = 1.0
    codecs: CodecWeights = _PUBLISHED_CODECS
    by_bit_rate: Probability = 1.0
    bits_per_pixel: tuple[_Bits, _Bits] = (0.22, 2.2)
    h264_crf: tuple[_Crf, _Crf] = (18, 35)
    h265_crf: tuple[_Crf, _Crf] = (20, 38)
    vp9_crf: tuple[_Vp9Crf, _Vp9Crf] = (25, 50)
    mpeg_quantizer: tuple[_Quantizer, _Quantizer] = (2, 15)
    gop: tuple[_Gop, _Gop] = (12, 250)
    b_frames: tuple[_BFrames, _BFrames] = (0, 3)


@dataclass(frozen=True, kw_only=True)
class SincOptions:
    """Ringing and overshoot at the end.

    Attributes:
        probability: Share of clips that have it.
        size: Sides of the kernels in pixels, odd.
        cutoff: Where the filters end, in parts of the highest frequency.

    Source: Real-ESRGAN, section 3.3; option file train_realesrgan_x4plus.
    """

    probability: Probability = 0.8
    size: tuple[_Side, _Side] = (7, 21)
    cutoff: tuple[_Cutoff, _Cutoff] = (1 / 3, 1.0)


SECOND_BLUR = BlurOptions(probability=0.8, sigma=(0.2, 1.5))
"""Of the second round, as published."""

SECOND_NOISE = NoiseOptions(sigma=(1.0, 25.0), poisson_scale=(0.05, 2.5))
"""Of the second round, as published."""


@dataclass(frozen=True, kw_only=True)
class OrderOptions:
    """One round of degradations, in this order; None leaves one out.

    Attributes:
        probability: Share of clips that have the round.
        blur: Blur of lens, motion or processing.
        resize: Another size.
        noise: Noise of sensor or film.
        jpeg: JPEG of each frame.
        video: Compression by a video codec.
    """

    probability: Probability = 1.0
    blur: BlurOptions | None = field(default_factory=BlurOptions)
    resize: ResizeOptions | None = field(default_factory=ResizeOptions)
    noise: NoiseOptions | None = field(default_factory=NoiseOptions)
    jpeg: JpegOptions | None = field(default_factory=JpegOptions)
    video: VideoOptions | None = None


def _second_round() -> OrderOptions:
    """Return Real-ESRGAN's second round; its JPEG belongs to how clips come to their final size."""
    directions = DirectionWeights(up=0.3, down=0.4, keep=0.3)
    return OrderOptions(
        blur=SECOND_BLUR,
        resize=ResizeOptions(directions=directions, factor=(0.3, 1.2), factor_of='result'),
        noise=SECOND_NOISE,
        jpeg=None,
    )


@dataclass(frozen=True, kw_only=True)
class LastOptions:
    """How a clip comes to its final size; None leaves a stage out.

    Attributes:
        modes: Weights of the interpolations to the final size.
        sinc: Ringing and overshoot, at the final size.
        jpeg: JPEG of each frame.
        video: Compression by a video codec, after JPEG.
        resize_last: Share of clips that are compressed before they come to the final size; the others after it.

    Source: Real-ESRGAN, section 3.3; option file train_realesrgan_x4plus.
    """

    modes: ModeWeights = ANY_MODE
    sinc: SincOptions | None = field(default_factory=SincOptions)
    jpeg: JpegOptions | None = field(default_factory=JpegOptions)
    video: VideoOptions | None = None
    resize_last: Probability = 0.5


@dataclass(frozen=True, kw_only=True)
class RealisticOptions:
    """What a section ``degradation`` of type 'realistic' says; keys that are not given are those of the preset.

    Attributes:
        type: 'realistic'.
        preset: Ranges to begin with.
        change: How fast strengths change within a clip: 0 keeps them, 1 changes them as fast as RealBasicVSR does.
        first: The first round; None leaves it out.
        second: The second round; None leaves it out.
        last: How a clip comes to its final size.
    """

    type: Literal['realistic'] = 'realistic'
    preset: RealisticPreset = 'real_esrgan'
    change: Probability = 1.0
    first: OrderOptions | None = field(default_factory=OrderOptions)
    second: OrderOptions | None = field(default_factory=_second_round)
    last: LastOptions = field(default_factory=LastOptions)
