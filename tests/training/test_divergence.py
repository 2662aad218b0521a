"""Numbers that go wrong: no step is taken with them, and the run ends or goes back, as the options say."""

import math
import re
import shutil

import pytest
import torch
from basicsr.utils.registry import DATASET_REGISTRY

from dlvr_plugin import train as train_command
from dlvr_plugin.archs import LossNetT
from dlvr_plugin.data import ClipDataset
from dlvr_plugin.training.divergence import BalanceMonitor, DivergenceOptions
from tests.helpers import as_adversarial, tiny_options, write_options


class DatasetWithNaN(ClipDataset):
    """One frame of one sample is not a number."""

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        if sample['key'] == '001/00000002':
            sample[self.opt['nan_in']][0] = math.nan
        return sample


DATASET_REGISTRY.register(DatasetWithNaN)


@pytest.fixture
def run(clip_root, tmp_path, monkeypatch, host_log):
    """Train with changed options; return exit code, log, and the folder of the experiment."""
    root = tmp_path / 'root'
    monkeypatch.setenv('DLVR_ROOT', str(root))

    def train(total_iter=6, dataset=None, model_type='DiscriminativeSpaceModel', **options):
        shutil.rmtree(root, ignore_errors=True)  # the framework archives a second's runs by one name
        opt = tiny_options(clip_root, total_iter=total_iter, init_t_iters=1)
        if model_type == 'AdversarialModel':
            as_adversarial(opt)
        opt['train'].update(options)
        opt['datasets']['train'].update(dataset or {})
        opt['logger']['save_checkpoint_freq'] = 2
        code = train_command.main(['-opt', str(write_options(opt, tmp_path / 'tiny.yml'))])
        return code, '\n'.join(host_log), root / 'experiments' / 'tiny'

    return train


def assert_checkpoints_are_finite(folder):
    paths = list(folder.glob('models/net_*.pth'))
    for path in paths:
        for value in torch.load(path, weights_only=True)['params'].values():
            assert value.isfinite().all(), path
    return paths


@pytest.mark.parametrize(
    ('nan_in', 'model_type'),
    [('lq', 'DiscriminativeSpaceModel'), ('gt', 'DiscriminativeSpaceModel'), ('gt', 'AdversarialModel')],
)
def test_sample_with_nan(run, nan_in, model_type):
    """It is met in the first epoch of 10 iterations, whenever that may be."""
    code, log, folder = run(total_iter=10, dataset={'type': 'DatasetWithNaN', 'nan_in': nan_in}, model_type=model_type)
    assert code == 1
    found = re.search(r'Iteration (\d+), samples .*001/00000002.*: a loss is not finite before the step of net_', log)
    assert found, log[-800:]
    assert len(list((folder / 'training_states').iterdir())) == (int(found[1]) - 1) // 2
    assert_checkpoints_are_finite(folder)


def spoil_gradient(monkeypatch, letter, times, at_step=4):
    """Let the gradient of a network be not a number in the n-th of its steps, some times."""
    from dlvr_plugin.training.updates import GuardedUpdates

    prepare, state = GuardedUpdates._prepare, {'steps': 0, 'left': times}

    def spoilt(self, parameters, of, max_norm, scaler):
        state['steps'] += of == letter
        if of == letter and state['steps'] >= at_step and state['left']:
            state['left'] -= 1
            parameters[0].grad.fill_(math.nan)
        prepare(self, parameters, of, max_norm, scaler)

    monkeypatch.setattr(GuardedUpdates, '_prepare', spoilt)


@pytest.mark.parametrize('letter', ['g', 't'])
def test_gradient_that_is_not_finite_stops_the_run(run, monkeypatch, letter):
    spoil_gradient(monkeypatch, letter, times=1)
    code, log, folder = run()
    assert code == 1
    assert f'the gradient of net_{letter} is not finite. No step was taken' in log
    assert 'train.divergence.policy: rollback' in log
    assert assert_checkpoints_are_finite(folder)


