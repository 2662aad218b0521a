import math
from functools import partial

import pytest
import torch
import torchvision
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from dlvr_plugin.core import deformable_conv
from dlvr_plugin.core.deformable_conv import modulated_deform_conv
from tests.helpers import CountCalls

sampled_deform_conv = partial(modulated_deform_conv, sampled=True)
NAMES = ('x', 'offset', 'weight', 'bias', 'mask')


def make_tensors(
    size,
    *,
    batch=2,
    channels=8,
    out_channels=6,
    kernel=(3, 3),
    groups=1,
    offset_groups=2,
    dtype=torch.float64,
    **places,
) -> dict[str, Tensor]:
    """Random arguments whose offsets reach from inside the image to outside of it, and are no whole pixels."""
    stride, padding, dilation = (
        places.get(name, default) for name, default in (('stride', 1), ('padding', 0), ('dilation', 1))
    )
    out = [
        (length + 2 * pad - step * (width - 1) - 1) // move + 1
        for length, width, move, pad, step in zip(size, kernel, *map(_pair, (stride, padding, dilation)), strict=True)
    ]
    num_positions = offset_groups * math.prod(kernel)
    offset = torch.randn(batch, 2 * num_positions, *out, dtype=dtype) * max(size) / 3
    offset += ((offset - offset.round()).abs() < 0.01) * 0.05
    tensors = {
        'x': torch.randn(batch, channels, *size, dtype=dtype),
        'offset': offset,
        'weight': torch.randn(out_channels, channels // groups, *kernel, dtype=dtype),
        'bias': torch.randn(out_channels, dtype=dtype),
        'mask': torch.rand(batch, num_positions, *out, dtype=dtype),
    }
    return {name: tensor.requires_grad_() for name, tensor in tensors.items()}


def _pair(value):
    return (value, value) if isinstance(value, int) else value


def of_torchvision(x, offset, **others):
    return torchvision.ops.deform_conv2d(input=x, offset=offset, **others)


def run(function, tensors, **places):
    """The output, and the gradients of a sum with weights of its own for each element."""
    out = function(**tensors, **places)
    factors = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    return {
        'out': out.detach(),
        **dict(zip(tensors, torch.autograd.grad((out * factors).sum(), tensors.values()), strict=True)),
    }


CASES = {
    'EDVR': ((12, 15), {'padding': 1}),
    'stride': ((11, 14), {'stride': 2, 'padding': 1}),
    'axes apart': ((13, 10), {'stride': (2, 1), 'padding': (0, 2), 'dilation': (1, 3)}),
    'groups': ((9, 9), {'padding': 1, 'groups': 2, 'offset_groups': 4}),
    'more groups of weights than of offsets': ((9, 8), {'padding': 1, 'groups': 2, 'offset_groups': 1}),
    'kernel of one': ((5, 7), {'kernel': (1, 1)}),
    'long kernel': ((9, 12), {'kernel': (1, 5), 'padding': (0, 2)}),
    'one pixel': ((1, 1), {'padding': 1}),
    'one row': ((1, 16), {'padding': 1}),
}


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('case', CASES)
def test_equals_the_operator_of_torchvision(case, dtype):
    size, settings = CASES[case]
    places = {name: settings[name] for name in ('stride', 'padding', 'dilation') if name in settings}
    tensors = make_tensors(size, dtype=dtype, **settings)
    expected = run(of_torchvision, tensors, **places)
    for name, result in run(sampled_deform_conv, tensors, **places).items():
        tolerance = 1e-4 if dtype == torch.float32 else 1e-9
        scale = expected[name].abs().max().clamp(min=1)
        assert ((result - expected[name]).abs().max() / scale) < tolerance, name


@pytest.mark.parametrize('where', ['inside', 'border', 'outside', 'far outside'])
def test_offsets_of_every_size(where):
    tensors = make_tensors((10, 12), padding=1)
    with torch.no_grad():
        scale = {'inside': 0.1, 'border': 5.0, 'outside': 30.0, 'far outside': 1e30}[where]
        tensors['offset'].copy_(torch.rand_like(tensors['offset']).add_(0.01).mul_(scale))
    expected = run(of_torchvision, tensors, padding=1)
    for name, result in run(sampled_deform_conv, tensors, padding=1).items():
        torch.testing.assert_close(result, expected[name], rtol=1e-9, atol=1e-9, msg=name)


def test_without_mask_and_bias():
    tensors = make_tensors((8, 9), padding=1)
    del tensors['mask'], tensors['bias']
    expected = run(of_torchvision, tensors, padding=1)
    for name, result in run(sampled_deform_conv, tensors, padding=1).items():
        torch.testing.assert_close(result, expected[name], rtol=1e-9, atol=1e-9, msg=name)


def test_gradients_against_finite_differences():
    tensors = make_tensors((4, 5), batch=1, channels=4, out_channels=2, padding=1)
    with torch.no_grad():  # away from whole pixels, where the gradient jumps
        tensors['offset'].copy_(torch.rand_like(tensors['offset']) * 0.8 + 0.1)
    assert torch.autograd.gradcheck(
        lambda *values: sampled_deform_conv(**dict(zip(NAMES, values, strict=True)), padding=1),
        [tensors[name] for name in NAMES],
    )


@pytest.mark.parametrize('device_types', [frozenset(), frozenset({'cpu'})], ids=['torchvision', 'sampled'])
@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
def test_where_an_offset_is_no_number_nothing_is_sampled(bad, device_types, monkeypatch):
    monkeypatch.setattr(deformable_conv, 'SAMPLED_ON', device_types)
    tensors = make_tensors((8, 9), padding=1, dtype=torch.float32)
    place = (1, 4, 3, 5)  # of group 0 position 2 down
    with torch.no_grad():
        tensors['offset'][place] = bad
    results = run(modulated_deform_conv, tensors, padding=1)
    with torch.no_grad():
        tensors['offset'][place] = 0
        tensors['mask'][1, 2, 3, 5] = 0
    expected = run(modulated_deform_conv, tensors, padding=1)
    for name in ('out', 'x', 'weight', 'bias'):
        torch.testing.assert_close(results[name], expected[name])
    assert results['offset'][place] == 0
    assert all(result.isfinite().all() for result in results.values())


def test_chunks_give_the_same(monkeypatch):
    tensors = make_tensors((8, 9), batch=5, padding=1)
    expected = run(sampled_deform_conv, tensors, padding=1)
    per_sample = 8 * 9 * 8 * 9
    for chunk in (1, 2 * per_sample):
        monkeypatch.setattr(deformable_conv, '_CHUNK_ELEMENTS', chunk)
        for name, result in run(sampled_deform_conv, tensors, padding=1).items():
            torch.testing.assert_close(result, expected[name], rtol=1e-12, atol=1e-12, msg=name)


def test_the_memory_format_of_the_input_is_that_of_the_output():
    tensors = {name: tensor.detach() for name, tensor in make_tensors((8, 9), padding=1).items()}
    expected = sampled_deform_conv(**tensors, padding=1)
    assert expected.is_contiguous()
    result = sampled_deform_conv(**{**tensors, 'x': tensors['x'].to(memory_format=torch.channels_last)}, padding=1)
    assert result.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(result, expected)


def test_without_values_large_features_take_as_many_calls_as_small_ones():
    """Checks of options run networks so, at the size of the training."""
    counts = []
    for size in ((8, 9), (160, 180)):
        with FakeTensorMode():
            tensors = make_tensors(size, batch=16, channels=64, offset_groups=8, padding=1)
            with CountCalls() as calls:
                assert modulated_deform_conv(**tensors, padding=1).shape == (16, 6, *size)
        counts.append(calls.count)
    assert counts[0] == counts[1]


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_sixteen_bits(dtype):
    tensors = make_tensors((12, 40), padding=1, dtype=torch.float32)
    expected = run(sampled_deform_conv, tensors, padding=1)
    halves = {
        name: tensor.detach().to(tensor.dtype if name == 'offset' else dtype).requires_grad_()
        for name, tensor in tensors.items()
    }
    results = run(sampled_deform_conv, halves, padding=1)
    assert results['out'].dtype == dtype
    for name, result in results.items():
        difference = (result.float() - expected[name]).abs().mean() / expected[name].abs().mean()
        assert difference < (0.02 if dtype == torch.bfloat16 else 0.004), name


def test_compiles_in_one_graph(monkeypatch):
    monkeypatch.setattr(torchvision.ops, 'deform_conv2d', None)  # it is sampled there, too
    tensors = make_tensors((8, 9), padding=1, dtype=torch.float32)
    explained = torch._dynamo.explain(modulated_deform_conv)(**tensors, padding=1)
    assert explained.graph_break_count == 0
    compiled = torch.compile(modulated_deform_conv, backend='aot_eager', fullgraph=True)
    expected = run(sampled_deform_conv, tensors, padding=1)
    for name, result in run(compiled, tensors, padding=1).items():
        torch.testing.assert_close(result, expected[name], msg=name)
