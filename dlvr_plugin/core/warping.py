"""Motion compensation: frames sampled where optical flow points to."""

import torch
import torch.nn.functional as F
from torch import Tensor


def warp(frames: Tensor, flow: Tensor) -> Tensor:
    """Return frames sampled at (x + dx, y + dy), bilinear; beyond the border the nearest pixel counts.

    Args:
        frames: Frames (B, C, h, w).
        flow: (B, 2, h, w) in pixels, dx to the right and dy down. It leads from each pixel of the result to where that
            lies in ``frames``.

    Returns:
        Frames (B, C, h, w), in the type of ``frames``; positions have at least 32 bits.

    >>> frame = torch.arange(4.0).view(1, 1, 1, 4)
    >>> right = torch.stack((torch.ones(1, 1, 4), torch.zeros(1, 1, 4)), dim=1)
    >>> warp(frame, right).flatten().tolist()
    [1.0, 2.0, 3.0, 3.0]
    """
    height, width = frames.shape[-2:]
    flow = flow.to(torch.promote_types(flow.dtype, torch.float32))
    right, down = (
        torch.linspace(-1, 1, side, dtype=flow.dtype, device=flow.device) if side > 1 else flow.new_zeros(1)
        for side in (width, height)
    )
    across = right + flow[:, 0] * (2 / max(width - 1, 1))
    along = down[:, None] + flow[:, 1] * (2 / max(height - 1, 1))
    grid = torch.stack((across, along), dim=-1)  # (B, h, w, 2)
    sampled = F.grid_sample(frames.to(grid.dtype), grid, padding_mode='border', align_corners=True)
    return sampled.to(frames.dtype)
