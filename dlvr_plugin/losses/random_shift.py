"""Where on its frames the loss network T lays its grid of strides, drawn anew for each iteration."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.random_state import shared_generator


def shift_at_random(clips: Sequence[Tensor], largest: int) -> list[Tensor]:
    """Cut rows and columns off frames, at a place that is drawn by ``core.random_state.shared_generator``.

    In a training run all batches and processes of an iteration draw the same, so that each sample is cut as it would be
    if one process took them all at once.

    F's layers halve frames, always from their first pixel on. Each phase of G's output then gets gradients of its own
    strength, which leaves a grid. Frames that begin elsewhere each time give all phases the same.

    Args:
        clips: Frames (..., H, W), all of one size.
        largest: Rows and columns that are cut off, at both sides together; at the top and at the left, each, from 0 to
            one less. With 0 nothing is drawn, and the frames are returned as they are.

    Returns:
        The same part of all clips, (..., H - largest, W - largest).

    Raises:
        InvalidValueError: Nothing would be left.
    """
    if largest == 0:
        return list(clips)
    height, width = clips[0].shape[-2:]
    if min(height, width) <= largest:
        raise InvalidValueError(
            f'random_shift: {largest} leaves nothing of frames of {height}x{width}. Lower it or raise gt_size.'
        )
    top, left = torch.randint(largest, (2,), generator=shared_generator()).tolist()
    return [clip[..., top : top + height - largest, left : left + width - largest] for clip in clips]
