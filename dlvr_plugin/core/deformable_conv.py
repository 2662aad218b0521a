"""Modulated deformable convolution out of PyTorch's own operators: sampling, a product, a matrix product.

B    batch                               C       channels of the input
G    groups of channels that share       Ho, Wo  size of the output
     offsets                             N       its positions, Ho * Wo
K    positions of the kernel, kh * kw

Source: Zhu et al., Deformable ConvNets v2: More Deformable, Better Results; arguments, and sampling with zeros beyond
    the border, as in ``torchvision.ops.deform_conv2d``.
"""

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor

from dlvr_plugin.core.fake_tensors import is_fake

# Types of devices on which sampling is faster than torchvision's operator. Measured on a CPU, and nowhere else.
SAMPLED_ON = frozenset({'cpu'})

_CHUNK_ELEMENTS = 2**20  # of sampled features that are held at a time, but at least those of a group of a sample
_OUTSIDE = 3.0  # a coordinate of ``F.grid_sample`` that is outside images of any size

Pair = tuple[int, int]


def modulated_deform_conv(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    mask: Tensor | None = None,
    *,
    sampled: bool | None = None,
) -> Tensor:
    """Return the convolution (B, Cout, Ho, Wo) of features sampled at positions that offsets move.

    Args:
        x: Features (B, C, H, W).
        offset: (B, 2 * G * K, Ho, Wo) in pixels; for each group and position of the kernel, the one down, then the
            one to the right. Where it is no number, zero is sampled.
        weight: (Cout, C / groups, kh, kw).
        bias: (Cout,).
        stride: Pixels between the positions of the output; one number, or one for each axis.
        padding: Zeros at each border.
        dilation: Pixels between the positions of the kernel.
        mask: Factors of the samples (B, G * K, Ho, Wo); None for ones.
        sampled: Whether ``F.grid_sample`` samples, with positions of at least 32 bits and products in the type of ``x``
            and ``weight``, or torchvision's operator, in at least 32 bits; None for the faster way on this device.
    """
    places = _pair(stride), _pair(padding), _pair(dilation)
    if sampled is None:
        sampled = x.device.type in SAMPLED_ON and not is_fake(x)  # of which the operator is one call
    if sampled:
        return _convolve_samples(x, offset, weight, bias, mask, *places)
    dtype = torch.promote_types(x.dtype, torch.float32)  # it takes no 16 bits
    offset = offset.to(dtype).nan_to_num(nan=torch.finfo(dtype).max)  # not a number: a segmentation fault
    bias, mask = (None if part is None else part.to(dtype) for part in (bias, mask))
    return torchvision.ops.deform_conv2d(x.to(dtype), offset, weight.to(dtype), bias, *places, mask)


def _convolve_samples(
    x: Tensor, offset: Tensor, weight: Tensor, bias: Tensor | None, mask: Tensor | None, *places: Pair
) -> Tensor:
    num_positions = math.prod(weight.shape[2:])
    num_offset_groups = offset.shape[1] // (2 * num_positions)
    if mask is None:
        mask = x.new_ones(()).expand(len(x), num_offset_groups * num_positions, *offset.shape[2:])
    parts = 1
    if weight.shape[1] == x.shape[1]:  # the output is the sum of what each group of channels gives
        elements = x.shape[1] * num_positions * math.prod(offset.shape[2:])
        parts = max(1, min(num_offset_groups, math.ceil(elements / _CHUNK_ELEMENTS)))
        while num_offset_groups % parts:
            parts += 1
    tensors = (x.chunk(parts, 1), offset.chunk(parts, 1), weight.chunk(parts, 1), mask.chunk(parts, 1))
    outs = (_convolve_at_once(*part, *places) for part in zip(*tensors, strict=True))
    out = functools.reduce(torch.add, outs)
    if bias is not None:
        out = out + bias.to(out.dtype).view(-1, 1, 1)
    # Memory formats of the input are those of the output, as in PyTorch's own convolutions.
    is_channels_last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return out.contiguous(memory_format=torch.channels_last) if is_channels_last else out


