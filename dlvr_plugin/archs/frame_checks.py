"""What networks demand of frames and states, and how sides that they do not take are padded.

Shape legend: B batch, T frames of a clip, C channels, h, w size of the low-quality frames.
"""

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor

from dlvr_plugin.core.errors import InvalidValueError

_LAYOUTS = {4: 'frames (B, C, h, w)', 5: 'clips (B, T, C, h, w)'}


def check_frames(
    network: str, frames: Tensor, *, dims: int, channels: int, smallest: int = 1, num_frame: int | None = None
) -> None:
    """Demand frames that a network takes.

    Args:
        network: Its name, for the error.
        frames: Frames (B, C, h, w) or (B, T, C, h, w).
        dims: 4 for frames, 5 for clips and windows.
        channels: C.
        smallest: The smallest h and w.
        num_frame: T, for a network of windows; None for clips of any length, but not of none.

    Raises:
        InvalidValueError: They are others.
    """
    shape = tuple(frames.shape)
    if frames.dim() != dims:
        raise InvalidValueError(f'{network} takes {_LAYOUTS[dims]}, got {frames.dim()} dimensions: {shape}.')
    if shape[-3] != channels:
        raise InvalidValueError(
            f'{network} takes frames of {channels} channels, got {shape[-3]}: {shape}. Set num_in_ch, or change the '
            'frames.'
        )
    if min(shape[-2:]) < smallest:
        raise InvalidValueError(
            f'{network} takes frames of at least {smallest}x{smallest} pixels, got {shape[-2]}x{shape[-1]}. Use '
            'larger ones, or pad them.'
        )
    if dims == 5 and num_frame is not None and shape[1] != num_frame:
        raise InvalidValueError(
            f'{network} takes windows of {num_frame} frames, got {shape[1]}: {shape}. Beyond the ends of a clip, '
            'repeat its frames.'
        )
    if dims == 5 and shape[1] == 0:
        raise InvalidValueError(f'{network} takes clips of at least 1 frame, got none: {shape}.')


def check_state(network: str, state: Mapping[str, Tensor], shapes: Mapping[str, Sequence[int]]) -> None:
    """Demand the state of a clip of the same size as the frame.

    Args:
        network: Its name, for the error.
        state: Tensors of the state, by name.
        shapes: The shapes that the frame needs, by name.

    Raises:
        InvalidValueError: It is that of another clip.
    """
    for name, shape in shapes.items():
        if tuple(state[name].shape) != tuple(shape):
            raise InvalidValueError(
                f'{network}: {name} of the state is {tuple(state[name].shape)}, and this frame needs {tuple(shape)}. A '
                'state belongs to one clip: begin another one with state=None.'
            )


def pad_sides(frames: Tensor, multiple: int, mode: str = 'replicate') -> Tensor:
    """Return frames (B, C, h, w) whose sides are multiples of a number, padded at the bottom and at the right.

    Args:
        frames: The frames.
        multiple: The number.
        mode: 'replicate' repeats the border, 'constant' puts zeros.
    """
    below, right = (-side % multiple for side in frames.shape[-2:])
    return F.pad(frames, (0, right, 0, below), mode=mode) if below or right else frames
