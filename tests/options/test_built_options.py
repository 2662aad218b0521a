"""What the check builds: networks, losses, optimizers and schedules, each as the run would, and without memory."""

import logging
import re
import socket
from copy import deepcopy

import pytest
import torch
from basicsr.utils.registry import ARCH_REGISTRY, LOSS_REGISTRY
from torch._subclasses.fake_tensor import FakeTensor

from dlvr_plugin.options.consistency import building, machine
from dlvr_plugin.options.consistency.building import attempt
from dlvr_plugin.options.find_problems import find_problems
from dlvr_plugin.options.problems import OptionsError
from dlvr_plugin.options.yaml_reader import read_text
from tests.helpers import as_host_model, make_lmdb, tiny_options, video_test_set
from tests.options.checking import lines, read
from tests.options.test_option_checks import BASICVSR, EDSR, PRETRAIN, SPACE, set_key

DEBLUR = 'train/EDVR/pretrain_EDVR_L_deblur_REDS.yml'  # a crop that takes gigabytes where it is computed
COSINE = {'type': 'CosineAnnealingRestartLR', 'periods': [600000], 'restart_weights': [1], 'eta_min': 0}
GAN = {
    'model_type': 'VideoGANModel',
    'train.tsa_iter': None,
    'train.optim_d': {'type': 'Adam', 'lr': 1e-4},
    'train.gan_opt': {'type': 'GANLoss', 'gan_type': 'vanilla'},
    'network_d': {'type': 'VGGStyleDiscriminator', 'num_in_ch': 3, 'num_feat': 8, 'input_size': 256},
}
DUF = {'datasets.val.type': 'VideoTestDUFDataset', 'datasets.val.use_duf_downsampling': True}


def changed(file, changes):
    opt = read(file)
    for key, value in changes.items():
        set_key(opt, key, deepcopy(value))
    if changes.get('model_type', '').endswith('GANModel'):
        del opt['train']['tsa_iter'], opt['train']['dcn_lr_mul']
    return opt