@pytest.mark.parametrize(
    ('letter', 'model_type'),
    [('g', 'DiscriminativeSpaceModel'), ('t', 'DiscriminativeSpaceModel'), ('t', 'AdversarialModel')],
)
def test_roll_back(run, monkeypatch, letter, model_type):
    spoil_gradient(monkeypatch, letter, times=1)
    code, log, folder = run(divergence={'policy': 'rollback'}, model_type=model_type)
    assert code == 0
    assert re.search(r'Rolling back to iteration \d, in another order of the data: 1 of at most 3 times', log)
    state = torch.load(folder / 'training_states/6.state', weights_only=True)
    assert (state['iter'], state['rollbacks']) == (6, 1)
    assert_checkpoints_are_finite(folder)


def test_rolled_back_too_often(run, monkeypatch):
    spoil_gradient(monkeypatch, 't', times=10)
    code, log, _ = run(divergence={'policy': 'rollback', 'max_rollbacks': 2})
    assert code == 1
    assert log.count('Rolling back to iteration') == 2
    assert 'It was rolled back 2 times before' in log


def test_nothing_to_roll_back_to(run, monkeypatch):
    spoil_gradient(monkeypatch, 't', times=1, at_step=1)
    code, log, _ = run(divergence={'policy': 'rollback'})
    assert code == 1
    assert 'There is no checkpoint yet to roll back to' in log


def test_offsets_that_explode(run, monkeypatch):
    from basicsr.archs.arch_util import DCNv2Pack

    build = DCNv2Pack.__init__

    def explode(self, *args, **kwargs):
        build(self, *args, **kwargs)
        torch.nn.init.constant_(self.conv_offset.bias, 300)

    monkeypatch.setattr(DCNv2Pack, '__init__', explode)
    code, log, _ = run()
    assert code == 1
    assert re.search(r'Iteration 2, .* grown to a mean of 30\d pixels, above train.divergence.max_offset 100', log)
    assert run(divergence={'max_offset': 400.0})[0] == 0
    assert run(divergence={'max_offset': None})[0] == 0


def test_gradients_are_clipped(run):
    code, log, folder = run(grad_clip_g=1e-6, optim_g={'type': 'Adam', 'lr': 1e-3, 'eps': 1.0})
    assert code == 0
    norms = [float(value) for value in re.findall(r'grad_norm_g: (\S+)', log)]
    assert norms
    assert min(norms) > 1e-5
    moment = sum(
        float(value['exp_avg'].square().sum())
        for value in torch.load(folder / 'training_states/6.state', weights_only=True)['optimizers'][0][
            'state'
        ].values()
    )
    assert moment**0.5 < 1e-6  # a mean of gradients whose norm is at most that


@pytest.mark.parametrize(
    ('accuracies', 'advice'),
    [
        ((1.0, 1.0), 'it wins'),
        ((1.0, 0.0), 'gives no signal'),
        ((0.0, 1.0), 'gives no signal'),
        ((0.5, 0.51), 'it guesses'),
        ((0.8, 0.7), None),
    ],
)
def test_advice_on_the_balance(accuracies, advice):
    monitor = BalanceMonitor(patience=100)
    logs = dict(zip(('t_acc_real', 't_acc_fake'), accuracies, strict=True))
    said = [monitor.advice(iteration, logs) for iteration in range(10, 101, 10)]
    assert said == [None] * 10
    last = monitor.advice(110, logs)
    assert (advice in last) if advice else last is None
    assert monitor.advice(120, logs) is None  # not again at once
    assert monitor.advice(5, {'l_pix': 1.0}) is None


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'policy': 'ignore'}, 'policy must be one of stop, rollback'),
        ({'max_rollbacks': 0}, 'max_rollbacks must be at least 1'),
        ({'max_offset': 0}, 'max_offset must be above 0'),
    ],
)
def test_options(options, message):
    with pytest.raises(ValueError, match=message):
        DivergenceOptions(**options)


def test_loss_net_features_in_sixteen_bits_stay_finite():
    """fp16 has no room for the squares that a norm sums; torch sums them in float32."""
    torch.manual_seed(0)
    net = LossNetT()
    with torch.autocast('cpu', dtype=torch.float16):
        features = net.extract(torch.rand(1, 3, 3, 64, 64))
    assert all(feature.isfinite().all() for feature in features)
