import random
import re
from collections import Counter
from itertools import pairwise

import pytest

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.data.realistic.drawing import Draw
from dlvr_plugin.data.realistic.drawn_stages import draw_stages
from dlvr_plugin.data.realistic.section_reading import read_options
from dlvr_plugin.data.realistic.stages import Blur, Jpeg, Noise, Resize, ResizeToResult, Sinc, Video
from dlvr_plugin.data.realistic.video_codecs import quality_range


def drawn(number: int = 1, num_frames: int = 1, **section):
    options, rng = read_options(section, 'd'), random.Random(0)
    return [draw_stages(options, Draw(rng=rng, num_frames=num_frames, change=options.change)) for _ in range(number)]


def stages_of(chains, kind):
    return [stage for stages in chains for stage in stages if isinstance(stage, kind)]


LAST_ONLY = {'sinc': None, 'jpeg': None, 'video': None}


def only(stage: str, options: dict, number: int = 600, num_frames: int = 1):
    """Draw chains with one stage, and return those stages."""
    first = {**dict.fromkeys(('blur', 'resize', 'noise', 'jpeg', 'video')), stage: options}
    chains = drawn(number, num_frames=num_frames, first=first, second=None, last=LAST_ONLY)
    return [stages[0] for stages in chains if len(stages) == 2]


def test_rounds_have_their_order_and_the_last_one_has_two():
    chains = drawn(300, preset='real_basicvsr')
    names = Counter(' '.join(type(stage).__name__ for stage in stages) for stages in chains)
    second = 'Resize Noise Jpeg '
    assert all(re.match(f'(Blur|Sinc) {second}Video ((Blur|Sinc) )?{second}', name) for name in names)
    last = Counter(name.split(second)[2] for name in names.elements())
    assert set(last) == {
        'ResizeToResult Video', 'Video ResizeToResult', 'ResizeToResult Sinc Video', 'Video ResizeToResult Sinc',
    }  # fmt: skip
    with_sinc = sum(count for name, count in last.items() if 'Sinc' in name)
    assert with_sinc / 300 == pytest.approx(0.8, abs=0.08)
    compressed_first = sum(count for name, count in last.items() if name.startswith('Video'))
    assert compressed_first / 300 == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize('probability', [0.0, 0.3, 1.0])
@pytest.mark.parametrize('stage', ['blur', 'resize', 'noise', 'jpeg', 'video'])
def test_a_stage_is_drawn_as_often_as_it_says(stage, probability):
    assert len(only(stage, {'probability': probability})) / 600 == pytest.approx(probability, abs=0.07)


def test_a_round_is_drawn_as_often_as_it_says():
    chains = drawn(400, second={'probability': 0.25})
    assert sum(len(stages_of([stages], Noise)) == 2 for stages in chains) / 400 == pytest.approx(0.25, abs=0.07)


def test_kernels_come_by_their_weights_and_ranges():
    stages = only('blur', {}, number=3000)
    shares = Counter(
        'sinc' if isinstance(each, Sinc) else (each.shape, each.beta[0] != 1, each.sigma_x != each.sigma_y)
        for each in stages
    )
    for kind, share in {
        'sinc': 0.1,
        ('gaussian', False, False): 0.405,
        ('gaussian', False, True): 0.225,
        ('gaussian', True, False): 0.108,
        ('gaussian', True, True): 0.027,
        ('plateau', True, False): 0.108,
        ('plateau', True, True): 0.027,
    }.items():
        assert shares[kind] / 3000 == pytest.approx(share, abs=0.025)
    blurs = [each for each in stages if isinstance(each, Blur)]
    assert all(0.2 <= sigma <= 3 for each in blurs for sigma in (*each.sigma_x, *each.sigma_y))
    assert {each.size for each in blurs} == set(range(7, 23, 2))
    shapes = [each.beta[0] for each in blurs if each.shape == 'gaussian' and each.beta[0] != 1]
    assert sum(beta < 1 for beta in shapes) / len(shapes) == pytest.approx(0.5, abs=0.08)
    assert 0.5 <= min(shapes) < 0.6
    assert 3.7 < max(shapes) <= 4
    small = [each.cutoff[0] for each in stages if isinstance(each, Sinc) and each.size < 13]
    large = [each.cutoff[0] for each in stages if isinstance(each, Sinc) and each.size >= 13]
    assert min(small) >= 1 / 3
    assert 0.2 <= min(large) < 1 / 3