@pytest.mark.parametrize(
    ('file', 'changes', 'line'),
    [
        (DEBLUR, {'network_g.with_predeblur': False}, 'network_g: does not take 5 frames of 256x256 pixels and 3 ch'),
        (EDSR, {'network_g.rgb_mean': [0.5]}, r'network_g: cannot be built: shape .* \(RuntimeError of EDSR\)\.'),
        (EDSR, {'network_g.upscale': 5, 'scale': 5, 'datasets.train.gt_size': 160}, 'network_g: cannot be built: scal'),
        (SPACE, {'network_g.num_feat': 60}, 'network_g.deformable_groups: must divide the 60 channels'),
        (SPACE, {'network_g.num_feat': 0}, r'network_g: cannot be built: float division by zero \(ZeroDivisionError'),
        (SPACE, {'network_g.num_feat': 10**5}, 'network_g: is too large: its weights with their gradients and'),
        (SPACE, {'network_g.num_extract_block': 10**18}, 'network_g: is too large: after 50000 calls of PyTorch'),
        (SPACE, {'network_g.num_feat': 10**9}, r'network_g: cannot be built: .*\(RuntimeError of EDVR\)'),
        (SPACE, {'network_g.num_in_ch': 1}, 'network_g: does not take 5 frames of 32x32 pixels and 3 channels: .*to h'),
        (SPACE, {'network_g.center_frame_idx': 7}, 'network_g: does not take 5 frames .*index 7 is out of bounds'),
        (SPACE, {'network_t.num_in_ch': 1}, 'network_t: LossNetT takes frames of 1 channels, got 3'),
        (SPACE, {'network_t.num_feat': [10**9] * 4}, r'network_t.num_feat\[0\]: expected a whole number of at least 1'),
        (SPACE, {'network_t': {'type': 'SpyNet'}}, 'network_t: cannot be the loss network T .*no attribute .norm'),
        (SPACE, {'network_t': {'type': 'FRNet'}}, 'network_t: cannot be the loss network T .*no attribute .norm'),
        (PRETRAIN, {**GAN, 'network_d.num_in_ch': 1}, 'network_d: cannot be the discriminator for frames of 256x256'),
        (PRETRAIN, {**GAN, 'network_d': {'type': 'LossNetT'}}, 'network_d: cannot be the discriminator .*TypeError'),
        (PRETRAIN, {**GAN, 'train.gan_opt': {'type': 'HuberLoss'}}, 'train.gan_opt: cannot be used: .*of HuberLoss'),
        (PRETRAIN, {**GAN, 'train.gan_opt': {'type': 'CharbonnierLoss'}}, 'train.gan_opt: cannot be used: .*bool'),
        (PRETRAIN, {**GAN, 'train.gan_opt': {'type': 'L1Loss'}}, r'train.gan_opt: cannot be used: .*\(AttributeError '),
        (PRETRAIN, {'train.pixel_opt.reduction': 'none'}, 'train.pixel_opt: must give one number of output and ground'),
        (PRETRAIN, {'train.pixel_opt': {'type': 'GANLoss', 'gan_type': 'lsgan'}}, 'train.pixel_opt: cannot be used: B'),
        (PRETRAIN, {'train.perceptual_opt': {'type': 'L1Loss'}}, 'train.perceptual_opt: must give two numbers'),
        (PRETRAIN, {'train.pixel_opt.eps': -1}, 'train.pixel_opt.eps: expected a number above 0, got -1'),
        (PRETRAIN, {'train.pixel_opt.eps': 0}, 'train.pixel_opt.eps: expected a number above 0, got 0'),
        (SPACE, {'train.pixel_opt.loss_weight': 1e40}, 'train.pixel_opt.loss_weight: .* larger than can be computed'),
        (SPACE, {'train.divergence': {'max_offset': 1e40}}, 'train.divergence.max_offset: .* larger than can be compu'),
        (SPACE, {'train.optim_g.betas': [0.9, 1.0]}, r'train.optim_g.betas\[1\]: expected a number of at least 0 and '),
        (SPACE, {'train.optim_g.lr': 2**40000}, 'train.optim_g.lr: .*got a number of about 12042 digits'),
        (SPACE, {'scale': 16**20000}, 'scale: .*got a number of about 24083 digits'),
        (SPACE, {'train.optim_g.differentiable': True}, 'train.optim_g: cannot be used: .*(RuntimeError of Adam)'),
        (SPACE, {'train.optim_t': {'type': 'AdamW', 'lr': 1, 'fused': True, 'foreach': True}}, 'train.optim_t: cannot'),
        (SPACE, {'train.init_t_iters': 130000}, 'train.init_t_iters: must be below total_iter 130000'),
        (PRETRAIN, {'train.scheduler': {**COSINE, 'eta_min': -1}}, 'train.scheduler.eta_min: expected a number of at '),
        (PRETRAIN, {'train.scheduler': {**COSINE, 'restart_weights': [0]}}, r'train.scheduler.restart_weights\[0\]: e'),
        (SPACE, {'train.scheduler.gamma': -1}, 'train.scheduler.gamma: expected a number of at least 0, got -1'),
        (SPACE, {'train.scheduler.milestones': [9, 5]}, 'train.scheduler.milestones: must rise from entry to entry'),
        (SPACE, {'train.ema_decay': 1}, 'train.ema_decay: expected a number of at least 0 and below 1, got 1'),
        (SPACE, {'manual_seed': 2**32}, 'manual_seed: expected a whole number of at least 0 and of at most 4293918720'),
        (SPACE, {'num_gpu': 1}, 'num_gpu: is 1, but this machine has no GPU; write 0 or auto.'),
        (SPACE, {'datasets.train.num_worker_per_gpu': 10**6}, 'datasets.train.num_worker_per_gpu: must be at most'),
        (SPACE, {'datasets.val.persistent_workers': True}, 'datasets.val.persistent_workers: must be false'),
        (PRETRAIN, {'val.metrics.psnr': {'type': 'calculate_psnr_pt'}}, '.*It takes batches of tensors'),
        (PRETRAIN, {'val.metrics.niqe': {'type': 'calculate_niqe', 'crop_border': -1}}, 'val.metrics.niqe.crop_border'),
        (PRETRAIN, {'model_type': 'SwinIRModel'}, 'network_g.window_size: is missing: SwinIRModel pads images'),
        (PRETRAIN, {**DUF, 'scale': 1}, 'datasets.val.use_duf_downsampling: needs a scale of 2, 3, 4, got 1'),
        (BASICVSR, {'datasets.val.type': 'VideoTestDataset'}, 'datasets.val.type: gives windows of frames, and networ'),
    ],
)  # fmt: skip
def test_what_a_run_would_refuse(file, changes, line):
    found = lines(changed(file, changes), with_files=False)
    assert any(re.match(line, each) for each in found), found
    assert all(len(each) < 600 for each in found)


