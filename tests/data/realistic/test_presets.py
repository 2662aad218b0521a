import pytest

from dlvr_plugin.data.realistic.options import BlurOptions, JpegOptions, NoiseOptions, ResizeOptions, SincOptions
from dlvr_plugin.data.realistic.presets import PRESETS


def blur_of(options: BlurOptions) -> dict:
    kinds = options.kinds.as_mapping()
    sinc = kinds.pop('sinc') / sum(options.kinds.as_mapping().values())
    total = sum(kinds.values())
    return {
        'kernel_prob': [pytest.approx(weight / total) for weight in kinds.values()],
        'sinc_prob': pytest.approx(sinc),
        'blur_sigma': options.sigma,
        'betag_range': options.generalized_beta,
        'betap_range': options.plateau_beta,
        'blur_kernel_size': options.size[1],
    }


def resize_of(options: ResizeOptions) -> dict:
    directions = options.directions
    return {'resize_prob': [directions.up, directions.down, directions.keep], 'resize_range': options.factor}


def noise_of(options: NoiseOptions) -> dict:
    kinds = options.kinds
    return {
        'gaussian_noise_prob': kinds.gaussian / (kinds.gaussian + kinds.poisson),
        'noise_range': options.sigma,
        'poisson_scale_range': options.poisson_scale,
        'gray_noise_prob': options.grey,
    }


@pytest.mark.parametrize('preset', ['real_esrgan', 'real_basicvsr'])
def test_published_ranges_are_those_of_the_option_file(preset):
    """Of Real-ESRGAN's train_realesrgan_x4plus, by the names there; RealBasicVSR takes the same."""
    options = PRESETS[preset]
    kernels = {
        'kernel_prob': [0.45, 0.25, 0.12, 0.03, 0.12, 0.03],
        'sinc_prob': 0.1,
        'betag_range': (0.5, 4),
        'betap_range': (1, 2),
        'blur_kernel_size': 21,
    }
    assert blur_of(options.first.blur) == {**kernels, 'blur_sigma': (0.2, 3)}
    assert blur_of(options.second.blur) == {**kernels, 'blur_sigma': (0.2, 1.5)}
    assert (options.first.blur.probability, options.second.blur.probability) == (1, 0.8)
    assert resize_of(options.first.resize) == {'resize_prob': [0.2, 0.7, 0.1], 'resize_range': (0.15, 1.5)}
    assert resize_of(options.second.resize) == {'resize_prob': [0.3, 0.4, 0.3], 'resize_range': (0.3, 1.2)}
    noise = {'gaussian_noise_prob': 0.5, 'gray_noise_prob': 0.4}
    assert noise_of(options.first.noise) == {**noise, 'noise_range': (1, 30), 'poisson_scale_range': (0.05, 3)}
    assert noise_of(options.second.noise) == {**noise, 'noise_range': (1, 25), 'poisson_scale_range': (0.05, 2.5)}
    assert options.first.jpeg == JpegOptions(probability=1, quality=(30, 95))
    assert options.last.sinc == SincOptions(probability=0.8, size=(7, 21), cutoff=(1 / 3, 1))
    assert options.last.resize_last == 0.5


def test_where_the_published_ones_differ():
    images, videos = PRESETS['real_esrgan'], PRESETS['real_basicvsr']
    assert images.second.resize.factor_of == 'result'
    assert videos.second.resize.factor_of == 'frames'
    assert [images.second.jpeg, images.last.jpeg] == [None, JpegOptions(quality=(30, 95))]
    assert [videos.second.jpeg, videos.last.jpeg] == [JpegOptions(quality=(30, 95)), None]
    assert [each.video for each in (images.first, images.second, images.last)] == [None] * 3
    assert [each.video is None for each in (videos.first, videos.second, videos.last)] == [False, True, False]
    assert videos.first.video.codecs.as_mapping() == {'h264': 2, 'mpeg4': 1}


def test_each_kind_of_footage_has_its_codecs():
    found = {
        preset: {
            codec
            for each in (PRESETS[preset].first, PRESETS[preset].second, PRESETS[preset].last)
            if each.video is not None
            for codec in each.video.codecs.as_mapping()
        }
        for preset in ('phone', 'dvd', 'web')
    }
    assert found == {'phone': {'h264', 'h265'}, 'dvd': {'mpeg2'}, 'web': {'h264', 'vp9'}}