def test_strengths_change_slowly_within_a_clip():
    for stage in only('blur', {'kinds': {'aniso': 1, 'generalized_aniso': 1, 'plateau_aniso': 1}}, 30, num_frames=50):
        for values, step in ((stage.sigma_x, 0.02), (stage.sigma_y, 0.02), (stage.angle, 0.3142), (stage.beta, 0.1)):
            assert len(values) == 50
            assert max(abs(a - b) for a, b in pairwise(values)) <= step + 1e-9
        assert len(set(stage.sigma_x)) > 25
    (jpeg,) = only('jpeg', {}, 1, num_frames=500)
    assert min(jpeg.quality) >= 30
    assert max(jpeg.quality) <= 95
    (noise,) = only('noise', {'kinds': {'gaussian': 1}}, 1, num_frames=500)
    assert max(abs(a - b) for a, b in pairwise(noise.strength)) <= 0.1 + 1e-9


def test_without_change_strengths_stay():
    stages = drawn(20, num_frames=9, change=0, preset='real_basicvsr')
    for stage in stages_of(stages, (Blur, Noise, Jpeg, Sinc)):
        for values in vars(stage).values():
            assert not isinstance(values, tuple) or len(set(values)) == 1


def test_factors_come_by_their_directions():
    stages = only('resize', {'directions': {'up': 1, 'down': 2, 'keep': 1}, 'factor': [0.5, 1.5]}, number=1500)
    factors = [each.factor for each in stages]
    assert min(factors) >= 0.5
    assert max(factors) <= 1.5
    assert sum(factor < 1 for factor in factors) / 1500 == pytest.approx(0.5, abs=0.05)
    assert factors.count(1) / 1500 == pytest.approx(0.25, abs=0.05)
    assert {each.mode for each in stages} == {'area', 'bilinear', 'bicubic'}


def test_noise_comes_by_its_kinds():
    stages = only('noise', {'kinds': {'gaussian': 1, 'poisson': 3}, 'grey': 0.2}, number=1000)
    assert sum(each.kind == 'poisson' for each in stages) / 1000 == pytest.approx(0.75, abs=0.05)
    assert sum(each.is_grey for each in stages) / 1000 == pytest.approx(0.2, abs=0.05)
    assert all(1 <= each.strength[0] <= 30 for each in stages if each.kind == 'gaussian')
    assert all(0.05 <= each.strength[0] <= 3 for each in stages if each.kind == 'poisson')
    assert len({each.seed for each in stages}) == 1000


def test_codecs_have_a_quality_or_bits():
    codecs = {'h264': 1, 'h265': 1, 'mpeg2': 1, 'mpeg4': 1, 'vp9': 1}
    options = {'codecs': codecs, 'by_bit_rate': 0.5, 'h264_crf': [18, 20], 'vp9_crf': [40, 41], 'gop': [3, 4]}
    compressions = [each.compression for each in only('video', options)]
    assert {each.codec for each in compressions} == set(codecs)
    by_rate = [each for each in compressions if each.quality is None]
    assert len(by_rate) / 600 == pytest.approx(0.5, abs=0.07)
    assert all(0.22 <= each.bits_per_pixel <= 2.2 for each in by_rate)
    qualities = {codec: set() for codec in codecs}
    for each in compressions:
        assert (each.quality is None) != (each.bits_per_pixel is None)
        qualities[each.codec] |= {each.quality} - {None}
    assert qualities['h264'] == {18, 19, 20}
    assert qualities['vp9'] == {40, 41}
    assert min(qualities['mpeg2']) >= 2
    assert {each.gop for each in compressions} == {3, 4}
    assert {each.b_frames for each in compressions if each.codec == 'vp9'} == {0}
    assert {each.b_frames for each in compressions} == {0, 1, 2, 3}
    assert isinstance(only('resize', {}, 1)[0], Resize)


def test_nothing_left_is_a_resize():
    (stages,) = drawn(1, first=None, second=None, last={**LAST_ONLY, 'modes': {'area': 1}})
    assert stages == (ResizeToResult(mode='area'),)
    assert not stages_of([stages], Video)


@pytest.mark.parametrize(('codec', 'field'), [
    ('h264', 'h264_crf'), ('h265', 'h265_crf'), ('vp9', 'vp9_crf'), ('mpeg2', 'mpeg_quantizer'),
    ('mpeg4', 'mpeg_quantizer'),
])  # fmt: skip
def test_every_quality_that_options_take_can_be_compressed_with(codec, field):
    best, worst = quality_range(codec)
    options = {'codecs': {codec: 1}, 'by_bit_rate': 0, field: [best, worst]}
    assert {each.compression.quality for each in only('video', options)} == set(range(best, worst + 1))
    for beyond in ([best - 1, worst], [best, worst + 1]):
        with pytest.raises(InvalidValueError, match=f'd.first.video.{field}'):
            only('video', {**options, field: beyond})


def test_the_ends_of_other_ranges_can_be_compressed_with():
    (stage,) = only('video', {'bits_per_pixel': [24, 24], 'gop': [600, 600], 'b_frames': [3, 3]}, number=1)
    assert (stage.compression.gop, stage.compression.b_frames) == (600, 3)
    assert stage.compression.bits_per_pixel == pytest.approx(24)
