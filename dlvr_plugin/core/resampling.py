"""Bicubic resampling as MATLAB's ``imresize`` does it, and what other ways to make frames smaller share with it."""

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dlvr_plugin.core.errors import InvalidValueError

BICUBIC_REACH = 3
"""Bicubic downsampling reaches 2 pixels of the result beyond a pixel, and half a one."""


def bicubic_downsample(frames: Tensor, scale: int = 4) -> Tensor:
    """Downsample by MATLAB's ``imresize``: antialiased bicubic, the frame mirrored at its borders.

    Args:
        frames: Frames (..., C, H, W), float; H and W multiples of ``scale``.
        scale: Factor, at least 1.

    Returns:
        Frames (..., C, H / scale, W / scale), neither clamped nor rounded.

    Raises:
        InvalidValueError: H or W is no multiple of the scale, or the frame is smaller than the kernel reaches.

    Source: the degradation called BI in video super-resolution; the kernel is that of the host's ``imresize``.
    """
    check_sides(frames, scale, minimum=BICUBIC_REACH * scale)
    if scale == 1:
        return frames
    kernel, first = bicubic_kernel(scale)
    return decimate(frames, kernel, first=first, scale=scale, repeat_border=True)


@functools.lru_cache
def bicubic_kernel(scale: int) -> tuple[Tensor, int]:
    """Return the weights (4 * scale,) of MATLAB's bicubic downsampling, and on which pixel the first one falls.

    That holds for the first pixel of the result; for the next ones it shifts by ``scale``.
    """
    # Output pixel i is centred on input position scale * (i + 0.5) - 0.5: pixels are squares.
    centre = (scale - 1) / 2
    first = math.floor(centre) - 2 * scale + 1
    distance = ((torch.arange(4 * scale, dtype=torch.float64) + first - centre) / scale).abs()
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    kernel = torch.where(distance <= 1, near, torch.where(distance <= 2, far, 0))
    return kernel / kernel.sum(), first


def enlarge_image(image: np.ndarray, scale: int) -> np.ndarray:
    """Enlarge an image (h, w, 3), uint8, as MATLAB's ``imresize`` does: bicubic, the image mirrored at its borders.

    Args:
        image: In any order of channels.
        scale: Factor, at least 1.

    Returns:
        Image (scale h, scale w, 3), uint8.
    """
    if scale == 1:
        return image
    padded = np.pad(image, ((BICUBIC_REACH, BICUBIC_REACH), (BICUBIC_REACH, BICUBIC_REACH), (0, 0)), mode='symmetric')
    frame = torch.from_numpy(padded).permute(2, 0, 1)[None].float()  # (h, w, 3) -> (1, 3, h, w)
    # The kernel of torch is MATLAB's with antialiasing alone, which changes nothing else where images become larger.
    larger = F.interpolate(frame, scale_factor=scale, mode='bicubic', antialias=True)
    border = BICUBIC_REACH * scale
    inside = larger[0, :, border:-border, border:-border].clamp_(0, 255).round_().byte()
    return np.ascontiguousarray(inside.permute(1, 2, 0).numpy())


def round_to_eight_bits(frames: Tensor) -> Tensor:
    """Clamp frames to [0, 1] and round them to multiples of 1/255.

    The kernels' simple fractions often give values that lie half-way. They are found first, by rounding to a finer
    grid, so that errors in the last digit do not decide: a crop and its whole frame come out the same.
    """
    return frames.clamp(0, 1).mul_(255 * 4096).round_().div_(4096).round_().div_(255)


def check_sides(frames: Tensor, scale: int, minimum: int) -> None:
    """Demand frames (..., H, W) that can be made smaller by a factor.

    Raises:
        InvalidValueError: H or W is no multiple of the scale, or less than the minimum.
    """
    height, width = frames.shape[-2:]
    if height % scale or width % scale or min(height, width) < minimum:
        raise InvalidValueError(
            f'Downsampling by {scale} needs frames of at least {minimum}x{minimum} pixels, sides multiples of {scale}, '
            f'got {height}x{width}.'
        )


def decimate(frames: Tensor, kernel: Tensor, *, first: int, scale: int, repeat_border: bool) -> Tensor:
    """Filter rows and columns by a kernel (K,) and keep every ``scale``-th pixel.

    Args:
        frames: Frames (..., H, W).
        kernel: Its first weight falls on pixel ``first`` for the first pixel of the result.
        first: Where the kernel starts, 0 or less.
        scale: Step of the kernel.
        repeat_border: Whether mirroring at the borders repeats the border pixel.
    """
    height, width = frames.shape[-2:]
    planes = frames.reshape(-1, height, width)
    filter_rows, filter_columns = (
        _Decimation(tuple(kernel.tolist()), first, scale, repeat_border, length) for length in (height, width)
    )
    rows = frames.new_empty(len(planes), height // scale, width)
    for plane, out in zip(planes, rows, strict=True):
        filter_rows(plane, out, num_grouped=4)
    columns = frames.new_empty(width // scale, len(planes) * height // scale)
    filter_columns(rows.view(-1, width).t(), columns, num_grouped=8)
    return columns.t().reshape(*frames.shape[:-2], height // scale, width // scale)


@dataclass(frozen=True)
class _Decimation:
    """Filters the rows of a matrix and keeps every ``scale``-th; see ``decimate``.

    That is a product with weights (length / scale, length), zero but for a band, which inside the matrix just shifts
    by ``scale`` from row to row. There groups of output rows are all made of their input rows by one small matrix, in
    one batched product; only the rows at the ends, where the band is mirrored, are made apart.
    """

    kernel: tuple[float, ...]
    first: int
    scale: int
    repeat_border: bool
    length: int

    def __call__(self, matrix: Tensor, out: Tensor, *, num_grouped: int) -> None:
        """Fill ``out`` (n / scale, m) from a matrix (n, m)."""
        weights = _weights(self, matrix.dtype, matrix.device)
        taps, step = len(self.kernel), num_grouped * self.scale
        head = math.ceil(-self.first / self.scale)  # output rows that see the first border
        start, span = head * self.scale + self.first, step - self.scale + taps
        num_groups = max((self.length - start - span) // step + 1, 0)
        tail = head + num_groups * num_grouped
        if num_groups:
            windows = matrix[start:].unfold(0, span, step).transpose(1, 2)  # (n, m) -> (groups, span, m)
            group = weights[head : head + num_grouped, start : start + span].expand(num_groups, -1, -1)
            torch.bmm(group, windows, out=out[head:tail].view(num_groups, num_grouped, -1))
        inputs = min((head - 1) * self.scale + self.first + taps, self.length)
        torch.mm(weights[:head, :inputs], matrix[:inputs], out=out[:head])
        inputs = max(tail * self.scale + self.first, 0)
        torch.mm(weights[tail:, inputs:], matrix[inputs:], out=out[tail:])


@functools.lru_cache(maxsize=16)
def _weights(decimation: _Decimation, dtype: torch.dtype, device: torch.device) -> Tensor:
    length, scale, repeated = decimation.length, decimation.scale, int(decimation.repeat_border)
    outputs = torch.arange(length // scale)[:, None]
    inputs = scale * outputs + decimation.first + torch.arange(len(decimation.kernel))
    inputs = torch.where(inputs < 0, -inputs - repeated, inputs)
    inputs = torch.where(inputs >= length, 2 * (length - 1) + repeated - inputs, inputs)
    weights = torch.zeros(length // scale, length, dtype=torch.float64)
    weights.index_put_((outputs, inputs), torch.tensor(decimation.kernel, dtype=torch.float64), accumulate=True)
    return weights.to(device, dtype)
