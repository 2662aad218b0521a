"""Noise of a frame, fresh in each: Gaussian, or that of counted photons."""

import random

import torch
from torch import Tensor

PEAK = 256
"""Photons that white stands for where the scale of Poisson noise is 1."""

_FEW = 16  # photons, below which the distribution is drawn exactly
_LUMA = (0.299, 0.587, 0.114)  # of red, green and blue, BT.601


def generator_of(seed: int, index: int) -> torch.Generator:
    """Return the generator of a frame's noise, which depends on the seed and the frame's index alone."""
    return torch.Generator().manual_seed(random.Random(f'{seed}/{index}').getrandbits(63))


def add_gaussian_noise(frame: Tensor, *, sigma: float, is_grey: bool, generator: torch.Generator) -> Tensor:
    """Add white Gaussian noise.

    Args:
        frame: Frame (3, H, W).
        sigma: Standard deviation, in grey levels of 255.
        is_grey: Whether the channels have the same noise.
        generator: What draws it.

    Returns:
        Frame (3, H, W), not clamped.

    Source: Real-ESRGAN, section 3.1.
    """
    noise = frame.new_empty(1 if is_grey else 3, *frame.shape[1:]).normal_(generator=generator)
    return torch.add(frame, noise, alpha=sigma / 255)


def add_poisson_noise(frame: Tensor, *, scale: float, is_grey: bool, generator: torch.Generator) -> Tensor:
    """Add the noise of counted photons, whose variance grows with the signal.

    Args:
        frame: Frame (3, H, W) in [0, 1].
        scale: Factor of the noise; with it the variance is scale^2 x / 256 where the signal is x.
        is_grey: Whether the channels have the same noise, that of their luma.
        generator: What draws it.

    Returns:
        Frame (3, H, W), not clamped.

    Source: Real-ESRGAN, section 3.1. Its code counts as many photons as a frame has different values, rounded up to a
    power of two, mostly 256. Here it is always 256, so that noise does not change with what a frame shows.
    """
    signal = frame.clamp(0, 1)
    if is_grey:
        signal = (signal * frame.new_tensor(_LUMA).view(3, 1, 1)).sum(0, keepdim=True)
    mean = signal * PEAK
    noise = draw_poisson(mean, generator).sub_(mean)
    return torch.add(frame, noise, alpha=scale / PEAK)


def draw_poisson(mean: Tensor, generator: torch.Generator) -> Tensor:
    """Draw from Poisson distributions, about seven times as fast as ``torch.poisson`` where means are large.

    From a mean of 16 on a normal variable z becomes m + sqrt(m - 5/36) z + (z^2 - 1) / 6, rounded: mean, variance (to
    which rounding adds 1/12 and the last term 1/18) and third moment are those of the distribution. Source: Cornish and
    Fisher's expansion.
    """
    z = torch.empty_like(mean).normal_(generator=generator)
    counts = (mean - 5 / 36).clamp_(min=0).sqrt_().mul_(z).add_(mean).add_((z * z).sub_(1), alpha=1 / 6).round_()
    few = mean < _FEW
    counts[few] = torch.poisson(mean[few], generator=generator)
    return counts
