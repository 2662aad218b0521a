"""What all generators of the plugin do alike: clips and steps, gradients, sizes, errors, specs."""

import re
from typing import NamedTuple

import pytest
import torch
from basicsr.archs import build_network
from torch import nn

from dlvr_plugin.archs import spec_of
from dlvr_plugin.core.errors import InvalidValueError

GENERATORS = {
    'FRNet': {'type': 'FRNet', 'num_feat': 4, 'num_block': 1},
    'FRNet BI': {'type': 'FRNet', 'num_feat': 4, 'num_block': 1, 'degradation': 'BI', 'upscale': 2},
    'FRNet as TensorFlow': {'type': 'FRNet', 'num_feat': 4, 'num_block': 1, 'tf_semantics': True},
    'STFAN': {'type': 'STFAN', 'num_feat': 4, 'detach': False},
    'STRCNN': {'type': 'STRCNN', 'num_feat': 4, 'num_block': 1},
    'STRCNN as ESTRNN': {'type': 'STRCNN', 'num_feat': 4, 'num_block': 1, 'border': 'kept'},
    'STRCNN without norms': {'type': 'STRCNN', 'num_feat': 4, 'num_block': 1, 'batch_norm': False},
    'DBN': {'type': 'DBN', 'num_feat': 2},
    'DBN without sigmoid': {'type': 'DBN', 'num_feat': 2, 'sigmoid': False},
    'EnhanceNet': {'type': 'EnhanceNet', 'num_feat': 4, 'num_block': 1},
    'EnhanceNet as TensorFlow': {'type': 'EnhanceNet', 'num_feat': 4, 'num_block': 1, 'tf_semantics': True},
}
RECURRENT = [name for name in GENERATORS if spec_of(GENERATORS[name]).is_recurrent]


class Built(NamedTuple):
    net: nn.Module
    spec: object
    name: str


def build(name, **arguments):
    network = {**GENERATORS[name], **arguments}
    return Built(build_network(dict(network)).eval(), spec_of(network), network['type'])


def shape_of(spec, size, num_frames=4, channels=3, batch=2):
    number = {'frame': (), 'window': (spec.num_frame,), 'clip': (num_frames,)}[spec.takes]
    return (batch, *number, channels, *size)


def windows_of(clip, step_frames):
    """What each step takes: a frame, or a window in which those at the ends are repeated."""
    if step_frames == 1:
        return clip.unbind(1)
    radius, last = step_frames // 2, clip.shape[1] - 1
    places = torch.arange(clip.shape[1])[:, None] + torch.arange(-radius, radius + 1)
    return [clip[:, each] for each in places.clamp(0, last)]


def restore_by_steps(net, spec, clip):
    restored, state = [], None
    for frames in windows_of(clip, spec.step_frames):
        result, state = getattr(net, spec.step)(frames, state)
        restored.append(result)
    return torch.stack(restored, dim=1)


@pytest.mark.parametrize('with_gradients', [True, False])
@pytest.mark.parametrize('size', [(16, 24), (13, 19), (9, 30)], ids=str)
@pytest.mark.parametrize('name', RECURRENT)
def test_a_clip_and_its_frames_step_by_step_are_the_same(name, size, with_gradients):
    net, spec, _ = build(name)
    clip = torch.rand(2, 12, 3, *size)
    with torch.set_grad_enabled(with_gradients):
        whole, steps = net(clip), restore_by_steps(net, spec, clip)
    assert whole.shape == (2, 12, 3, spec.scale * size[0], spec.scale * size[1])
    torch.testing.assert_close(whole, steps, rtol=0, atol=1e-5)
    # Each frame depends on those before.
    assert (net(clip[:, 6:8])[:, 1] - whole[:, 7]).abs().max() > 1e-6