def _convolve_at_once(x: Tensor, offset: Tensor, weight: Tensor, mask: Tensor, *places: Pair) -> Tensor:
    (batch, channels, *_), (out_channels, group_channels, *kernel) = x.shape, weight.shape
    out_size = offset.shape[2:]
    num_positions = kernel[0] * kernel[1]
    num_groups = channels // group_channels
    rows = batch * offset.shape[1] // (2 * num_positions)
    convolve = _convolve if torch.onnx.is_in_onnx_export() else _SampledConv.apply  # ONNX has no gradients
    out = convolve(
        x.contiguous().reshape(rows, -1, *x.shape[2:]),  # rows apart from one another are sampled faster
        offset.reshape(rows, num_positions, 2, *out_size),
        mask.reshape(rows, 1, num_positions * out_size[0], out_size[1]),
        weight.reshape(num_groups, out_channels // num_groups, group_channels * num_positions),
        _Geometry(batch, (kernel[0], kernel[1]), *places),
    )
    return out.view(batch, out_channels, *out_size)


def _pair(value: int | Pair) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


class _Geometry(NamedTuple):
    batch: int
    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair


class _SampledConv(torch.autograd.Function):
    """The convolution (B, groups, Cout / groups, N); its backward pass samples anew instead of keeping samples.

    x       (B * G, C / G, H, W)            mask    (B * G, 1, K * Ho, Wo)
    offset  (B * G, K, 2, Ho, Wo)           weight  (groups, Cout / groups, C / groups * K)
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, geometry: _Geometry) -> Tensor:
        ctx.save_for_backward(x, offset, mask, weight)
        ctx.geometry = geometry
        parts = _chunks(geometry, x, offset, mask)
        return _join([_convolve(part[0], part[1], part[2], weight, geometry) for part in parts])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, offset, mask, weight = ctx.saved_tensors
        grads, grad_weights = [], []
        for x_part, offset_part, mask_part, grad_part in _chunks(ctx.geometry, x, offset, mask, grad):
            grid, samples = _sample(x_part, offset_part, ctx.geometry)
            grad_samples = torch.matmul(weight.transpose(1, 2), grad_part).view_as(samples).to(samples.dtype)
            grad_mask = _dot(grad_samples, samples)
            columns = _columns(samples.mul_(mask_part), weight, ctx.geometry)
            grad_weights.append(torch.matmul(grad_part, columns.transpose(2, 3)).sum(0))
            grad_x, grad_grid = torch.ops.aten.grid_sampler_2d_backward(
                grad_samples.mul_(mask_part), x_part.to(grid.dtype), grid, 0, 0, False, [True, True]
            )
            grad_offset = _gradient_in_pixels(grad_grid, offset_part, x_part)
            grads.append((grad_x.to(x.dtype), grad_offset, grad_mask.to(mask.dtype)))
        return *(_join(parts) for parts in zip(*grads, strict=True)), torch.stack(grad_weights).sum(0), None


def _convolve(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, geometry: _Geometry) -> Tensor:
    _, samples = _sample(x, offset, geometry)
    return torch.matmul(weight, _columns(samples.mul_(mask), weight, geometry))


def _chunks(geometry: _Geometry, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield the tensors, whose first axis is the batch or a multiple, for so much of the batch as may be held."""
    x, offset = tensors[:2]
    per_sample = offset.numel() // 2 * x.shape[1] // geometry.batch
    size = max(1, _CHUNK_ELEMENTS // max(1, per_sample))
    return zip(*(tensor.split(size * (len(tensor) // geometry.batch)) for tensor in tensors), strict=True)


def _join(parts: Any) -> Tensor:
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the sums (R, 1, h, w) over the channels of products of (R, C, h, w), which are not held."""
    total = a[:, :1] * b[:, :1]
    for channel in range(1, a.shape[1]):
        total.addcmul_(a[:, channel : channel + 1], b[:, channel : channel + 1])
    return total


def _columns(samples: Tensor, weight: Tensor, geometry: _Geometry) -> Tensor:
    """View samples (B * G, C / G, K * Ho, Wo) as (B, groups, C / groups * K, N), in the type of the weights."""
    num_outputs = samples[0, 0].numel() // math.prod(geometry.kernel)
    return samples.view(-1, weight.shape[0], weight.shape[2], num_outputs).to(weight.dtype)


def _sample(x: Tensor, offset: Tensor, geometry: _Geometry) -> tuple[Tensor, Tensor]:
    """Return the positions (B * G, K * Ho, Wo, 2) for ``F.grid_sample``, and the samples (B * G, C / G, K * Ho, Wo)."""
    offset = offset.to(torch.promote_types(offset.dtype, torch.float32))
    down, right = (
        (offset[:, :, axis] * _pixel(x, axis)).add_(_positions(x, offset, geometry, axis)) for axis in (0, 1)
    )
    grid = torch.stack((right, down), dim=-1).flatten(1, 2)
    grid = grid.clamp_(-_OUTSIDE, _OUTSIDE).nan_to_num_(nan=_OUTSIDE)
    return grid, F.grid_sample(x.to(grid.dtype), grid, padding_mode='zeros', align_corners=False)


def _positions(x: Tensor, offset: Tensor, geometry: _Geometry, axis: int) -> Tensor:
    """Return the positions along an axis without offsets, (K, Ho, 1) or (K, 1, Wo); images reach from -1 to 1."""
    taps, outputs = (
        torch.arange(length, device=offset.device, dtype=offset.dtype)
        for length in (geometry.kernel[axis], offset.shape[3 + axis])
    )
    pixels = taps[:, None] * geometry.dilation[axis] + outputs * geometry.stride[axis] - geometry.padding[axis]
    positions = (pixels + 0.5) * _pixel(x, axis) - 1
    if axis == 0:
        return positions.repeat_interleave(geometry.kernel[1], dim=0)[:, :, None]
    return positions.repeat(geometry.kernel[0], 1)[:, None, :]


def _pixel(x: Tensor, axis: int) -> float:
    """Return the length of a pixel along an axis, 0 down and 1 right, of images that reach from -1 to 1."""
    return 2 / x.shape[2 + axis]


def _gradient_in_pixels(grad_grid: Tensor, offset: Tensor, x: Tensor) -> Tensor:
    """Return the gradient of offsets (B * G, K, 2, Ho, Wo) from that of positions (B * G, K * Ho, Wo, 2)."""
    grad_grid = grad_grid.view(*offset.shape[:2], *offset.shape[3:], 2)
    gradients = [grad_grid[..., 1 - axis] * _pixel(x, axis) for axis in (0, 1)]
    return torch.stack(gradients, dim=2).to(offset.dtype)
