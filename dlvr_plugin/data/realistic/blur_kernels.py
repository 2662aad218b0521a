"""Kernels of blur, one a frame, and what they do to frames.

Shape legend: N kernels, K their odd side, T frames, H, W their size.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

_NEGLIGIBLE = 1e-5


def gaussian_kernels(
    *, size: int, sigma_x: Sequence[float], sigma_y: Sequence[float], angle: Sequence[float], beta: Sequence[float]
) -> Tensor:
    """Return kernels (N, K, K) exp(-d^beta / 2), where d is the squared distance in standard deviations.

    Args:
        size: Side K in pixels, odd.
        sigma_x: Standard deviation along the first axis, in pixels, where beta is 1.
        sigma_y: The same along the second axis.
        angle: From the rows to the first axis, in radians.
        beta: 1 is the normal distribution, less has a peak and long tails, more a flat top.

    Source: Real-ESRGAN, section 3.1; Pascal et al. 2013 for the generalised distribution.
    """
    distance = _squared_distances(size, sigma_x, sigma_y, angle)
    return _normalized(torch.exp(-0.5 * distance ** _column(beta)))


def plateau_kernels(
    *, size: int, sigma_x: Sequence[float], sigma_y: Sequence[float], angle: Sequence[float], beta: Sequence[float]
) -> Tensor:
    """Return kernels (N, K, K) 1 / (1 + d^beta), with a flat top; arguments as of ``gaussian_kernels``.

    Source: Real-ESRGAN, section 3.1.
    """
    distance = _squared_distances(size, sigma_x, sigma_y, angle)
    return _normalized(1 / (1 + distance ** _column(beta)))


def sinc_kernels(*, size: int, cutoff: Sequence[float]) -> Tensor:
    """Return circular low-pass kernels (N, K, K), which ring and overshoot.

    Args:
        size: Side K in pixels, odd.
        cutoff: Where the filter ends, in parts of the highest frequency that the grid holds (half a period a pixel).

    Source: Real-ESRGAN, section 3.3, equation 2: w / (2 pi r) J1(w r), J1 the Bessel function and w the cutoff in
    radians a pixel; w^2 / (4 pi) at the centre, its limit.
    """
    offsets = torch.arange(size, dtype=torch.float64) - size // 2
    radius = torch.hypot(offsets[:, None], offsets)
    omega = _column(cutoff) * math.pi
    around = omega * torch.special.bessel_j1(omega * radius) / (2 * math.pi * radius.clamp(min=1))
    return _normalized(torch.where(radius == 0, omega**2 / (4 * math.pi), around))


def blur(frames: Tensor, kernels: Tensor) -> Tensor:
    """Filter each frame by its kernel; at the borders it is reflected, the border pixel not repeated.

    What a kernel holds less than a hundred-thousandth of on its outer rings is left out, which is much faster.

    Args:
        frames: Frames (T, C, H, W), float32.
        kernels: Kernels (T, K, K), float32, symmetric around their centre.
    """
    frames = frames.contiguous()
    result = torch.empty_like(frames)
    for frame, kernel, blurred in zip(frames.numpy(), kernels.numpy(), result.numpy(), strict=True):
        trimmed = _trimmed(kernel)
        for plane, out in zip(frame, blurred, strict=True):
            cv2.filter2D(plane, -1, trimmed, dst=out)
    return result


def _trimmed(kernel: np.ndarray) -> np.ndarray:
    """Return a kernel (K, K) without the outer rings that together hold nearly nothing."""
    offsets = np.abs(np.arange(len(kernel)) - len(kernel) // 2)
    rings = np.maximum(offsets[:, None], offsets)
    weights = np.bincount(rings.ravel(), np.abs(kernel).ravel())
    dropped = int((weights[::-1].cumsum() < _NEGLIGIBLE).sum())  # of the outermost ring, the two outermost, ...
    return np.ascontiguousarray(kernel[dropped : len(kernel) - dropped, dropped : len(kernel) - dropped])


def _squared_distances(size: int, sigma_x: Sequence[float], sigma_y: Sequence[float], angle: Sequence[float]) -> Tensor:
    """Return squared distances (N, K, K) from the centre, in standard deviations along the turned axes."""
    offsets = torch.arange(size, dtype=torch.float64) - size // 2
    x, y = offsets, offsets[:, None]
    cosine, sine = torch.cos(_column(angle)), torch.sin(_column(angle))
    along, across = cosine * x + sine * y, cosine * y - sine * x
    return (along / _column(sigma_x)) ** 2 + (across / _column(sigma_y)) ** 2


def _column(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1)


def _normalized(kernels: Tensor) -> Tensor:
    return (kernels / kernels.sum((1, 2), keepdim=True)).float()
