"""EDVR in two parts, with sampled deformable convolutions, is the framework's EDVR."""

import inspect

import pytest
import torch
from basicsr.archs.edvr_arch import EDVR

from dlvr_plugin.archs import edvr_parts
from dlvr_plugin.core import deformable_conv

SMALL = {'num_feat': 8, 'num_frame': 5, 'deformable_groups': 2, 'num_extract_block': 1, 'num_reconstruct_block': 1}
NETWORKS = {
    'with TSA': SMALL,
    'without TSA': {**SMALL, 'with_tsa': False},
    'three frames': {**SMALL, 'num_frame': 3},
    'first frame': {**SMALL, 'center_frame_idx': 0},
    'last frame': {**SMALL, 'center_frame_idx': -1},
    'predeblur': {**SMALL, 'with_predeblur': True},
    'as large as it comes': {**SMALL, 'with_predeblur': True, 'hr_in': True},
    'EDVR-M': {},
    'EDVR-L': {'num_feat': 128, 'num_extract_block': 5, 'num_reconstruct_block': 40},
}
host_forward = inspect.unwrap(EDVR.forward)


def build(**arguments):
    """An EDVR whose offsets are a few pixels; they are zero in the beginning."""
    torch.manual_seed(0)
    net = EDVR(**arguments)
    for name, parameter in net.named_parameters():
        if name.endswith('conv_offset.weight'):
            torch.nn.init.normal_(parameter, std=0.2)
    return net


@torch.no_grad()
@pytest.mark.parametrize('arguments', NETWORKS.values(), ids=NETWORKS)
def test_equals_the_framework_s(arguments, monkeypatch):
    net = build(**arguments)
    windows = torch.rand(2, arguments.get('num_frame', 5), 3, 32, 48)
    result = edvr_parts.forward(net, windows)
    monkeypatch.setattr(edvr_parts, '_MOST_PIXELS', 1)
    one_by_one = edvr_parts.forward(net, windows)
    monkeypatch.setattr(deformable_conv, 'SAMPLED_ON', frozenset())
    expected = host_forward(net, windows)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(one_by_one, expected, rtol=0, atol=1e-5)


def train(forward):
    """Take steps, and return the weights."""
    net = build(**SMALL)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
    for _ in range(20):
        windows, truth = torch.rand(2, 5, 3, 16, 16), torch.rand(2, 3, 64, 64)
        optimizer.zero_grad()
        torch.nn.functional.l1_loss(forward(net, windows), truth).backward()
        optimizer.step()
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


def test_a_short_training_ends_at_the_same_weights(monkeypatch):
    weights = train(edvr_parts.forward)
    monkeypatch.setattr(deformable_conv, 'SAMPLED_ON', frozenset())
    assert (weights - train(host_forward)).norm() / weights.norm() < 1e-4


def test_sides_that_it_does_not_take_are_refused():
    with pytest.raises(AssertionError, match='multiples of 4'):
        edvr_parts.forward(build(**SMALL), torch.rand(1, 5, 3, 18, 16))
