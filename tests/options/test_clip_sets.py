"""Own clips in option files: the right class in each phase, and what network and metrics take of it."""

import pytest

from dlvr_plugin.cli.main import main
from dlvr_plugin.options.find_problems import find_problems
from dlvr_plugin.options.problems import dotted
from tests.helpers import REPOSITORY, read_options, write_options
from tests.options.test_option_checks import set_key

TESTS = {
    'window': 'test/EDVR/test_EDVR_M_x4_SR_REDS.yml',
    'clip': 'test/BasicVSR/test_BasicVSR_x4_SR_REDS.yml',
    'frame': 'test/EDSR/test_EDSR_M_x4_SR_REDS.yml',
}
NUM_FRAME = {'window': 5, 'clip': -1, 'frame': 1}


def own_clips(clip_root, kind, **changes):
    """Return a test file of the fixture's clips, without weights."""
    opt = read_options(REPOSITORY / 'options' / TESTS[kind])
    roots = {'dataroot_gt': str(clip_root / 'GT'), 'dataroot_lq': str(clip_root / 'X4')}
    opt['datasets'] = {'test': {'name': 'mine', 'type': 'ClipTestDataset', **roots, 'num_frame': NUM_FRAME[kind]}}
    opt['path'] = {}
    opt['network_g'].pop('spynet_path', None)
    opt['val'] = {'save_img': True, 'suffix': None, 'metrics': {'psnr': {'type': 'calculate_psnr', 'crop_border': 0}}}
    for key, value in changes.items():
        set_key(opt, key.replace('__', '.'), value)
    return opt


def lines(opt, *, is_train=False):
    return [f'{dotted(each.key)}: {each.message}' for each in find_problems(opt, is_train=is_train)[1]]


@pytest.mark.parametrize('kind', NUM_FRAME)
def test_own_clips_pass(clip_root, kind):
    assert lines(own_clips(clip_root, kind)) == []
    assert lines(own_clips(clip_root, kind, datasets__test__dataroot_lq=None)) == []


def test_whole_clips_are_the_default(clip_root):
    opt = own_clips(clip_root, 'clip')
    del opt['datasets']['test']['num_frame']
    assert lines(opt) == []


@pytest.mark.parametrize(
    ('kind', 'num_frame', 'line'),
    [
        ('window', 3, 'num_frame: must be 5, the frames that network_g takes at once; got 3.'),
        ('window', -1, 'num_frame: must be 5, the frames that network_g takes at once; got -1, whole clips.'),
        ('clip', 5, 'num_frame: must be -1, or left out, because network_g takes whole clips; got 5.'),
        ('frame', -1, 'num_frame: must be 1, because network_g takes single frames; got -1, whole clips.'),
    ],
)
def test_frames_that_the_network_does_not_take(clip_root, kind, num_frame, line):
    assert lines(own_clips(clip_root, kind, datasets__test__num_frame=num_frame)) == [f'datasets.test.{line}']


def test_an_arch_without_a_spec_says_its_window_by_its_argument(clip_root):
    from tests.models import conftest  # registers it

    opt = own_clips(clip_root, 'window', network_g={'type': conftest.TinyWindowNet.__name__, 'num_frame': 3})
    assert lines(opt) == ['datasets.test.num_frame: must be 3, the frames that network_g takes at once; got 5.']
    opt['network_g'] = {'type': 'TinyImageNet'}  # over a model of sliding windows, and who knows how long they are
    assert lines(opt) == []
    opt['datasets']['test'].pop('num_frame')
    assert lines(opt) == [
        'datasets.test.num_frame: must be the number of frames that network_g takes at once; got -1, whole clips.'
    ]


def test_metrics_that_need_ground_truth(clip_root):
    opt = own_clips(clip_root, 'clip', datasets__test__dataroot_gt=None)
    assert lines(opt) == [
        'val.metrics.psnr: needs ground truth, and datasets.test has none. Set its dataroot_gt, or remove the metric.'
    ]
    opt['val']['metrics'] = {'niqe': {'type': 'calculate_niqe', 'crop_border': 0}}
    assert lines(opt) == []
    opt['val']['metrics'] = {'warp': {'type': 'calculate_warping_error', 'frames': 'result'}}
    assert lines(opt) == []
    opt['val']['metrics'].update(still={'type': 'calculate_flicker'}, sharp={'type': 'calculate_sharpness'})
    assert lines(opt) == []
    opt['val']['metrics']['warp']['frames'] = 'gt'
    assert [line.split(',')[0] for line in lines(opt)] == ['val.metrics.warp: needs ground truth']


def test_the_set_for_training_is_another_one(clip_root):
    opt = own_clips(clip_root, 'window', datasets__test__type='ClipDataset')
    assert [line.split(';')[0] for line in lines(opt)] == [
        'datasets.test.type: must be ClipTestDataset for own clips in validation and tests'
    ]
    opt = read_options(REPOSITORY / 'options/demo/1_pretrain.yml')
    opt['datasets']['train']['type'] = 'ClipTestDataset'
    found = [line for line in lines(opt, is_train=True) if line.startswith('datasets.train.type')]
    assert [line.split(';')[0] for line in found] == [
        'datasets.train.type: must be ClipDataset for own clips in the training'
    ]


def test_clips_and_options_are_looked_at(clip_root):
    opt = own_clips(clip_root, 'window', datasets__test__clip=['000'])
    assert lines(opt) == ['datasets.test.clip: is no option here. Did you mean clips?']
    assert lines(own_clips(clip_root, 'window', datasets__test__padding='mirror'))
    (clip_root / 'X4/001/00000003.png').unlink()
    (line,) = lines(own_clips(clip_root, 'window'))
    assert line.startswith('datasets.test: mine: clip 001 has 6 frames in ')
    opt = own_clips(clip_root, 'window', datasets__test__exclude_clips=['001'], val__skip_frames=4)
    (line,) = lines(opt)
    assert line.startswith('datasets.test: Clip 000 of mine has 7 frames; val.metrics with val.skip_frames 4 need 9')


def test_data_check_reads_the_clips(clip_root, tmp_path, capsys):
    path = write_options(own_clips(clip_root, 'clip'), tmp_path / 'test.yml')
    assert main(['data', 'check', str(path), '--jobs', '1']) == 0
    assert '0 errors' in capsys.readouterr().out
    (clip_root / 'X4/001/00000003.png').write_bytes(b'no image')
    assert main(['data', 'check', str(path), '--jobs', '1']) == 1
    assert '00000003' in capsys.readouterr().out
    (clip_root / 'X4/001/00000003.png').unlink()
    assert main(['data', 'check', str(path), '--jobs', '1']) == 1
    assert 'clip 001 has 6 frames in' in capsys.readouterr().out


@pytest.mark.parametrize('degradation', ['realistic', {'type': 'realistic', 'preset': 'phone'}])
def test_realistic_frames_of_a_test_set_are_stored_first(clip_root, degradation):
    changes = {'datasets__test__dataroot_lq': None, 'datasets__test__degradation': degradation}
    found = lines(own_clips(clip_root, 'window', **changes))
    assert found[-1].startswith('datasets.test.degradation: realistic frames of validation and tests are stored first')
    assert any('expected one of BI, BD, motion_blur' in line for line in found[:-1])
