"""Every option file runs as it stands: its own paths, networks and losses, for a few iterations on small crops."""

import shutil
from pathlib import Path

import pytest
import torch
from basicsr.archs import build_network
from basicsr.archs.spynet_arch import SpyNet
from torchvision.models import vgg

from dlvr_plugin import test as test_command
from dlvr_plugin import train as train_command
from dlvr_plugin.archs import LossNetT
from dlvr_plugin.host import weight_files
from tests.conftest import make_clip
from tests.helpers import REPOSITORY, make_lmdb, make_lq, read_options, write_options

OPTIONS = REPOSITORY / 'options'
TRAIN_FILES = sorted(path.relative_to(OPTIONS).as_posix() for path in OPTIONS.glob('train/*/*.yml'))
TEST_FILES = sorted(path.relative_to(OPTIONS).as_posix() for path in OPTIONS.glob('test/*/*.yml'))
DEMO_FILES = sorted(path.relative_to(OPTIONS).as_posix() for path in OPTIONS.glob('demo/*.yml'))
DEMO_TEST_FILES = [name for name in DEMO_FILES if name.endswith('_test.yml')]
DEMO_TRAIN_FILES = [name for name in DEMO_FILES if name not in DEMO_TEST_FILES]


def test_there_are_files_for_every_kind_of_generator():
    kinds = {'EDVR', 'BasicVSR', 'EDSR', 'TecoGAN', 'STFAN', 'OVD', 'DBN', 'small'}
    assert {Path(name).parts[1] for name in TRAIN_FILES} == kinds
    assert {Path(name).parts[1] for name in TEST_FILES} == kinds
    assert {Path(name).stem.split('_')[0] for name in DEMO_FILES} >= {'1', 'TecoGAN', 'STFAN', 'OVD', 'DBN'}


@pytest.mark.parametrize('name', TRAIN_FILES + TEST_FILES + DEMO_FILES)
def test_name_is_that_of_the_file(name):
    stem = Path(name).stem
    assert read_options(OPTIONS / name)['name'] == (f'demo_{stem}' if name in DEMO_FILES else stem)


@pytest.mark.parametrize(
    'name', [name for name in TRAIN_FILES if 'DiscriminativeSpace' in name and 'small' not in name]
)
def test_settings_of_the_paper(name):
    opt = read_options(OPTIONS / name)
    train = opt['train']
    assert (train['init_t_iters'], train['total_iter']) == (100_000, 100_000 + 30_000)
    assert train['optim_g']['type'] == train['optim_t']['type'] == 'Adam'
    assert train['optim_g']['lr'] == train['optim_t']['lr'] == 1e-5
    assert train['pixel_opt'] == {'type': 'HuberLoss', 'loss_weight': 1.0, 'delta': 0.01}
    assert train['discriminative_opt']['delta'] == 0.01
    assert train['discriminative_opt']['radius'] == 1
    assert train['discriminative_opt']['layers'] == [1, 2, 3, 4]
    if 'BasicVSR' not in name:  # its flow network takes no crops of 32 pixels
        assert opt['datasets']['train']['gt_size'] == 128


@pytest.fixture(scope='module')
def reds(tmp_path_factory):
    """A folder with ``datasets`` in the layout of REDS, Vid4 and DVD, small."""
    root = tmp_path_factory.mktemp('reds')
    folder = root / 'datasets' / 'REDS'
    for clip in ('000', '001'):
        make_clip(folder / 'train_sharp' / clip, 100, (144, 144), seed=int(clip))
        make_clip(folder / 'train_blur' / clip, 100, (144, 144), seed=int(clip))
        make_clip(folder / 'val_sharp' / clip, 5, (64, 64), seed=int(clip))
        make_clip(folder / 'val_blur' / clip, 5, (64, 64), seed=int(clip))
        make_clip(root / 'datasets' / 'Vid4' / 'GT' / clip, 5, (64, 64), seed=int(clip))
        for part in ('GT', 'input'):
            make_clip(root / 'datasets' / 'DVD' / 'test' / part / clip, 5, (64, 64), seed=int(clip))
            make_clip(root / 'datasets' / 'DVD' / 'train' / part / clip, 7, (144, 144), seed=int(clip))
    for part in ('train', 'val'):
        make_lq(folder / f'{part}_sharp', folder / f'{part}_sharp_bicubic' / 'X4')
    for degradation in ('BI', 'BD'):
        make_lq(root / 'datasets/Vid4/GT', root / f'datasets/Vid4/{degradation}x4', degradation)
    for part in ('GT', 'input'):
        make_lmdb(root / 'datasets/DVD/train' / part, root / f'datasets/DVD/train_{part}.lmdb')
    make_lmdb(folder / 'train_sharp', root / 'datasets' / 'small.lmdb')
    make_lmdb(folder / 'train_sharp_bicubic' / 'X4', root / 'datasets' / 'small_BIx4.lmdb')
    make_lmdb(folder / 'train_sharp', root / 'datasets' / 'small_sharp.lmdb')
    make_lmdb(folder / 'train_blur', root / 'datasets' / 'small_sharp_motion_blur.lmdb')
    make_lmdb(folder / 'train_sharp', folder / 'train_sharp.lmdb')
    make_lmdb(folder / 'train_blur', folder / 'train_blur.lmdb')
    make_lmdb(folder / 'train_sharp_bicubic' / 'X4', folder / 'train_sharp_bicubic_X4.lmdb')
    make_lmdb(folder / 'val_sharp', folder / 'val_sharp.lmdb')
    make_lmdb(folder / 'val_sharp_bicubic' / 'X4', folder / 'val_sharp_realisticx4.lmdb')
    for version in range(8):
        shutil.copytree(root / 'datasets/small_BIx4.lmdb', root / f'datasets/small_realisticx4_{version}.lmdb')
    for name, part in {'small_test': 'GT', 'small_test_motion_blur': 'input'}.items():
        (root / 'datasets' / name).symlink_to(root / 'datasets/DVD/test' / part)
    demo = root / 'datasets' / 'demo'
    (demo / 'train_sharp_bicubic').mkdir(parents=True)
    for name, target in {
        'train_sharp.lmdb': 'train_sharp.lmdb',
        'train_sharp_bicubic_X4.lmdb': 'train_sharp_bicubic_X4.lmdb',
        'train_sharp': 'val_sharp',
        'train_sharp_bicubic/X4': 'val_sharp_bicubic/X4',
    }.items():
        (demo / name).symlink_to(folder / target)
    (demo / 'meta_info_demo_val_GT.txt').write_text('000 5 (64,64,3)\n')
    return root


