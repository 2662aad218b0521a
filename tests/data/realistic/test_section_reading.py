import pytest

from dlvr_plugin.core.errors import InvalidTypeError, InvalidValueError
from dlvr_plugin.data.realistic import video_codecs
from dlvr_plugin.data.realistic.options import BlurOptions, JpegOptions, ModeWeights, NoiseOptions
from dlvr_plugin.data.realistic.presets import PRESETS
from dlvr_plugin.data.realistic.section_reading import read_options


def read(**section):
    return read_options(section, 'd')


def test_without_keys_it_is_the_published_preset():
    assert read() == PRESETS['real_esrgan']


@pytest.mark.parametrize('preset', PRESETS)
def test_a_preset_is_named_by_its_key_and_passes_the_checks_as_a_section_does(preset):
    assert PRESETS[preset].preset == preset
    assert read(preset=preset) == PRESETS[preset]


def test_given_keys_replace_those_of_the_preset_key_by_key():
    options = read(preset='phone', change=0.5, first={'noise': {'grey': 0}, 'resize': None}, second=None)
    phone = PRESETS['phone']
    assert options.change == 0.5
    assert options.second is None
    assert options.first.resize is None
    assert options.first.blur == phone.first.blur
    assert options.first.noise == NoiseOptions(**{**vars(phone.first.noise), 'grey': 0})
    assert options.last == phone.last


def test_weights_are_replaced_as_a_whole_and_ranges_become_tuples():
    options = read(first={'resize': {'modes': {'area': 2}, 'factor': [0.5, 1.2]}})
    assert options.first.resize.modes == ModeWeights(area=2)
    assert options.first.resize.factor == (0.5, 1.2)
    assert options.first.resize.directions == PRESETS['real_esrgan'].first.resize.directions


def test_a_stage_that_the_preset_leaves_out_begins_with_the_published_ranges():
    assert read(second={'jpeg': {'probability': 0.5}}).second.jpeg == JpegOptions(probability=0.5)
    assert read(first=None).first is None
    assert read(preset='dvd', first={'jpeg': {}}).first.jpeg == JpegOptions()


def test_nothing_stands_for_what_the_preset_says_where_nothing_can_be_left_out():
    assert read(preset='phone', last=None, first={'blur': {'kinds': None}}) == PRESETS['phone']


def test_sections_may_be_dataclasses():
    assert read(first={'blur': BlurOptions(sigma=(1.0, 2.0))}).first.blur.sigma == (1.0, 2.0)


@pytest.mark.parametrize(
    ('section', 'words'),
    [
        ({'preset': 'phon'}, "d.preset must be one of real_esrgan, real_basicvsr, phone, dvd, web, got 'phon'"),
        ({'preset': None}, 'd.preset must be one of'),
        ({'frist': {}}, 'd.frist is no option here. Did you mean first?'),
        ({'first': {'blurr': {}}}, 'd.first.blurr is no option here. Did you mean blur?'),
        ({'last': {'noise': {}}}, 'd.last.noise is no option here. The options are modes, sinc'),
        ({'first': {'blur': {'sigmas': [1, 2]}}}, 'd.first.blur.sigmas is no option here. Did you mean sigma?'),
        ({'first': {'blur': {'kinds': {'isotropic': 1}}}}, 'd.first.blur.kinds.isotropic is no option here.'),
        ({'first': {'blur': {'kinds': {'iso': -1}}}}, 'd.first.blur.kinds.iso must be at least 0, got -1'),
        ({'first': {'blur': {'kinds': {}}}}, 'd.first.blur.kinds must give one of iso, aniso, .* a weight above 0'),
        ({'first': {'blur': {'sigma': [2, 1]}}}, r'd.first.blur.sigma must have the lower end first: \[1, 2\], not'),
        ({'first': {'blur': {'sigma': [1]}}}, r'd.first.blur.sigma must be a range of two numbers.* got \[1\]'),
        ({'first': {'blur': {'sigma': [0, 1]}}}, r'd.first.blur.sigma\[0\] must be above 0, got 0'),
        ({'first': {'blur': {'size': [6, 21]}}}, r'd.first.blur.size must have odd ends, got \[6, 21\]'),
        ({'last': {'sinc': {'size': [7, 20]}}}, 'd.last.sinc.size must have odd ends'),
        ({'first': {'blur': {'size': [7, 1001]}}}, r'd.first.blur.size\[1\] must be at most 101, got 1001'),
        ({'second': {'blur': {'probability': 1.2}}}, 'd.second.blur.probability must be at most 1, got 1.2'),
        ({'first': {'probability': -0.1}}, 'd.first.probability must be at least 0, got -0.1'),
        ({'change': 2}, 'd.change must be at most 1, got 2'),
        ({'first': {'jpeg': {'quality': [0, 95]}}}, r'd.first.jpeg.quality\[0\] must be at least 1, got 0'),
        ({'first': {'noise': {'sigma': [1, float('nan')]}}}, r'd.first.noise.sigma\[1\] must be finite'),
        ({'first': {'resize': {'factor_of': 'input'}}}, 'd.first.resize.factor_of must be one of frames, result'),
        (
            {'first': {'resize': {'factor': [0.2, 0.5]}}},
            r'd.first.resize.directions.up must be 0 where .* got factor \[0.2, 0.5\]',
        ),
        ({'first': {'resize': {'factor': [1.2, 2]}}}, 'd.first.resize.directions.down must be 0'),
        ({'first': {'video': {'codecs': {'av1': 1}}}}, 'd.first.video.codecs.av1 is no option here.'),
        ({'first': {'video': {'h264_crf': [20, 60]}}}, r'd.first.video.h264_crf\[1\] must be at most 51'),
    ],
)
def test_what_cannot_be_is_refused_by_name(section, words):
    with pytest.raises(InvalidValueError, match=f'^{words}'):
        read(**section)


@pytest.mark.parametrize(
    ('section', 'words'),
    [
        ({'first': 3}, 'd.first must be a section, got 3'),
        ({'first': {'blur': [1, 2]}}, r'd.first.blur must be a section, got \[1, 2\]'),
        ({'first': {'blur': {'kinds': 'iso'}}}, "d.first.blur.kinds must be a section, got 'iso'"),
        ({'first': {'blur': {'sigma': 1.5}}}, 'd.first.blur.sigma must be a list, got 1.5'),
        ({'first': {'blur': {'size': [7, 20.5]}}}, r'd.first.blur.size\[1\] must be a whole number, got 20.5'),
        ({'first': {'noise': {'grey': True}}}, 'd.first.noise.grey must be a number, got True'),
        ({'first': {'noise': {'sigma': ['1e1', 20]}}}, r"d.first.noise.sigma\[0\] must be a number, got '1e1'"),
    ],
)
def test_values_of_another_type_are_refused_by_name(section, words):
    with pytest.raises(InvalidTypeError, match=f'^{words}'):
        read(**section)


def test_a_codec_that_the_build_lacks_is_refused_by_its_key(monkeypatch):
    monkeypatch.setattr(video_codecs, '_is_there', lambda codec: codec != 'h265')
    with pytest.raises(
        InvalidValueError, match=r'^d.second.video.codecs.h265: got h265, but .* Take one of h264, mpeg2'
    ):
        read(preset='phone')
    assert read(preset='phone', second={'video': {'codecs': {'h264': 1}}}).second.video.codecs.h264 == 1
