"""Filter-adaptive convolution (FAC): a filter of its own for each channel and position, without 25 shifted copies.

Shape legend: B batch, C channels, h, w size of the features, k side of a filter.
"""

import functools
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.fake_tensors import is_fake

_CHUNK_ELEMENTS = 2**16  # of features that are summed up at a time on a CPU, so that they stay in its cache


def filter_adaptive_conv(features: Tensor, kernels: Tensor, kernel_size: int = 5) -> Tensor:
    """Return the correlation of features with a filter for each of their elements, borders repeated beyond them.

    Element (b, c, y, x) is the sum over ky and kx of features[b, c, y + ky - k // 2, x + kx - k // 2] *
    kernels[b, k * k * c + k * ky + kx, y, x].

    Args:
        features: (B, C, h, w).
        kernels: (B, C * k * k, h, w).
        kernel_size: k, an odd number.

    Returns:
        (B, C, h, w), in the type of ``features``; sums are formed in at least 32 bits. Gradients of gradients are not
        defined.

    Raises:
        InvalidValueError: An even size, or kernels of another shape.

    Source: Zhou et al., Spatio-Temporal Filter Adaptive Network for Video Deblurring.
    """
    if kernel_size % 2 == 0 or kernel_size < 1:
        raise InvalidValueError(f'kernel_size must be an odd number, got {kernel_size}.')
    batch, channels, *size = features.shape
    expected = (batch, channels * kernel_size**2, *size)
    if tuple(kernels.shape) != expected:
        raise InvalidValueError(
            f'Features {tuple(features.shape)} need kernels {expected} of {kernel_size}x{kernel_size}, got '
            f'{tuple(kernels.shape)}.'
        )
    radius = kernel_size // 2
    padded = F.pad(features, (radius,) * 4, mode='replicate')
    filters = kernels.reshape(batch * channels, kernel_size**2, *size)
    if torch.onnx.is_in_onnx_export():  # a graph of ONNX has no places to write to
        shifts = zip(filters.unbind(1), _shifts(padded.flatten(0, 1), kernel_size), strict=True)
        return functools.reduce(torch.add, (one * shifted for one, shifted in shifts)).view(features.shape)
    return _FilterAdaptiveConv.apply(padded.flatten(0, 1), filters, kernel_size).view(features.shape)


class _FilterAdaptiveConv(torch.autograd.Function):
    """Sums up one shift after the other: padded (B * C, h + k - 1, w + k - 1), filters (B * C, k * k, h, w)."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, filters: Tensor, kernel_size: int) -> Tensor:
        ctx.save_for_backward(padded, filters)
        ctx.kernel_size = kernel_size
        out = padded.new_empty(len(filters), *filters.shape[2:])
        for out_part, padded_part, filters_part in _chunks(out, padded, filters):
            padded_part = _precise(padded_part)
            total = torch.zeros_like(out_part, dtype=padded_part.dtype)
            for index, shifted in enumerate(_shifts(padded_part, kernel_size)):
                total.addcmul_(shifted, filters_part[:, index].to(total.dtype))
            out_part.copy_(total)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        padded, filters = ctx.saved_tensors
        needs_padded, needs_filters, _ = ctx.needs_input_grad
        grad_padded = torch.empty_like(padded) if needs_padded else padded
        grad_filters = torch.empty_like(filters) if needs_filters else filters
        for grad_part, padded_part, filters_part, to_padded, to_filters in _chunks(
            grad, padded, filters, grad_padded, grad_filters
        ):
            grad_part, padded_part = _precise(grad_part), _precise(padded_part)
            total = torch.zeros_like(padded_part)
            shifts = zip(_shifts(padded_part, ctx.kernel_size), _shifts(total, ctx.kernel_size), strict=True)
            for index, (shifted, shifted_total) in enumerate(shifts):
                if needs_padded:
                    shifted_total.addcmul_(grad_part, filters_part[:, index].to(total.dtype))
                if needs_filters:
                    to_filters[:, index] = grad_part * shifted
            if needs_padded:
                to_padded.copy_(total)
        return grad_padded if needs_padded else None, grad_filters if needs_filters else None, None


def _shifts(padded: Tensor, kernel_size: int) -> Iterator[Tensor]:
    """Yield the views (N, h, w) of padded features for each position of a filter, row by row."""
    height, width = (side - kernel_size + 1 for side in padded.shape[-2:])
    for down in range(kernel_size):
        for right in range(kernel_size):
            yield padded[:, down : down + height, right : right + width]


def _chunks(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield views of tensors whose first axis is one of maps, for as many maps as are summed up at a time."""
    maps = tensors[0]
    size = len(maps) if maps.is_cuda or is_fake(maps) else max(1, _CHUNK_ELEMENTS // max(1, maps[0].numel()))
    return zip(*(tensor.split(size) for tensor in tensors), strict=True)


def _precise(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