@pytest.fixture
def prepare(reds, monkeypatch):
    """Make the weights that a file names, with seeded random values, and return its options."""
    monkeypatch.chdir(reds)
    monkeypatch.setenv('DLVR_ROOT', str(reds))

    def weights(path, state):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        torch.save({'params': state, 'params_ema': state}, path)

    def put_random_vgg19():
        """Let the perceptual loss find another one where the published one would be downloaded."""
        net = torch.nn.Module()
        net.features = vgg.make_layers(vgg.cfgs['E'])
        monkeypatch.setattr(vgg, 'vgg19', lambda weights: net)
        monkeypatch.setattr(weight_files, 'read_published', lambda url: net.state_dict())

    def read(name):
        opt = read_options(OPTIONS / name)
        opt.get('val', {})['skip_frames'] = 0  # the clips are short
        if opt['network_g'].get('spynet_path'):
            # The framework loads it before it adds the buffers.
            weights(opt['network_g']['spynet_path'], dict(SpyNet().named_parameters()))
        if opt['path'].get('pretrain_network_g'):
            weights(opt['path']['pretrain_network_g'], build_network(opt['network_g']).state_dict())
        if opt.get('train', {}).get('perceptual_opt', {}).get('type') == 'LPIPSLoss':  # its weights are a download
            opt['train']['perceptual_opt']['random_weights'] = True
        if opt.get('train', {}).get('perceptual_opt', {}).get('type') == 'PerceptualLoss':
            put_random_vgg19()
        if (loss := opt.get('train', {}).get('perceptual_opt')) and loss['type'] == 'DiscriminativeSpaceLoss':
            weights(opt['train']['perceptual_opt']['path'], LossNetT().state_dict())
        return opt

    return read


@pytest.mark.slow
@pytest.mark.parametrize('name', TRAIN_FILES + DEMO_TRAIN_FILES)
def test_training_file_runs(prepare, reds, tmp_path, name, host_log):
    opt = prepare(name)
    opt['datasets']['train'].update(
        gt_size=144 if 'BasicVSR' in name else 64, batch_size_per_gpu=1, num_worker_per_gpu=0, dataset_enlarge_ratio=1
    )
    if opt['datasets']['train']['num_frame'] > 5:  # recurrent generators take any number
        opt['datasets']['train']['num_frame'] = 3
    opt['train']['total_iter'] = 2
    if 'init_t_iters' in opt['train']:
        opt['train']['init_t_iters'] = 1
    opt['logger'].update(print_freq=1, use_tb_logger=False)
    assert train_command.main(['-opt', str(write_options(opt, tmp_path / 'short.yml'))]) == 0
    last = [message for message in host_log if 'iter:       2,' in message][-1]
    if opt['model_type'] == 'DiscriminativeSpaceModel':
        assert all(f' {key}: ' in last for key in ('l_g_pix', 'l_g_content', 'l_g_relation', 'l_t_real', 't_acc_fake'))
    elif 'Adversarial' in name:
        assert all(f' {key}: ' in last for key in ('l_g_pix', 'l_g_gan', 'l_g_percep', 'l_t_real', 't_acc_fake'))
    else:
        assert ' l_pix: ' in last
    assert (' l_percep' in last) == ('mixed_losses' in name)
    assert (' l_warp: ' in last) == (opt['network_g']['type'] == 'FRNet')
    assert (reds / 'experiments' / opt['name'] / 'models' / 'net_g_latest.pth').is_file()
    if 'val' in opt:
        assert any('# psnr' in message for message in host_log)


@pytest.mark.slow
@pytest.mark.parametrize('name', TEST_FILES + DEMO_TEST_FILES)
def test_test_file_runs(prepare, reds, tmp_path, name, host_log):
    opt = prepare(name)
    if 'BasicVSR' in name:  # its flow network takes no frames of 32 pixels and less
        root = tmp_path / 'larger'
        make_clip(root / 'GT' / '000', 3, (144, 144))
        make_lq(root / 'GT', root / 'X4')
        opt['datasets']['test'].update(dataroot_gt=str(root / 'GT'), dataroot_lq=str(root / 'X4'))
    assert test_command.main(['-opt', str(write_options(opt, tmp_path / 'short.yml'))]) == 0
    assert any('# ssim' in message for message in host_log)
    suffix = opt['val']['suffix'] or opt['name']
    pictures = list((reds / 'results' / opt['name'] / 'visualization').rglob(f'*_{suffix}.png'))
    assert len(pictures) == (3 if 'BasicVSR' in name else 5 if name in DEMO_TEST_FILES else 10)
