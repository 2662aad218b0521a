"""``deterministic: true``: the same bits each time, or the name of the operator that cannot give them."""

import os

import pytest
import torch
from torch import nn

from dlvr_plugin import train as train_command
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.training.determinism import OperatorWatch, chosen_algorithms
from tests.helpers import as_host_model, tiny_options, write_options
from tests.own_classes import own_classes  # noqa: F401
from tests.training.runs import assert_equal, everything

# Operators that no device has a deterministic form of, in front of the network's own and on the way back.
SOURCE = '''
import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn

class PutBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient.clone().put_(torch.tensor([0]), torch.zeros(1))

@ARCH_REGISTRY.register()
class Unrepeatable(nn.Module):
    """The middle frame, four times as large.

    Args:
        on_the_way_back: Whether its gradient, and not its output, is computed by such an operator.
    """

    def __init__(self, *, on_the_way_back: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 48, 3, padding=1), nn.PixelShuffle(4))
        self.on_the_way_back = on_the_way_back

    def forward(self, clip):
        frames = self.layers(clip[:, clip.shape[1] // 2])
        if self.on_the_way_back:
            return PutBack.apply(frames)
        return nn.functional.max_unpool2d(*nn.functional.max_pool2d(frames, 2, return_indices=True), 2)
'''


@pytest.fixture
def run(tmp_path, monkeypatch, host_log):
    """Train; return what the log says."""
    monkeypatch.setenv('DLVR_ROOT', str(tmp_path / 'root'))
    monkeypatch.delenv('CUBLAS_WORKSPACE_CONFIG', raising=False)

    def train(opt, code=0):
        host_log.clear()
        assert train_command.main(['-opt', str(write_options(opt, tmp_path / 'tiny.yml'))]) == code, host_log
        assert not torch.are_deterministic_algorithms_enabled()
        return list(host_log)

    return train


@pytest.mark.parametrize('variable', [None, ':16:8', ':4096:2'])
def test_algorithms_are_as_before_after_a_run(monkeypatch, variable):
    monkeypatch.delenv('CUBLAS_WORKSPACE_CONFIG', raising=False)
    if variable:
        monkeypatch.setenv('CUBLAS_WORKSPACE_CONFIG', variable)
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic
    with chosen_algorithms(deterministic=True):
        assert torch.are_deterministic_algorithms_enabled()
        assert (cudnn.benchmark, cudnn.deterministic) == (False, True)
        # The two values with which cuBLAS repeats itself, by NVIDIA's documentation.
        assert os.environ['CUBLAS_WORKSPACE_CONFIG'] == (':16:8' if variable == ':16:8' else ':4096:8')
    assert not torch.are_deterministic_algorithms_enabled()
    with chosen_algorithms(deterministic=False):
        assert (cudnn.benchmark, cudnn.deterministic) == (True, False)
        assert not torch.are_deterministic_algorithms_enabled()
    assert (cudnn.benchmark, cudnn.deterministic) == before


@pytest.mark.slow
def test_two_runs_give_the_same_bits(clip_root, tmp_path, run):
    """EDVR with its deformable convolutions, T in alternation, and what is drawn: all that a CPU computes."""
    opt = tiny_options(clip_root, init_t_iters=1, total_iter=3)
    opt['deterministic'] = True
    opt['train']['discriminative_opt']['random_shift'] = 8
    for name in ('one', 'other'):
        torch.rand(3)  # the history of the process
        run({**opt, 'name': name})
    one, other = (everything(tmp_path / 'root', name, 3) for name in ('one', 'other'))
    assert_equal(one, other)
    run({**opt, 'name': 'seed', 'manual_seed': 1})
    with pytest.raises(AssertionError):
        assert_equal(one, everything(tmp_path / 'root', 'seed', 3))


@pytest.mark.parametrize(('on_the_way_back', 'operator'), [(False, 'max_unpooling2d_forward_out'), (True, 'put_')])
def test_an_operator_without_a_deterministic_form_ends_the_run(
    clip_root,
    tmp_path,
    run,
    own_classes,  # noqa: F811
    on_the_way_back,
    operator,
):
    own_classes.write_text(SOURCE)
    opt = as_host_model(tiny_options(clip_root, total_iter=1))
    opt.update(deterministic=True, imports=[str(own_classes)])
    opt['datasets']['train']['gt_frames'] = 'middle'
    opt['model_type'] = 'VideoBaseModel'
    opt['network_g'] = {'type': 'Unrepeatable', 'on_the_way_back': on_the_way_back}
    opt['train'].pop('tsa_iter', None)
    *_, message = run(opt, code=1)
    assert f'no deterministic form of the operator {operator}, called in network_g: Unrepeatable.' in message
    assert 'Traceback' not in message
    assert not (tmp_path / 'root/experiments/tiny/models/net_g_1.pth').exists()


class _Model:
    device = torch.device('cpu')

    def __init__(self):
        self.net_g = nn.Conv2d(1, 1, 1)

    def get_bare_model(self, net):
        return net


def test_operators_between_the_networks_and_other_errors():
    model = _Model()
    watch = OperatorWatch(model)
    with chosen_algorithms(deterministic=True):
        with (
            pytest.raises(InvalidValueError, match='operator put_, called in a loss, or what lies between'),
            watch.naming(),
        ):
            model.net_g(torch.rand(1, 1, 2, 2)).put_(torch.tensor([0]), torch.zeros(1))
        with pytest.raises(RuntimeError, match='size of tensor') as error, watch.naming():
            model.net_g(torch.rand(1, 1, 2, 2)) + torch.rand(3)
    assert not isinstance(error.value, InvalidValueError)