@pytest.mark.parametrize('file', [EDSR, SPACE, BASICVSR, PRETRAIN])
def test_nothing_is_said_logged_or_drawn(file, capfd, caplog):
    state = torch.random.get_rng_state()
    assert lines(read(file), with_files=False) == []
    assert lines(changed(PRETRAIN, GAN), with_files=False) == []
    assert tuple(capfd.readouterr()) == ('', '')
    assert caplog.records == []
    assert logging.root.manager.disable == logging.NOTSET
    assert torch.equal(torch.random.get_rng_state(), state)


def test_whole_numbers_are_taken_for_betas_and_rates():
    opt = changed(SPACE, {'train.optim_g.betas': [0, 0.99], 'train.optim_g.lr': 1})
    checked, problems = find_problems(opt, is_train=True, with_files=False)
    assert problems == []
    optimizer = dict(checked['train']['optim_g'])
    assert [type(each) for each in (*optimizer['betas'], optimizer['lr'])] == [float] * 3
    torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=optimizer['lr'], betas=optimizer['betas'], fused=True)


@pytest.fixture
def own(monkeypatch):
    """Register classes for a test."""

    def register(registry, made):
        monkeypatch.setitem(registry._obj_map, made.__name__, made)
        return made

    return register


class StrangeError(Exception):
    """Of a user."""


def test_an_error_of_a_users_class_is_named(own):
    class Failing(torch.nn.Module):
        def __init__(self, num_feat: int = 1):
            raise StrangeError('not\ntoday')

    own(ARCH_REGISTRY, Failing)
    opt = changed(SPACE, {'network_g': {'type': 'Failing'}})
    assert lines(opt, with_files=False) == ['network_g: cannot be built: not today (StrangeError of Failing).']

    class FailingLoss(torch.nn.Module):
        def forward(self, output, gt):
            raise StrangeError('never')

    own(LOSS_REGISTRY, FailingLoss)
    opt = changed(PRETRAIN, {'train.pixel_opt': {'type': 'FailingLoss'}})
    assert lines(opt, with_files=False) == ['train.pixel_opt: cannot be used: never (StrangeError of FailingLoss).']


