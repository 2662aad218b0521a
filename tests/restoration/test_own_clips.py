"""Own clips restored and measured by the commands' own code, with the numbers of the framework's sets."""

import cv2
import pytest
import torch
from basicsr.data import build_dataset
from basicsr.models import build_model
from torch.utils.data import DataLoader

from dlvr_plugin import test as test_command
from dlvr_plugin.evaluation.validation import validate
from tests.conftest import make_clip
from tests.helpers import make_test_set, write_options, write_video
from tests.models.conftest import model_options
from tests.options.test_clip_sets import own_clips
from tests.restoration.test_fit_frames import EDVR

METRICS = {'psnr': {'type': 'calculate_psnr', 'crop_border': 0}, 'tof': {'type': 'calculate_tof'}}


@pytest.mark.parametrize('host_model', ['EDVRModel', 'VideoRecurrentModel', 'SRModel'])
def test_the_numbers_are_those_of_the_framework_sets(tmp_path, host_model):
    opt = model_options(host_model)
    opt.update(val={'metrics': METRICS, 'save_img': True}, path={'visualization': str(tmp_path / 'pictures')})
    model = build_model(opt)
    is_recurrent = host_model == 'VideoRecurrentModel'
    host_set = make_test_set(tmp_path, dataset_type='VideoRecurrentTestDataset' if is_recurrent else 'VideoTestDataset')
    validate(model, host_set, 1, None)
    expected = model.metric_results
    own = {'name': 'mine', 'type': 'ClipTestDataset', 'phase': 'val', 'scale': 2}
    own.update(dataroot_gt=str(tmp_path / 'GT'), dataroot_lq=str(tmp_path / 'LQ'), num_frame=-1 if is_recurrent else 3)
    validate(model, DataLoader(build_dataset(own)), 1, None, True)
    assert list(model.metric_results) == ['000', '001']
    for clip, values in model.metric_results.items():
        assert torch.equal(values[:, 0], expected[clip][:, 0])
        torch.testing.assert_close(values[:, 1], expected[clip][:, 1], rtol=1e-9, atol=1e-9, equal_nan=True)  # threads
    pictures = sorted(path.relative_to(tmp_path / 'pictures').as_posix() for path in tmp_path.rglob('*_test_1.png'))
    assert pictures[0] == '1/mine/000/00000000_test_1.png'
    assert len(pictures) == 5 + 6


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['window', 'clip', 'frame'])
def test_a_video_of_any_size(clip_root, tmp_path, monkeypatch, kind):
    monkeypatch.setenv('DLVR_ROOT', str(tmp_path / 'root'))
    make_clip(tmp_path / 'frames/a', 3, (62, 110))
    frames = [cv2.imread(str(path)) for path in sorted((tmp_path / 'frames/a').iterdir())]
    write_video(tmp_path / 'take 1.mkv', frames, codec='FFV1')
    opt = own_clips(clip_root, kind, name='own', num_gpu=0, datasets__test__dataroot_gt=None)
    opt['datasets']['test']['dataroot_lq'] = str(tmp_path / 'take 1.mkv')
    if kind == 'window':
        opt['network_g'], opt['datasets']['test']['num_frame'] = dict(EDVR), 3
    else:
        opt['network_g'].update(num_feat=8, num_block=1)
    opt['val']['metrics'] = None
    assert test_command.main(['-opt', str(write_options(opt, tmp_path / 'own.yml'))]) == 0
    pictures = sorted((tmp_path / 'root/results/own/visualization/mine/take 1').iterdir())
    assert [path.name for path in pictures] == [f'{index:08d}_own.png' for index in range(3)]
    assert {cv2.imread(str(path)).shape for path in pictures} == {(248, 440, 3)}