@pytest.mark.parametrize('name', GENERATORS)
def test_gradients_against_finite_differences(name):
    """Along random directions of all weights and of the input, through the whole clip."""
    net, spec, _ = build(name, num_feat=8)
    net.double()
    inputs = [torch.rand(shape_of(spec, (11, 12), 3), dtype=torch.float64, requires_grad=True), *net.parameters()]
    restored = net(inputs[0])
    factors = torch.randn_like(restored)
    gradients = torch.autograd.grad((restored * factors).sum(), inputs)
    assert all(gradient.abs().max() > 0 for gradient in gradients)
    for _ in range(3):
        directions = [torch.randn_like(each) * each.detach().abs().mean() for each in inputs]
        expected = sum((one * other).sum() for one, other in zip(gradients, directions, strict=True))
        values = []
        for step in (1e-7, -1e-7):
            with torch.no_grad():
                for each, direction in zip(inputs, directions, strict=True):
                    each += step * direction
                values.append((net(inputs[0]) * factors).sum())
                for each, direction in zip(inputs, directions, strict=True):
                    each -= step * direction
        torch.testing.assert_close((values[0] - values[1]) / 2e-7, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize('name', GENERATORS)
def test_specs_say_what_networks_take(name):
    net, spec, arch = build(name)
    assert spec.arch == arch
    assert spec.multiple == 1
    for size in ((spec.smallest, spec.smallest), (spec.smallest + 5, spec.smallest + 10)):
        restored = net(torch.rand(shape_of(spec, size, spec.min_frames)))
        number = (spec.min_frames,) if spec.gives == 'clip' else ()
        assert restored.shape == (2, *number, 3, *(spec.scale * side for side in size))
    assert (spec.step is None) is not spec.is_recurrent


@torch.no_grad()
@pytest.mark.parametrize('name', GENERATORS)
def test_a_sample_of_a_batch_does_not_depend_on_the_others(name):
    net, spec, _ = build(name)
    samples = torch.rand(shape_of(spec, (16, 17)))
    torch.testing.assert_close(net(samples)[1:], net(samples[1:]), rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize('name', GENERATORS)
def test_other_channels(name):
    net, spec, arch = build(name, num_in_ch=1)
    assert net(torch.rand(shape_of(spec, (9, 9), channels=1))).shape[-3] == 1
    with pytest.raises(InvalidValueError, match=f'{arch} takes frames of 1 channels, got 3: .* Set num_in_ch'):
        net(torch.rand(shape_of(spec, (9, 9))))


@pytest.mark.parametrize('name', GENERATORS)
def test_frames_of_another_rank(name):
    net, spec, arch = build(name)
    takes = r'frames \(B, C, h, w\), got 5' if spec.takes == 'frame' else r'clips \(B, T, C, h, w\), got 4'
    with pytest.raises(InvalidValueError, match=f'{arch} takes {takes} dimensions'):
        net(torch.rand((1, 3, 16, 16) if spec.takes != 'frame' else (1, 2, 3, 16, 16)))


@pytest.mark.parametrize('name', RECURRENT)
def test_clips_of_no_frames(name):
    net, _, arch = build(name)
    with pytest.raises(InvalidValueError, match=f'{arch} takes clips of at least 1 frame, got none'):
        net(torch.rand(1, 0, 3, 16, 16))


@pytest.mark.parametrize('num_frames', [0, 4, 6])
def test_windows_of_another_length(num_frames):
    message = f'takes windows of 5 frames, got {num_frames}.* repeat its frames'
    with pytest.raises(InvalidValueError, match=f'DBN {message}'):
        build('DBN').net(torch.rand(1, num_frames, 3, 16, 16))
    with pytest.raises(InvalidValueError, match=f'STRCNN {message}'):
        build('STRCNN').net.step(torch.rand(1, num_frames, 3, 16, 16))


def test_frames_that_are_too_small():
    net, border = build('FRNet').net, build('STRCNN as ESTRNN').net
    for call, shape, smallest in (
        (net, (1, 2, 3, 8, 7), 8),
        (net.step, (1, 3, 7, 8), 8),
        (border, (1, 2, 3, 8, 9), 9),
        (border.step, (1, 5, 3, 9, 8), 9),
    ):
        message = f'at least {smallest}x{smallest} pixels, got {shape[-2]}x{shape[-1]}. Use larger ones'
        with pytest.raises(InvalidValueError, match=re.escape(message)):
            call(torch.rand(shape))


@torch.no_grad()
@pytest.mark.parametrize('name', RECURRENT)
def test_the_state_of_another_clip(name):
    net, spec, arch = build(name)
    number = () if spec.step_frames == 1 else (spec.step_frames,)
    _, state = net.step(torch.rand(2, *number, 3, 16, 16))
    for shape in ((2, *number, 3, 16, 20), (1, *number, 3, 16, 16)):
        with pytest.raises(
            InvalidValueError, match=f'{arch}: .* of the state is .*, and this frame needs .*state=None'
        ):
            net.step(torch.rand(shape), state)


@pytest.mark.parametrize('name', GENERATORS)
def test_trains_in_bfloat16(name):
    net, spec, _ = build(name)
    net.train()
    clip = torch.rand(shape_of(spec, (12, 13), 2))
    with torch.autocast('cpu', torch.bfloat16):
        restored = net(clip)
    restored.float().square().mean().backward()
    gradients = [each.grad for each in net.parameters() if each.grad is not None]
    assert gradients
    assert all(each.isfinite().all() for each in gradients)
