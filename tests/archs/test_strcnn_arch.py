"""STRCNN is the network of ESTRNN's implementation, and the one without its border."""

import pytest
import torch

from dlvr_plugin.archs import STRCNN
from dlvr_plugin.core.errors import InvalidValueError
from tests.archs.fingerprints import assert_fingerprint, frames, with_formula_weights


@torch.no_grad()
@pytest.mark.parametrize(
    ('border', 'expected'),
    [
        ('kept', [-0.038942, 0.075890, 0.060793, 0.060763, -0.075220]),
        ('blended', [-0.042230, 0.075286, 0.061343, 0.060833, -0.076375]),
    ],
)
def test_fingerprints(border, expected):
    """Mean, standard deviation and three elements, computed from the layer table of ESTRNN."""
    net, clip = with_formula_weights(STRCNN(border=border)), frames(1, 7, 3, 32, 48)
    restored, state = [], None
    for index in range(3):
        result, state = net.step(clip[:, index : index + 5], state)
        restored.append(result)
    assert_fingerprint(torch.stack(restored, dim=1), (1, 3, 3, 32, 48), expected)


def test_names_and_shapes_of_estrnn():
    with torch.device('meta'):
        net, ours, plain = STRCNN(border='kept'), STRCNN(), STRCNN(batch_norm=False)
    convs = [f'{part}.{index}' for part in ('encoder.m1', 'decoder.m2') for index in (0, 2)] + ['dtb.filter']
    convs += ['decoder.f.0']
    branches = [f'{part}.{index}.main_branch' for part in ('encoder.m2', 'decoder.m1') for index in range(4)]
    convs += [f'{branch}.{layer}' for branch in branches for layer in (0, 3)]
    names = {f'{conv}.{kind}' for conv in convs for kind in ('weight', 'bias')}
    assert set(plain.state_dict()) == names | {'dtb.beta'}
    of_norms = ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked')
    names |= {f'{branch}.{layer}.{kind}' for branch in branches for layer in (1, 4) for kind in of_norms}
    assert set(net.state_dict()) == names
    assert set(ours.state_dict()) == names | {'dtb.beta'}
    assert [sum(each.numel() for each in one.parameters()) for one in (net, ours)] == [926_083, 926_084]
    assert net.encoder.m1[0].weight.shape == (64, 15, 5, 5)
    assert net.decoder.m2[0].weight.shape == (64, 64, 4, 4)


@torch.no_grad()
def test_what_becomes_of_features_at_the_border():
    for border in ('kept', 'blended'):
        dtb = STRCNN(num_feat=4, num_block=0, border=border).dtb
        torch.nn.init.constant_(dtb.filter.bias, 100)  # a weight of one wherever there is one
        found = dtb(torch.ones(1, 4, 8, 9), torch.zeros(1, 4, 8, 9))
        expected = torch.zeros(8, 9)
        expected[2:-2, 2:-2] = 1
        assert torch.equal(found[0, 0], expected if border == 'kept' else torch.ones(8, 9))


@torch.no_grad()
def test_the_bias_of_weights_is_limited_to_one():
    dtb = STRCNN(num_feat=2, num_block=0).dtb
    torch.nn.init.zeros_(dtb.filter.weight)
    torch.nn.init.zeros_(dtb.filter.bias)
    for beta, expected in ((0.0, 0.0), (0.25, 0.25), (-1.0, 0.0), (3.0, 1.0)):
        dtb.beta.fill_(beta)
        assert torch.equal(dtb(torch.ones(1, 2, 4, 4), torch.zeros(1, 2, 4, 4)), torch.full((1, 2, 4, 4), expected))


def test_odd_channels_are_refused():
    with pytest.raises(InvalidValueError, match='num_feat must be even, got 5'):
        STRCNN(num_feat=5)