def test_what_needs_values_is_not_refused(own):
    """Fake tensors cannot say what is in them, and have nothing for NumPy; real ones can."""

    class Curious(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rates = [each.item() for each in torch.linspace(0, 1, 3)]
            self.layer = torch.nn.Conv2d(3, 48, 1)

        def forward(self, clip):
            bright = float(clip.numpy().mean()) > 0.5
            return torch.nn.functional.pixel_shuffle(self.layer(clip[:, 2]), 4) + bright

    own(ARCH_REGISTRY, Curious)
    opt = changed(SPACE, {'network_g': {'type': 'Curious'}})
    assert lines(opt, with_files=False) == []
    swinir = {'type': 'SwinIR', 'upscale': 4, 'upsampler': 'pixelshuffle', 'img_size': 32, 'window_size': 8}
    opt = changed(EDSR, {'network_g': {**swinir, 'depths': [2], 'num_heads': [6]}})
    assert lines(opt, with_files=False) == []
    opt['network_g']['num_heads'] = [7]
    assert [line.partition(': ')[0] for line in lines(opt, with_files=False)] == ['network_g']


def test_what_downloads_is_not_refused_and_gets_no_connection(own):
    class Downloading(torch.nn.Module):
        def __init__(self):
            super().__init__()
            socket.create_connection(('192.0.2.1', 80), timeout=30)

    own(ARCH_REGISTRY, Downloading)
    connect = socket.socket.connect
    opt = changed(SPACE, {'network_g': {'type': 'Downloading'}})
    assert lines(opt, with_files=False) == []
    assert socket.socket.connect is connect


def test_what_takes_long_with_fake_tensors_is_tried_with_real_ones(monkeypatch):
    kinds = []

    def build():
        kinds.append(type(torch.zeros(1)))
        return len(kinds)

    assert attempt(build) == building.Outcome(1)
    monkeypatch.setattr(building, '_MOST_SECONDS', 0)
    assert attempt(build) == building.Outcome(2)
    assert kinds == [FakeTensor, torch.Tensor]
    monkeypatch.setattr(building, '_MOST_BYTES', 1000)
    assert attempt(lambda: torch.zeros(10_000)) == building.Outcome(is_endless=True)


def test_an_attempt_ends(monkeypatch):
    monkeypatch.setattr(building, 'MOST_CALLS', 100)

    def for_ever():
        while True:
            torch.zeros(1)

    assert attempt(for_ever) == building.Outcome(is_endless=True)
    monkeypatch.setattr(building, '_MOST_BYTES', 1000)

    def needs_values_and_memory():
        torch.zeros(10_000).numpy()

    assert attempt(needs_values_and_memory) == building.Outcome()


def test_an_error_of_our_own_class_is_a_defect(own, monkeypatch):
    def broken(self, **options):
        raise AttributeError('ours')

    monkeypatch.setattr('dlvr_plugin.losses.HuberLoss.__init__', broken)
    opt = changed(PRETRAIN, {'train.pixel_opt': {'type': 'HuberLoss'}})
    with pytest.raises(AttributeError, match='ours'):
        lines(opt, with_files=False)


def test_workers_and_gpus_that_there_are(monkeypatch):
    monkeypatch.setattr(machine.os, 'cpu_count', lambda: 32)
    opt = changed(SPACE, {'datasets.train.num_worker_per_gpu': 128, 'num_gpu': 1})
    assert lines(opt, with_files=False, num_gpu=1) == []
    assert lines({**opt, 'num_gpu': 2}, with_files=False, num_gpu=1)[0] == (
        'num_gpu: is 2, but this machine has 1; write 1 or auto.'
    )
    opt['num_gpu'] = 8  # of several machines
    opt['datasets']['train']['num_worker_per_gpu'] = 4
    assert lines(opt, with_files=False, num_gpu=1, world_size=8, is_distributed=True) == []


@pytest.mark.parametrize('gt_size', [2**20, 2**31, 2**62])
def test_samples_that_no_memory_holds(clip_root, gt_size):
    opt = tiny_options(clip_root)
    opt['datasets']['train']['gt_size'] = gt_size
    (line,) = lines(opt)
    assert re.fullmatch(
        r'datasets.train: 2 of its samples take \d+ GiB, and this machine has \d+ GiB of memory. Lower gt_size or '
        r'num_frame.',
        line,
    )


def test_sizes_of_frames(clip_root):
    opt = tiny_options(clip_root)
    opt['datasets']['train']['gt_size'] = 96
    expected = f'datasets.train.gt_size: must be at most 64, because clip 000 of {clip_root}'
    assert lines(opt)[0].startswith(expected)
    for name in ('GT', 'X4'):
        make_lmdb(clip_root / name, clip_root / f'{name}.lmdb')
        opt['datasets']['train'][f'dataroot_{"gt" if name == "GT" else "lq"}'] = str(clip_root / f'{name}.lmdb')
    opt['datasets']['train']['io_backend'] = {'type': 'lmdb'}
    assert lines(opt)[0].startswith(expected)
    opt = tiny_options(clip_root)
    opt['datasets']['train']['dataroot_lq'] = str(clip_root / 'GT')
    assert lines(opt) == [
        'datasets.train.dataroot_lq: clip 000 has frames of 64x80 pixels (h x w), and those of dataroot_gt have 64x80 '
        'pixels (h x w), which is not scale 4 times as much.'
    ]


def test_borders_and_windows_of_validation(clip_root):
    opt = as_host_model(tiny_options(clip_root))
    opt['datasets']['train']['gt_frames'] = 'middle'
    opt['datasets']['val'] = video_test_set(clip_root, num_frame=3)
    psnr = {'type': 'calculate_psnr', 'crop_border': 32}
    opt['val'] = {'val_freq': 1, 'save_img': False, 'metrics': {'psnr': psnr}}
    (line,) = lines(opt)
    assert line.startswith(
        'val.metrics.psnr.crop_border: must be below 32, because clip 000 of datasets.val has frames'
    )
    psnr['crop_border'] = 31
    assert lines(opt) == []
    opt['val'].update(nan='error', metrics={'niqe': {'type': 'calculate_niqe', 'crop_border': 0}})
    (line,) = lines(opt)
    assert line.startswith('val.metrics.niqe: has no value for clip 000 of datasets.val, which val.nan: error refuses')
    opt['val'].update(nan='leave-out')
    assert lines(opt) == []
    opt['network_g']['num_frame'] = 15
    opt['datasets']['val']['num_frame'] = 15
    opt['datasets']['val']['padding'] = 'reflection'
    found = [line for line in lines(opt) if line.startswith('datasets.val')]
    assert found[0].startswith('datasets.val.num_frame: must be smaller for clip 000, which has 7 frames')
    opt['datasets']['val']['padding'] = 'replicate'
    assert [line for line in lines(opt) if line.startswith('datasets.val')] == []


def test_sets_of_the_framework_that_give_other_samples(clip_root):
    opt = as_host_model(tiny_options(clip_root))
    single = {'name': 'x', 'type': 'SingleImageDataset', 'dataroot_lq': str(clip_root / 'X4' / '000')}
    loader = {'io_backend': {'type': 'disk'}, 'num_worker_per_gpu': 0, 'batch_size_per_gpu': 2}
    opt['datasets']['train'] = {**single, **loader}
    assert lines(opt) == ['datasets.train: gives no gt, which the training step takes. Choose another type.']
    pair = {
        **single,
        'type': 'PairedImageDataset',
        'dataroot_gt': str(clip_root / 'GT' / '000'),
        'meta_info_file': None,
    }
    opt['datasets']['train'] = {**pair, **loader, 'gt_size': 32, 'use_hflip': True, 'use_rot': False}
    assert any('does not take frames of 8x8 pixels' in line for line in lines(opt))
    opt['datasets']['train']['dataroot_gt'] = str(clip_root / 'X4' / '000')
    assert any(line.startswith('datasets.train: PairedImageDataset cannot be used so:') for line in lines(opt))
    opt['datasets']['train'] = {**single, **loader, 'dataroot_lq': str(clip_root / 'X4')}
    assert lines(opt) == ['datasets.train: has no samples. Look at its paths, and at how its files are named.']


def test_what_undescribed_models_of_the_framework_read(clip_root):
    opt = as_host_model(tiny_options(clip_root))
    opt['model_type'] = 'HiFaceGANModel'
    (line,) = lines(opt, with_files=False)
    assert re.fullmatch(r"model_type: HiFaceGANModel reads the key '\w+', which is missing\.", line)


@pytest.mark.parametrize('digits', [f'0x{"f" * 20000}', '9' * 20000])
def test_a_number_of_very_many_digits_in_a_file(digits):
    with pytest.raises(OptionsError, match=r'^x\.yml:1: .{50,70}\.\.\. ') as caught:
        read_text(f'a: {digits}', 'x.yml')
    assert len(str(caught.value)) < 300
