"""DBN is the network of its public implementation."""

import pytest
import torch

from dlvr_plugin.archs import DBN
from tests.archs.fingerprints import assert_fingerprint, frames, with_formula_weights

LAYERS = ['F0', 'D1', 'F1_1', 'F1_2', 'D2', 'F2_1', 'F2_2', 'F2_3', 'D3', 'F3_1', 'F3_2', 'F3_3', 'U1', 'F4_1', 'F4_2']
LAYERS += ['F4_3', 'U2', 'F5_1', 'F5_2', 'U3', 'F6_1', 'F6_2']


@torch.no_grad()
@pytest.mark.parametrize(
    ('sigmoid', 'expected'),
    [
        (False, [0.424778, 0.293573, 0.299832, 0.567562, 0.720535]),
        (True, [0.602537, 0.069447, 0.574401, 0.638200, 0.672725]),
    ],
)
def test_fingerprints(sigmoid, expected):
    """Mean, standard deviation and three elements, computed from the published layer table."""
    restored = with_formula_weights(DBN(sigmoid=sigmoid))(frames(1, 5, 3, 32, 48))
    assert_fingerprint(restored, (1, 3, 32, 48), expected)


def test_published_names_and_shapes():
    with torch.device('meta'):
        net = DBN()
    state = net.state_dict()
    of_layer = ('0.weight', '0.bias', '1.weight', '1.bias', '1.running_mean', '1.running_var', '1.num_batches_tracked')
    assert set(state) == {f'{layer}.{kind}' for layer in LAYERS for kind in of_layer}
    assert sum(each.numel() for each in net.parameters()) == 15_305_291
    assert sum(value.numel() for name, value in state.items() if 'running' in name) == 9_764
    assert state['F0.0.weight'].shape == (64, 15, 5, 5)
    assert state['U1.0.weight'].shape == (512, 256, 4, 4)
    assert state['F6_2.0.weight'].shape == (3, 15, 3, 3)


def test_epsilon_of_the_norms():
    assert {module.eps for module in DBN(num_feat=2).modules() if isinstance(module, torch.nn.BatchNorm2d)} == {1e-3}
    assert DBN(num_feat=2, norm_eps=1e-5).F0[1].eps == 1e-5


@torch.no_grad()
def test_sides_are_padded_by_zeros():
    net = with_formula_weights(DBN(num_feat=2))
    window = torch.rand(1, 5, 3, 19, 8)
    padded = torch.nn.functional.pad(window, (0, 0, 0, 5))
    torch.testing.assert_close(net(window), net(padded)[..., :19, :])
