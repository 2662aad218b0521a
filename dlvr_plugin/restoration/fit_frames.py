"""Bring low-quality frames into the form that a network takes, and its result back.

Shape legend: B batch, T frames of a clip, C channels, h, w size of the low-quality frames.
"""

import torch
from torch import Tensor

from dlvr_plugin.archs import NetworkSpec
from dlvr_plugin.core.errors import DataError


def fit_frames(frames: Tensor, spec: NetworkSpec, *, where: str) -> Tensor:
    """Return frames in the shape that a network takes.

    A network of single frames gets the middle one of a window. Sides that the network does not take are padded at the
    bottom and at the right, the frame mirrored there; sides that it takes stay as they are, and so do all pixels.

    Args:
        frames: Frames (B, C, h, w) or (B, T, C, h, w).
        spec: What the network takes.
        where: What an error calls the frames.

    Raises:
        DataError: A clip shorter than the network takes, or a window of another length.
    """
    if spec.takes == 'frame' and frames.dim() == 5:
        frames = frames[:, frames.shape[1] // 2]
    elif spec.takes != 'frame' and frames.dim() == 4:
        frames = frames.unsqueeze(1)
    if spec.takes == 'window' and spec.num_frame not in (None, frames.shape[1]):
        raise DataError(f'{where}: {spec.arch} takes windows of {spec.num_frame} frames, got {frames.shape[1]}.')
    if spec.takes == 'clip' and frames.shape[1] < spec.min_frames:
        raise DataError(
            f'{where} has {frames.shape[1]} frames; {spec.arch} takes clips of at least {spec.min_frames}. Leave it '
            'out, or use another network.'
        )
    return pad_frames(frames, spec)


def pad_frames(frames: Tensor, spec: NetworkSpec) -> Tensor:
    """Return frames (..., h, w) with sides that the network takes, mirrored at the bottom and at the right."""
    for dim in (-2, -1):
        length = frames.shape[dim]
        if spec.padded(length) != length:
            frames = frames.index_select(dim, _mirrored(length, spec.padded(length)).to(frames.device))
    return frames


def _mirrored(length: int, padded: int) -> Tensor:
    """Return the positions to read for each position of a longer line; the pixel at the border is not repeated."""
    period = max(2 * (length - 1), 1)
    positions = torch.arange(padded) % period
    return torch.minimum(positions, period - positions) if length > 1 else torch.zeros_like(positions)


def crop_result(result: Tensor, *, padded: tuple[int, int], original: tuple[int, int]) -> Tensor:
    """Return the part of a result that belongs to the frames before they were padded.

    Args:
        result: What the network gave, (..., H, W).
        padded: h and w of the frames that it got.
        original: h and w before.
    """
    (height, width), scale = original, result.shape[-2] // padded[0]
    return result if padded == original else result[..., : height * scale, : width * scale]
