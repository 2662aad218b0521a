"""Degradations that make low-quality frames, as pure functions."""

import torch
import torch.nn.functional as F
from torch import Tensor


def bicubic_downsample(frames: Tensor, scale: int = 4) -> Tensor:
    """Downsample by MATLAB's ``imresize``: antialiased bicubic, the frame mirrored at its borders.

    Args:
        frames: Frames (..., C, H, W), float; H and W multiples of ``scale``.
        scale: Factor, at least 1.

    Returns:
        Frames (..., C, H / scale, W / scale), neither clamped nor rounded.

    Raises:
        ValueError: H or W is no multiple of the scale, or the frame is smaller than the kernel reaches.

    Source: the degradation called BI in video super-resolution; the kernel is that of the host's ``imresize``.
    """
    height, width = frames.shape[-2:]
    # The kernel spans 4 output pixels; 3 on each side keep the padding a multiple of the scale.
    pad = 3 * scale
    if height % scale or width % scale or min(height, width) < pad:
        raise ValueError(
            f'Bicubic x{scale} needs frames of at least {pad}x{pad} pixels, sides multiples of {scale}, got '
            f'{height}x{width}.'
        )
    if scale == 1:
        return frames
    # torch's antialiased bicubic has MATLAB's kernel, but cuts it off at the border.
    padded = frames[..., _mirrored(height, pad), :][..., _mirrored(width, pad)]
    flat = padded.reshape(-1, 1, *padded.shape[-2:])  # (..., C, H, W) -> (M, 1, H, W)
    size = (padded.shape[-2] // scale, padded.shape[-1] // scale)
    small = F.interpolate(flat, size=size, mode='bicubic', antialias=True, align_corners=False)
    return small[..., 3:-3, 3:-3].reshape(*frames.shape[:-2], height // scale, width // scale)


def _mirrored(length: int, pad: int) -> Tensor:
    """Return indices that mirror ``pad`` pixels at each end, the border pixel repeated."""
    inside = torch.arange(length)
    return torch.cat((inside[:pad].flip(0), inside, inside[length - pad :].flip(0)))
