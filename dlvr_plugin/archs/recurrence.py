"""How recurrent networks restore a clip by their steps."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


def restore_by_steps(step: Callable[[Tensor, Any], tuple[Tensor, Any]], inputs: Iterable[Tensor]) -> Tensor:
    """Restore a clip frame by frame, each step with the state of the one before.

    Args:
        step: Takes the input of a frame and a state, None for the first one; returns the restored frame (B, C, H, W)
            and the next state.
        inputs: What each step takes, in the order of the T frames: frames (B, C, h, w), or windows.

    Returns:
        Restored frames (B, T, C, H, W).
    """
    restored, state = [], None
    for each in inputs:
        result, state = step(each, state)
        restored.append(result)
    return torch.stack(restored, dim=1)
