"""The paths that only a GPU takes."""

import os
import re
import subprocess
import sys

import pytest
import torch
from basicsr.models import build_model

from dlvr_plugin import train as train_command
from dlvr_plugin.core.errors import DivergenceError
from dlvr_plugin.training.updates import GuardedUpdates
from tests.helpers import REPOSITORY, as_host_model, tiny_options, write_options
from tests.models.conftest import model_options, sample
from tests.training.runs import assert_equal, everything

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not torch.cuda.is_available(), reason='there is no GPU')]

PRECISIONS = {
    'float32': {},
    'bf16': {'amp': 'bf16'},
    'fp16': {'amp': 'fp16'},
    'channels_last': {'channels_last': True},
    'bf16 channels_last': {'amp': 'bf16', 'channels_last': True},
    'bf16 compiled': {'amp': 'bf16', 'compile': ['net_g', 'net_t']},
}


@pytest.fixture
def opt(clip_root):
    opt = tiny_options(clip_root, init_t_iters=1, total_iter=4)
    opt['num_gpu'] = 1
    opt['datasets']['train'].update(num_worker_per_gpu=1, prefetch_mode='cuda', pin_memory=True)
    return opt


@pytest.fixture
def exact_float32(monkeypatch):
    """No TensorFloat-32, whose numbers have ten bits."""
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)


def losses_of(log):
    lines = [line for line in log if re.search(r'iter:\s+\d+, lr: ', line)]
    return [{name: float(value) for name, value in re.findall(r'\b([lt]_\w+): ([-+.e\d]+)', line)} for line in lines]


def run(opt, tmp_path, monkeypatch, host_log, name):
    monkeypatch.setenv('DLVR_ROOT', str(tmp_path))
    host_log.clear()
    assert train_command.main(['-opt', str(write_options({**opt, 'name': name}, tmp_path / f'{name}.yml'))]) == 0
    return losses_of(host_log)


@pytest.mark.parametrize('precision', PRECISIONS)
def test_losses_are_those_of_the_cpu(opt, tmp_path, monkeypatch, host_log, exact_float32, precision):
    train = {**opt['datasets']['train'], 'prefetch_mode': None, 'pin_memory': False}
    on_cpu = run({**opt, 'num_gpu': 0, 'datasets': {'train': train}}, tmp_path, monkeypatch, host_log, 'cpu')
    opt['train'].update(PRECISIONS[precision])
    on_gpu = run(opt, tmp_path, monkeypatch, host_log, 'gpu')
    assert 'on the GPU' in '\n'.join(host_log)
    assert len(on_cpu) == len(on_gpu) == 4
    for one, other in zip(on_cpu[:2], on_gpu[:2], strict=True):  # the first one trains T alone
        assert one.keys() == other.keys()
        for key in one:
            if 'acc' not in key:
                assert other[key] == pytest.approx(one[key], rel=0.1 if '16' in precision else 5e-3), key
    before, after = (everything(tmp_path, name, 4) for name in ('cpu', 'gpu'))
    assert [*before] == [*after]
    assert all(value.isfinite().all() for value in after['net_g_4.pth']['params'].values())


@pytest.mark.parametrize('precision', ['float32', 'fp16'])
def test_goes_on_where_it_stopped(opt, tmp_path, monkeypatch, host_log, exact_float32, precision):
    """Not bit for bit: sums of a GPU have no fixed order."""
    opt['train'].update(PRECISIONS[precision])
    whole = run(opt, tmp_path, monkeypatch, host_log, 'whole')
    opt['train']['total_iter'] = 2
    parts = run(opt, tmp_path, monkeypatch, host_log, 'parts')
    opt['train']['total_iter'] = 4
    opt['path']['resume_state'] = str(tmp_path / 'experiments/parts/training_states/2.state')
    parts += run(opt, tmp_path, monkeypatch, host_log, 'parts')
    for one, other in zip(whole, parts, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            if 'acc' not in key:
                assert other[key] == pytest.approx(one[key], rel=0.1), key
    scalers = everything(tmp_path, 'parts', 4)['4.state']['scalers']
    assert set(scalers) == ({'g', 't'} if precision == 'fp16' else set())


def test_updates_are_fused():
    model = build_model({**model_options(), 'num_gpu': 1})
    assert model.optimizer_g.defaults['fused']
    assert model.optimizer_t.defaults['fused']
    assert {p.device.type for p in [*model.net_g.parameters(), *model.net_t.parameters()]} == {'cuda'}


def test_no_step_is_taken_with_bad_numbers():
    model = build_model({**model_options(), 'num_gpu': 1})
    updates = GuardedUpdates(model)
    before = [p.detach().clone() for p in model.net_g.parameters()]
    batch = sample()
    batch['gt'][0, 1, 0, 3, 3] = torch.nan
    model.feed_data(batch)
    with pytest.raises(DivergenceError, match='a loss is not finite before the step of net_g'), updates.batch(0):
        model.optimize_parameters(1)
    assert all(torch.equal(p, q) for p, q in zip(before, model.net_g.parameters(), strict=True))


@pytest.mark.parametrize('norm', ['batch', 'sync'])
def test_distributed_by_nccl(opt, tmp_path, monkeypatch, host_log, exact_float32, norm):
    alone = run(opt, tmp_path, monkeypatch, host_log, 'alone')
    opt['network_t']['norm'] = norm
    path = write_options({**opt, 'name': 'distributed'}, tmp_path / 'options.yml')
    environment = {**os.environ, 'PYTHON': sys.executable, 'DLVR_ROOT': str(tmp_path)}
    command = ['bash', 'scripts/dist_train.sh', '1', str(path)]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    distributed = losses_of((done.stdout + done.stderr).splitlines())
    for key, value in alone[0].items():
        if 'acc' not in key:
            assert distributed[0][key] == pytest.approx(value, rel=5e-3), key


def test_framework_model(opt, tmp_path, monkeypatch, host_log):
    opt = as_host_model(opt)
    opt['datasets']['train']['gt_frames'] = 'middle'
    losses = run(opt, tmp_path, monkeypatch, host_log, 'stock')
    assert len(losses) == 4
    assert all(0 < each['l_pix'] < 1 for each in losses)


def test_deterministic_runs_give_the_same_bits(opt, tmp_path, monkeypatch, host_log):
    """Of operators that all have a deterministic form: convolutions, shuffled pixels, and T's."""
    opt.update(deterministic=True, host_model='SRModel', generator_type='image')
    opt['network_g'] = {'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 8, 'num_block': 1, 'upscale': 4}
    for name in ('one', 'other'):
        run(opt, tmp_path, monkeypatch, host_log, name)
    assert_equal(*(everything(tmp_path, name, 4) for name in ('one', 'other')))


def test_an_operator_that_cannot_repeat_itself_is_named(opt, tmp_path, monkeypatch, host_log):
    """Torchvision's deformable convolution adds up its gradients in any order."""
    opt['deterministic'] = True
    monkeypatch.setenv('DLVR_ROOT', str(tmp_path))
    assert train_command.main(['-opt', str(write_options(opt, tmp_path / 'tiny.yml'))]) == 1
    assert re.search(r'no deterministic form of the operator \w+, called in network_g: EDVR', host_log[-1])
    assert 'train on the CPU (num_gpu: 0)' in host_log[-1]
