"""Every bad input ends a run with one screen that names the thing, exit code 1, and nothing written."""

import re
import shutil

import cv2
import pytest
import torch

from dlvr_plugin import test as test_command
from dlvr_plugin import train as train_command
from tests.helpers import as_host_model, tiny_options, video_test_set, write_options


@pytest.fixture
def run(clip_root, tmp_path, monkeypatch, host_log):
    """Train with options changed by a function, and return the exit code and the error."""
    root = tmp_path / 'root'
    root.mkdir()
    monkeypatch.setenv('DLVR_ROOT', str(root))
    kept = root / 'experiments' / 'tiny' / 'models' / 'net_g_latest.pth'
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b'an earlier run')

    def train(change, main=train_command.main, during_training=False):
        opt = tiny_options(clip_root)
        change(opt)
        code = main(['-opt', str(write_options(opt, tmp_path / 'bad.yml'))])
        error = host_log[-1]
        assert error.count('\n') < 12
        if during_training:  # the earlier run is set aside, as the host does
            (aside,) = (root / 'experiments').glob('tiny_archived_*')
            assert (aside / 'models' / 'net_g_latest.pth').read_bytes() == b'an earlier run'
        else:
            assert [path for path in root.rglob('*') if path.is_file()] == [kept]
            assert kept.read_bytes() == b'an earlier run'
        return code, error

    return train


def section(*keys, **values):
    """Return a function that sets values in a section of the options."""

    def change(opt):
        for key in keys:
            opt = opt[key]
        opt.update(values)

    return change


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            section(model_type='Discriminative'),
            "bad.yml:2: model_type: expected one of .*got 'Discriminative' .*Did you mean DiscriminativeSpaceModel",
        ),
        (section(host_model='EDVR'), "host_model: expected one of .*got 'EDVR' .*Did you mean EDVRModel"),
        (section('train', 'discriminative_opt', layers=[1, 5]), r'layers: must be some of .*got \[1, 5\]'),
        (section('train', 'discriminative_opt', relation_weigth=1.0), 'Did you mean relation_weight'),
        (section('datasets', 'train', gt_size=34), 'datasets.train.gt_size: must be a multiple of the scale 4, got 34'),
        (section('datasets', 'train', dataroot_gt='nowhere'), 'datasets.train.dataroot_gt: nowhere does not exist'),
        (section('datasets', 'train', type='ClipsDataset'), "datasets.train.type: .*got 'ClipsDataset'"),
        (section('datasets', 'train', num_frame=9), 'Clip 000 .* 7 frames, but num_frame 9'),
        (section('datasets', 'train', num_frame=5), 'datasets.train.num_frame: must be 3'),
        (
            section('datasets', 'train', batch_size_per_gpu=99),
            'has 21 samples an epoch, fewer than an iteration takes, 99',
        ),
        (
            section('train', pixel_opt={'type': 'HuberLoss', 'delta': '1e-2'}),
            r'train.pixel_opt.delta: .*Write 1\.0e-2 or !!float 1e-2',
        ),
        (section('train', pixel_opt={'type': 'HubertLoss'}), "train.pixel_opt.type: .*got 'HubertLoss'"),
        (section('path', pretrain_network_g='nowhere.pth'), 'path.pretrain_network_g: nowhere.pth does not exist'),
        (section('network_t', norm='sync'), 'GPUs only'),
        (section('network_g', type='EDVRR'), "network_g.type: expected one of .*got 'EDVRR'"),
        (section('network_t', num_feats=[8]), 'network_t.num_feats: is no option here. Did you mean num_feat'),
        (lambda opt: opt.pop('path'), 'path: is missing'),
    ],
)
def test_options(run, change, message):
    code, error = run(change)
    assert code == 1
    assert re.search(message, error), error


def test_wrong_checkpoint_for_t(run, tmp_path):
    torch.save({'params': {'conv.weight': torch.zeros(3)}}, tmp_path / 'net_g.pth')
    code, error = run(section('path', pretrain_network_t=str(tmp_path / 'net_g.pth')))
    assert code == 1
    assert 'net_g.pth holds another network than LossNetT' in error


def test_wrong_checkpoint_for_a_mixed_loss(run, tmp_path):
    torch.save({'params': {'conv.weight': torch.zeros(3)}}, tmp_path / 'net_g.pth')

    def change(opt):
        as_host_model(opt)
        opt['train']['perceptual_opt'] = {'type': 'DiscriminativeSpaceLoss', 'path': str(tmp_path / 'net_g.pth')}

    code, error = run(change)
    assert code == 1
    assert 'train.perceptual_opt: ' in error
    assert 'net_g.pth holds another network than LossNetT' in error


def test_missing_option_file(run, tmp_path, host_log):
    assert train_command.main(['-opt', str(tmp_path / 'nowhere.yml')]) == 1
    assert 'nowhere.yml' in host_log[-1]


def test_missing_frame(run, clip_root):
    (clip_root / 'X4' / '001' / '00000003.png').unlink()
    code, error = run(lambda opt: None)
    assert code == 1
    assert 'Frame 001/00000003 is missing in' in error


@pytest.mark.parametrize('workers', [0, 1])
@pytest.mark.parametrize('damage', ['cut off', 'odd size'])
@pytest.mark.parametrize('clips', [('000',), ('000', '001', '002')], ids=['later', 'at once'])
def test_bad_frame_while_training(run, clip_root, clips, damage, workers):
    for clip in clips:
        path = clip_root / 'GT' / clip / '00000003.png'
        if damage == 'cut off':
            path.write_bytes(path.read_bytes()[:-200])
        else:
            cv2.imwrite(str(path), cv2.imread(str(path))[:60])

    def change(opt):
        opt['datasets']['train'].update(num_frame=7, batch_size_per_gpu=1, num_worker_per_gpu=workers)
        opt['network_g']['num_frame'] = 7
        opt['train']['total_iter'] = 21  # an epoch; this seed does not begin with clip 000

    code, error = run(change, during_training=len(clips) == 1)
    assert code == 1
    assert '00000003.png' in error
    assert ('cannot be decoded' if damage == 'cut off' else '60x80') in error


def test_test_sets_must_pair(run, clip_root):
    def change(opt):
        opt.update(datasets={'test': video_test_set(clip_root, num_frame=3)}, val={'save_img': False})

    (clip_root / 'X4' / '001' / '00000003.png').unlink()
    code, error = run(change, main=test_command.main)
    assert code == 1
    assert 'Frame 001/00000003 is missing in' in error
    shutil.rmtree(clip_root / 'GT' / '001')  # the host would go on and compare 001 with 002
    code, error = run(change, main=test_command.main)
    assert code == 1
    assert 'Clip 001 is missing in' in error


def test_test_set_names(run, clip_root):
    def change(opt):
        opt['datasets'] = {'test': {**video_test_set(clip_root, num_frame=3), 'name': 'mine'}}
        opt['val'] = {'save_img': False}

    code, error = run(change, main=test_command.main)
    assert code == 1
    assert "datasets.test.name: must be one of vid4, reds4, redsofficial for a VideoTestDataset, got 'mine'" in error


def test_test_command(run, clip_root):
    def change(opt):
        opt['datasets'] = {'test': {'type': 'VideoTestDataset', 'name': 'vid4', 'dataroot_gt': 'nowhere'}}

    code, error = run(change, main=test_command.main)
    assert code == 1
    assert 'datasets.test.dataroot_gt: nowhere does not exist' in error
