"""A run that was stopped and resumed ends with the same bits as one that was not."""

from copy import deepcopy
from pathlib import Path

import pytest

from dlvr_plugin import train as train_command
from tests.conftest import make_clip, make_clips
from tests.helpers import as_adversarial, tiny_options, video_test_set, write_options
from tests.training.runs import assert_equal, everything, go_back_to

pytestmark = pytest.mark.slow

TOTAL = 8


def changed(opt, **sections):
    """Return options with sections updated."""
    opt = deepcopy(opt)
    for section, values in sections.items():
        opt[section].update(values)
    return opt


def edvr(opt):
    opt['network_g']['with_tsa'] = True
    opt['train']['tsa_iter'] = 4  # behind the two iterations of T alone


def stock(opt):
    """The framework's own model, for the pretraining."""
    opt['model_type'] = 'EDVRModel'
    for key in ('host_model', 'network_t'):
        del opt[key]
    for key in ('optim_t', 'discriminative_opt', 'init_t_iters'):
        del opt['train'][key]
    opt['datasets']['train']['gt_frames'] = 'middle'
    opt['network_g']['with_tsa'] = True
    opt['train']['tsa_iter'] = 5


def validated(opt):
    """The best metrics survive, those of a validation at the iteration of the checkpoint, too."""
    clip_root = Path(opt['datasets']['train']['dataroot_gt']).parent
    opt['datasets']['val'] = video_test_set(make_clips(clip_root / 'val', number=2, length=4), num_frame=3)
    metrics = {'psnr': {'type': 'calculate_psnr_fast', 'crop_border': 8}}
    opt['val'] = {'val_freq': 2, 'save_img': False, 'keep_best': 'psnr', 'metrics': metrics}


def adversarial(opt):
    """T waits in some iterations, by its turn and by its lead."""
    as_adversarial(opt, weight=0.1, fake='mixed', update_interval=2, update_threshold=0.4, random_shift=8)
    opt['train'].update(ema_decay=0.9, accum_iter=2, grad_clip_t=0.1)


CASES = {
    'validated': validated,
    'plain': lambda opt: None,
    'workers': lambda opt: opt['datasets']['train'].update(
        num_worker_per_gpu=2, dataroot_lq=None, degradation={'type': 'realistic', 'preset': 'real_basicvsr'}
    ),
    'prefetch': lambda opt: opt['datasets']['train'].update(prefetch_mode='cpu', num_worker_per_gpu=1),
    'ema': lambda opt: opt['train'].update(ema_decay=0.9),
    'warmup and cosine': lambda opt: opt['train'].update(
        warmup_iter=3, scheduler={'type': 'CosineAnnealingRestartLR', 'periods': [3, 5], 'restart_weights': [1, 0.5]}
    ),
    'accumulation': lambda opt: opt['train'].update(accum_iter=2, grad_clip_g=1e-3, grad_clip_t=0.1),
    'bf16': lambda opt: opt['train'].update(amp='bf16', channels_last=True),
    'fp16': lambda opt: opt['train'].update(amp='fp16'),
    'AdamW': lambda opt: opt['train'].update(optim_g={'type': 'AdamW', 'lr': 1e-3, 'weight_decay': 0.1}),
    'tsa': edvr,
    'random shift': lambda opt: opt['train']['discriminative_opt'].update(random_shift=8),
    'stock EDVR': stock,
    'adversarial': adversarial,
    'adversarial in fp16': lambda opt: as_adversarial(opt, gan_type='relativistic')['train'].update(amp='fp16'),
}


def run(opt, tmp_path, *flags):
    path = write_options(opt, tmp_path / 'options.yml')
    assert train_command.main(['-opt', str(path), *flags]) == 0


def compare(opt, stops, tmp_path, monkeypatch, total=TOTAL):
    root = tmp_path / 'root'
    monkeypatch.setenv('DLVR_ROOT', str(root))
    opt['train']['total_iter'] = total
    opt['logger']['save_checkpoint_freq'] = total
    run(changed({**opt, 'name': 'whole'}), tmp_path)
    parted = changed({**opt, 'name': 'parts'}, logger={'save_checkpoint_freq': 1})
    run(parted, tmp_path)
    for stop in stops:
        go_back_to(root, 'parts', stop)
        run(parted, tmp_path, '--auto_resume')
    whole, parts = (everything(root, name, total) for name in ('whole', 'parts'))
    assert len(whole) == 1 + sum(key.startswith('network_') for key in opt)
    assert_equal(whole, parts)
    first = everything(root, 'parts', stops[0])
    with pytest.raises(AssertionError):  # it did train in between
        assert_equal(first[f'net_g_{stops[0]}.pth'], parts[f'net_g_{total}.pth'])


@pytest.mark.parametrize('case', CASES)
def test_every_kind_of_run(clip_root, tmp_path, monkeypatch, host_log, case):
    """Stopped in the middle of an epoch; some also in the phase of T alone, and in the next epoch."""
    opt = tiny_options(clip_root, init_t_iters=2)
    opt['datasets']['train']['batch_size_per_gpu'] = 3  # 7 iterations an epoch
    CASES[case](opt)
    compare(opt, (1, 4, 7) if case in ('validated', 'plain', 'workers', 'adversarial') else (4,), tmp_path, monkeypatch)


@pytest.mark.parametrize('host_model', ['VideoRecurrentModel', 'VideoRecurrentGANModel'])
def test_recurrent_with_frozen_flow(tmp_path, monkeypatch, host_log, host_model):
    for index in range(2):
        make_clip(tmp_path / 'GT' / f'{index:03d}', 4, (144, 160), seed=index)
    opt = tiny_options(tmp_path, init_t_iters=2)
    opt['host_model'] = host_model
    opt['network_g'] = {'type': 'BasicVSR', 'num_feat': 4, 'num_block': 1, 'spynet_path': None}
    if host_model == 'VideoRecurrentGANModel':
        opt['network_d'] = {'type': 'UNetDiscriminatorSN_basicsr', 'num_in_ch': 3, 'num_feat': 4}
        opt['train'].update(
            fix_flow=4,
            lr_flow=1e-4,
            net_d_iters=2,
            optim_d={'type': 'Adam', 'lr': 1e-4},
            gan_opt={'type': 'GANLoss', 'gan_type': 'vanilla', 'loss_weight': 1e-2},
        )
    else:
        opt['train'].update(fix_flow=4, flow_lr_mul=0.5)
    opt['datasets']['train'].update(dataroot_lq=None, gt_size=144, batch_size_per_gpu=1)
    compare(opt, (4,), tmp_path, monkeypatch, total=6)


def test_number_of_workers_does_not_matter(clip_root, tmp_path, monkeypatch, host_log):
    root = tmp_path / 'root'
    monkeypatch.setenv('DLVR_ROOT', str(root))
    for workers in (0, 2):
        opt = tiny_options(clip_root, name=f'workers{workers}', total_iter=4, init_t_iters=1)
        opt['datasets']['train'].update(num_worker_per_gpu=workers, dataroot_lq=None, degradation='realistic')
        run(opt, tmp_path)
    assert_equal(everything(root, 'workers0', 4), everything(root, 'workers2', 4))
