"""Ranges of realistic degradations: two that are published, and three kinds of footage."""

from collections.abc import Mapping

from dlvr_plugin.core.choices import RealisticPreset
from dlvr_plugin.data.realistic.options import (
    SECOND_BLUR,
    SECOND_NOISE,
    BlurOptions,
    CodecWeights,
    DirectionWeights,
    JpegOptions,
    KernelWeights,
    LastOptions,
    ModeWeights,
    NoiseOptions,
    NoiseWeights,
    OrderOptions,
    RealisticOptions,
    ResizeOptions,
    VideoOptions,
)

# Sensors and good scalers take the mean of what a pixel covers; the others let steps of oblique edges through.
_MOSTLY_AREA = ModeWeights(area=0.7, bilinear=0.15, bicubic=0.15)


def _real_basicvsr() -> RealisticOptions:
    """Videos of unknown origin: Real-ESRGAN's ranges, and a codec after each round.

    Source: RealBasicVSR, section 4.1; configuration realbasicvsr_wogan.
    """
    return RealisticOptions(
        preset='real_basicvsr',
        first=OrderOptions(video=VideoOptions()),
        second=OrderOptions(
            blur=SECOND_BLUR,
            resize=ResizeOptions(directions=DirectionWeights(up=0.3, down=0.4, keep=0.3), factor=(0.3, 1.2)),
            noise=SECOND_NOISE,
        ),
        last=LastOptions(jpeg=None, video=VideoOptions()),
    )


def _phone() -> RealisticOptions:
    """Clips of a phone: a small lens, a small sensor, denoising, H.264 or H.265.

    Blur is small, because a sensor resolves about what its lens does; one in three is drawn out by shake. Sensors count
    photons, so noise is mostly Poisson, and of each colour by itself; denoising leaves a part of it, and takes detail:
    a blur of less than a pixel after it. Qualities lie around the default 23 of x264, and what is as good for x265:
    from recordings as they are to files that were made small for sending. One clip in four was recorded larger and came
    to its size after coding.
    """
    video = VideoOptions(
        codecs=CodecWeights(h264=0.6, h265=0.4),
        by_bit_rate=0.0,
        h264_crf=(17, 28),
        h265_crf=(19, 31),
        gop=(15, 60),
        b_frames=(0, 2),
    )
    return RealisticOptions(
        preset='phone',
        first=OrderOptions(
            blur=BlurOptions(kinds=KernelWeights(iso=0.65, aniso=0.35), sigma=(0.3, 1.8)),
            resize=ResizeOptions(
                directions=DirectionWeights(up=0.25, keep=0.75),
                factor=(1.0, 1.5),
                factor_of='result',
                modes=_MOSTLY_AREA,
            ),
            noise=NoiseOptions(
                probability=0.9,
                kinds=NoiseWeights(gaussian=0.3, poisson=0.7),
                grey=0.1,
                sigma=(1.0, 12.0),
                poisson_scale=(0.1, 1.2),
            ),
            jpeg=None,
        ),
        second=OrderOptions(
            blur=BlurOptions(probability=0.7, kinds=KernelWeights(iso=1.0), size=(7, 13), sigma=(0.2, 0.65)),
            resize=None,
            noise=None,
            jpeg=None,
            video=video,
        ),
        last=LastOptions(sinc=None, jpeg=None),
    )


def _dvd() -> RealisticOptions:
    """Films and television on DVD: soft pictures, grain, MPEG-2.

    Transfers of that time are softer than their grid, so blur reaches further than that of new cameras; one in three
    was sharpened or filtered steeply and has a halo (a sinc filter). Grain is weak and mostly grey. Discs spend 3 to 8
    Mbit/s on 720 x 576 x 25 or 720 x 480 x 30 pixels, 10.4 million a second: 0.3 to 0.8 bits a pixel; encoders of a
    constant quality use quantisers of 2 to 10 for that. Key frames come every 12 to 18 frames, with two B-frames, as
    the format allows. Interlacing is not simulated.
    """
    video = VideoOptions(
        codecs=CodecWeights(mpeg2=1.0),
        by_bit_rate=0.5,
        bits_per_pixel=(0.3, 0.8),
        mpeg_quantizer=(2, 10),
        gop=(12, 18),
        b_frames=(2, 2),
    )
    return RealisticOptions(
        preset='dvd',
        first=OrderOptions(
            blur=BlurOptions(kinds=KernelWeights(iso=0.7, aniso=0.1, plateau_iso=0.2), sigma=(1.0, 2.8)),
            resize=ResizeOptions(directions=DirectionWeights(keep=1.0), factor_of='result', modes=_MOSTLY_AREA),
            noise=NoiseOptions(
                probability=0.8,
                kinds=NoiseWeights(gaussian=0.8, poisson=0.2),
                grey=0.7,
                sigma=(0.5, 6.0),
                poisson_scale=(0.05, 0.5),
            ),
            jpeg=None,
        ),
        second=OrderOptions(
            blur=BlurOptions(probability=0.35, kinds=KernelWeights(sinc=1.0), sinc_cutoff=(0.4, 0.9)),
            resize=None,
            noise=None,
            jpeg=None,
            video=video,
        ),
        last=LastOptions(sinc=None, jpeg=None),
    )


def _web() -> RealisticOptions:
    """Videos of the web: coded when they were made, then made smaller and coded again at a low rate.

    The first file is of a moderate quality and often larger; what a site stores of it lies, at the CRF that such
    sites' encodings amount to, where blocks and lost detail show, mostly at the size that is watched, else at half to
    all of it, enlarged by the player. Some pictures were JPEG once, as those of slide shows and screen shots.
    """
    upload = VideoOptions(
        probability=0.9, codecs=CodecWeights(h264=1.0), by_bit_rate=0.0, h264_crf=(17, 26), gop=(30, 250)
    )
    stored = VideoOptions(
        codecs=CodecWeights(h264=0.6, vp9=0.4),
        by_bit_rate=0.0,
        h264_crf=(23, 33),
        vp9_crf=(28, 42),
        gop=(60, 250),
    )
    return RealisticOptions(
        preset='web',
        first=OrderOptions(
            blur=BlurOptions(probability=0.8, kinds=KernelWeights(iso=0.8, aniso=0.2), sigma=(0.3, 1.8)),
            resize=ResizeOptions(
                directions=DirectionWeights(up=0.6, keep=0.4), factor=(1.0, 2.0), factor_of='result', modes=_MOSTLY_AREA
            ),
            noise=NoiseOptions(probability=0.4, grey=0.3, sigma=(1.0, 6.0), poisson_scale=(0.05, 0.7)),
            jpeg=JpegOptions(probability=0.1, quality=(50, 95)),
            video=upload,
        ),
        second=OrderOptions(
            blur=None,
            resize=ResizeOptions(
                directions=DirectionWeights(down=0.4, keep=0.6), factor=(0.6, 1.0), factor_of='result'
            ),
            noise=None,
            jpeg=None,
            video=stored,
        ),
        last=LastOptions(sinc=None, jpeg=None),
    )


PRESETS: Mapping[RealisticPreset, RealisticOptions] = {
    'real_esrgan': RealisticOptions(),
    'real_basicvsr': _real_basicvsr(),
    'phone': _phone(),
    'dvd': _dvd(),
    'web': _web(),
}
"""The presets by name.

Source: 'real_esrgan' is that of Real-ESRGAN, section 4.1, option file train_realesrgan_x4plus, for pictures of unknown
origin; those of the others stand in the functions that make them.
"""
