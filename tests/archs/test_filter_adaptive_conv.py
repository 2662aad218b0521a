"""Filter-adaptive convolution against its straightforward form, of 25 shifted copies."""

import pytest
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

from dlvr_plugin.archs import filter_adaptive_conv as module
from dlvr_plugin.archs.filter_adaptive_conv import filter_adaptive_conv
from dlvr_plugin.core.errors import InvalidValueError
from tests.helpers import CountCalls


def unfolded(features, kernels, size=5):
    batch, channels, height, width = features.shape
    padded = F.pad(features, (size // 2,) * 4, mode='replicate')
    copies = F.unfold(padded, size).view(batch, channels, size * size, height, width)
    return (copies * kernels.view_as(copies)).sum(2)


def make_tensors(batch, channels, height, width, size=5, dtype=torch.float32):
    features = torch.randn(batch, channels, height, width, dtype=dtype, requires_grad=True)
    kernels = torch.randn(batch, channels * size * size, height, width, dtype=dtype, requires_grad=True)
    return features, kernels


def run(function, features, kernels, size=5):
    """The output, and the gradients of a sum with weights of its own for each element."""
    out = function(features, kernels, size)
    factors = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    return out.detach(), *torch.autograd.grad((out * factors).sum(), (features, kernels))


@pytest.mark.parametrize('chunk', [1, 200, 2**16])
@pytest.mark.parametrize('shape', [(2, 6, 9, 11), (1, 3, 1, 1), (1, 4, 1, 7), (3, 1, 8, 2)], ids=str)
@pytest.mark.parametrize('size', [1, 3, 5])
def test_equals_the_unfolded_form(shape, size, chunk, monkeypatch):
    monkeypatch.setattr(module, '_CHUNK_ELEMENTS', chunk)
    tensors = make_tensors(*shape, size=size)
    for result, expected in zip(run(filter_adaptive_conv, *tensors, size), run(unfolded, *tensors, size), strict=True):
        torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)


def test_by_hand():
    """A correlation: the filter that has its one at the right takes the pixel to the right, at the border that one."""
    kernels = torch.zeros(1, 9, 1, 3)
    kernels[:, 5] = 1  # row 1, column 2
    kernels[:, 4, :, 0] = 10
    assert filter_adaptive_conv(torch.tensor([[[[1.0, 2.0, 3.0]]]]), kernels, 3).flatten().tolist() == [12, 3, 3]


def test_gradients_against_finite_differences():
    tensors = make_tensors(2, 2, 3, 4, size=3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *each: filter_adaptive_conv(*each, 3), tensors)


@pytest.mark.parametrize('index', [0, 1])
def test_one_gradient_alone(index):
    tensors = make_tensors(1, 2, 6, 5)
    (_, *expected) = run(unfolded, *tensors)
    alone = [each if number == index else each.detach() for number, each in enumerate(tensors)]
    out = filter_adaptive_conv(*alone)
    factors = torch.linspace(-1, 1, out.numel()).view_as(out)
    torch.testing.assert_close(torch.autograd.grad((out * factors).sum(), alone[index])[0], expected[index])


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_sixteen_bits(dtype):
    tensors = make_tensors(1, 4, 8, 9)
    halves = [each.detach().to(dtype).requires_grad_() for each in tensors]
    expected = run(unfolded, *(each.detach().float().requires_grad_() for each in halves))
    for result, of_floats in zip(run(filter_adaptive_conv, *halves), expected, strict=True):
        assert result.dtype == dtype
        assert (result.float() - of_floats).abs().mean() / of_floats.abs().mean() < 0.01


def test_memory_that_autograd_keeps():
    """The tensors that are kept for the backward pass: the padded features and the filters, no copies of them."""
    features, kernels = make_tensors(1, 4, 20, 30)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        filter_adaptive_conv(features, kernels)
    own = [each for each in kept if each.data_ptr() != kernels.data_ptr() and each.data_ptr() != features.data_ptr()]
    assert sum(each.numel() for each in own) == 4 * 24 * 34


def test_without_values_large_features_take_as_many_calls_as_small_ones():
    """Checks of options run networks so, at the size of the training."""
    counts = []
    for side in (4, 128):
        with FakeTensorMode():
            features, kernels = make_tensors(16, 32, side, side)
            with CountCalls() as calls:
                assert filter_adaptive_conv(features, kernels).shape == features.shape
        counts.append(calls.count)
    assert counts[0] == counts[1]


@pytest.mark.slow
def test_compiles():
    tensors = make_tensors(1, 2, 6, 7)
    compiled = torch.compile(filter_adaptive_conv, backend='aot_eager')
    for result, expected in zip(run(compiled, *tensors), run(filter_adaptive_conv, *tensors), strict=True):
        torch.testing.assert_close(result, expected)


@pytest.mark.parametrize(
    ('channels', 'size', 'message'),
    [(50, 4, 'odd number, got 4'), (49, 5, r'need kernels \(1, 50, 6, 7\) of 5x5, got \(1, 49, 6, 7\)')],
)
def test_wrong_sizes(channels, size, message):
    with pytest.raises(InvalidValueError, match=message):
        filter_adaptive_conv(torch.rand(1, 2, 6, 7), torch.rand(1, channels, 6, 7), size)
