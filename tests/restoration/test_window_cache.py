"""Windows restored by features that are kept are those that the network restores."""

import inspect
from types import SimpleNamespace

import pytest
import torch
from basicsr.archs import build_network
from basicsr.archs.edvr_arch import EDVR

from dlvr_plugin.archs import spec_of
from dlvr_plugin.restoration.window_cache import WindowCache, cached_windows

SMALL = {'type': 'EDVR', 'num_feat': 8, 'num_frame': 5, 'deformable_groups': 2, 'num_extract_block': 1}
SMALL['num_reconstruct_block'] = 1
NETWORKS = {
    'with TSA': {},
    'without TSA': {'with_tsa': False},
    'three frames': {'num_frame': 3},
    'first frame': {'center_frame_idx': 0},
    'predeblur': {'with_predeblur': True},
    'as large as it comes': {'with_predeblur': True, 'hr_in': True},
}


host_forward = inspect.unwrap(EDVR.forward)


def build(**changes):
    network = {**SMALL, **changes}
    net = build_network(network).eval()
    for parameter in net.parameters():  # offsets are zero in the beginning
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    return net, spec_of(network)


def windows(clip, num_frame):
    """Every window of a clip (T, C, h, w), its ends filled with their frames once more."""
    reach = num_frame // 2
    for t in range(len(clip)):
        yield clip[[min(max(i, 0), len(clip) - 1) for i in range(t - reach, t + reach + 1)]][None]


@torch.no_grad()
@pytest.mark.parametrize('changes', NETWORKS.values(), ids=NETWORKS)
def test_equals_the_network(changes):
    net, spec = build(**changes)
    cache = WindowCache(net, spec.parts, net.forward)
    clip = torch.rand(7, 3, 32, 48)
    for window in windows(clip, spec.num_frame):
        torch.testing.assert_close(cache(window), host_forward(net, window), rtol=0, atol=1e-5)


@torch.no_grad()
def test_each_frame_goes_through_the_first_part_once():
    net, spec = build()
    seen = []
    net.conv_first.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    cache = WindowCache(net, spec.parts, net.forward)
    for window in windows(torch.rand(9, 3, 16, 16), 5):
        cache(window)
    assert sum(seen) == 9


@torch.no_grad()
def test_windows_of_other_clips_and_sizes_in_between():
    net, spec = build()
    cache = WindowCache(net, spec.parts, net.forward)
    clips = [list(windows(torch.rand(4, 3, *size), 5)) for size in ((16, 16), (16, 16), (20, 12))]
    for window in (each for together in zip(*clips, strict=True) for each in together):
        torch.testing.assert_close(cache(window), host_forward(net, window), rtol=0, atol=1e-5)


def test_batches_and_training_go_through_the_network_itself():
    net, spec = build()
    cache = WindowCache(net, spec.parts, net.forward)
    batch = torch.rand(2, 5, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(cache(batch), net(batch))
    cache(batch[:1]).sum().backward()
    assert net.conv_first.weight.grad is not None


@torch.no_grad()
def test_a_model_has_it_for_a_while():
    net, spec = build()
    averaged, _ = build()
    averaged.forward = lambda window: window  # as wrapped by somebody
    wrapped = averaged.forward
    model = SimpleNamespace(net_g=net, net_g_ema=averaged, get_bare_model=lambda net: net)
    with cached_windows(model, spec):
        assert isinstance(net.forward, WindowCache)
        assert isinstance(averaged.forward, WindowCache)
    assert 'forward' not in vars(net)
    assert averaged.forward is wrapped
    with cached_windows(model, None):
        assert 'forward' not in vars(net)
