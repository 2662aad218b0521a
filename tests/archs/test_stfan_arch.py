"""STFAN is the network of its public implementation."""

import pytest
import torch

from dlvr_plugin.archs import STFAN
from tests.archs.fingerprints import assert_fingerprint, frames, with_formula_weights

LEVELS = [f'{prefix}{level}_1' for prefix in ('kconv', 'conv') for level in (1, 2, 3)]
BLOCKS = [f'{prefix}{level}_{part}' for prefix in ('kconv', 'conv') for level in (1, 2, 3) for part in (2, 3)]
BLOCKS += ['upconv2_2', 'upconv2_1', 'upconv1_2', 'upconv1_1']
BLOCKS += [f'{name}.{index}' for name in ('fac_warp', 'fac_deblur') for index in (1, 2)]
CONVS = [*LEVELS, 'kconv4', 'fea', 'upconv2_u', 'upconv1_u', 'img_prd']
CONVS += [f'{name}.{index}' for name in ('fac_warp', 'fac_deblur') for index in (0, 3)]


@torch.no_grad()
def test_fingerprints():
    """Mean, standard deviation and three elements, computed from the published layer table."""
    net = with_formula_weights(STFAN())
    first, state = net.step(frames(1, 3, 32, 48))
    assert_fingerprint(first, (1, 3, 32, 48), [0.520187, 0.286297, 0.489774, 0.533159, 0.443381])
    assert_fingerprint(state.features, (1, 256, 8, 12), [0.023053, 0.068013, 0.058910, -0.073563, -0.003566])
    second, state = net.step(frames(1, 3, 32, 48, seed=1001), state)
    assert_fingerprint(second, (1, 3, 32, 48), [0.515529, 0.288267, 1.028615, 0.852400, 0.525157])
    assert_fingerprint(state.features, (1, 256, 8, 12), [0.021755, 0.067057, 0.055155, -0.079762, -0.006515])


def test_published_names_and_shapes():
    with torch.device('meta'):
        state = STFAN().state_dict()
    layers = [f'{name}.0' for name in CONVS] + [f'{name}.stem.{layer}' for name in BLOCKS for layer in (0, 2)]
    assert set(state) == {f'{layer}.{kind}' for layer in layers for kind in ('weight', 'bias')}
    assert len(state) == 110
    assert sum(value.numel() for value in state.values()) == 5_372_547
    for name, shape in {
        'conv1_1.0.weight': (32, 3, 3, 3),
        'kconv1_1.0.weight': (32, 9, 3, 3),
        'upconv2_u.0.weight': (256, 64, 4, 4),
        'fac_warp.3.0.weight': (3200, 128, 1, 1),
        'img_prd.0.weight': (3, 32, 3, 3),
    }.items():
        assert state[name].shape == shape


@pytest.mark.parametrize('detach', [True, False])
def test_where_gradients_end(detach):
    clip = torch.rand(1, 3, 3, 8, 8, requires_grad=True)
    STFAN(num_feat=2, detach=detach)(clip)[:, 2].sum().backward()
    assert clip.grad[:, 2].abs().max() > 0
    assert (clip.grad[:, 0].abs().max() > 0) is not detach  # of frames before by the state alone


def test_initial_weights():
    weights = STFAN(num_feat=2).state_dict()
    assert all(not value.any() for name, value in weights.items() if name.endswith('bias'))
    for name, fans in (('conv1_1', 9 * 3 + 9 * 2), ('kconv1_1', 9 * 9 + 9 * 2)):
        largest, bound = float(weights[f'{name}.0.weight'].abs().max()), (6 / fans) ** 0.5  # uniform, of Xavier
        assert 0.8 * bound < largest <= bound
