"""Enlarging frames as TensorFlow 1 does: pixel i of the frame is pixel s * i of the larger one.

Shape legend: B batch, C channels, h, w size of a frame, s factor.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_CUBIC = -0.75  # the parameter a of cubic convolution


class TopLeftBicubic(nn.Module):
    """Bicubic enlargement with pixel i of the frame at pixel s * i of the larger one, not in the middle of s pixels.

    Args:
        factor: s.
        is_saved: Whether the state dict has the taps, ``kernels`` (s, 4), as that of TecoGAN-PyTorch.

    Source: Keys, Cubic convolution interpolation for digital image processing, with a = -0.75; ``resize_bicubic`` of
        TensorFlow 1.
    """

    kernels: Tensor

    def __init__(self, factor: int, *, is_saved: bool = True) -> None:
        super().__init__()
        self.factor = factor
        self.register_buffer('kernels', _cubic_taps(factor), persistent=is_saved)

    def forward(self, frames: Tensor) -> Tensor:
        """Enlarge frames: (B, C, h, w) -> (B, C, s * h, s * w)."""
        padded = F.pad(frames, (1, 2, 1, 2), mode='replicate')
        kernels = self.kernels.to(frames.dtype)
        both = torch.einsum('iy,jx->ijyx', kernels, kernels).flatten(0, 1)  # (s * s, 4, 4)
        phases = F.conv2d(padded.flatten(0, 1).unsqueeze(1), both.unsqueeze(1))  # (B * C, s * s, h, w)
        larger = F.pixel_shuffle(phases, self.factor)  # (B * C, 1, s * h, s * w)
        return larger.reshape(*frames.shape[:2], *larger.shape[-2:])


def _cubic_taps(factor: int) -> Tensor:
    """Return the weights (s, 4) of the pixels i - 1 to i + 2 at the positions i, i + 1 / s, ..."""
    phase = torch.arange(factor, dtype=torch.float64)[:, None] / factor
    distance = (phase - torch.arange(-1, 3)).abs()
    near = (_CUBIC + 2) * distance**3 - (_CUBIC + 3) * distance**2 + 1
    far = _CUBIC * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    return torch.where(distance <= 1, near, far).float()


def top_left_bilinear(frames: Tensor, factor: int) -> Tensor:
    """Return frames (B, C, s * h, s * w), bilinear, with pixel i of the frames at pixel s * i of the larger ones.

    Args:
        frames: Frames (B, C, h, w).
        factor: s.

    Source: ``resize_bilinear`` of TensorFlow 1 without ``align_corners``.

    >>> top_left_bilinear(torch.tensor([[[[0.0, 4.0]]]]), 2)[0, 0, 0].tolist()
    [0.0, 2.0, 4.0, 4.0]
    """
    height, width = frames.shape[-2:]
    # With one more row and column, their pixels and those of the larger frames coincide at both ends.
    padded = F.pad(frames, (0, 1, 0, 1), mode='replicate')
    size = (factor * height + 1, factor * width + 1)
    return F.interpolate(padded, size=size, mode='bilinear', align_corners=True)[..., :-1, :-1]
