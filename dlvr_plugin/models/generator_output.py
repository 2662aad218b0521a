"""The restored frames in what a generator gives, and what to say where they are not there.

Shape legend: B batch, T frames of a clip, S restored frames, C channels, h, w and H, W sizes of frames.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dlvr_plugin.models.host_models import PLAIN_HOSTS, GeneratorType

_SAYS: dict[GeneratorType, str] = {
    'image': 'takes frames (B, C, h, w) and gives frames (B, C, H, W)',
    'sliding_window': 'takes clips (B, T, C, h, w) and gives their middle frames (B, C, H, W)',
    'recurrent': 'takes clips (B, T, C, h, w) and gives clips (B, T, C, H, W)',
}


def find_frames(output: Any, shape: torch.Size) -> list[Tensor]:
    """Return the tensors in what a generator gives that are restored frames.

    Args:
        output: A tensor, or tensors in tuples, lists and dicts. Frames may stand in the batch: (B*S, C, H, W).
        shape: Of the ground truth, (B, S, C, H, W).

    Returns:
        Tensors of that shape; one where it is clear which one is meant.
    """
    if torch.is_tensor(output):
        is_batch = output.dim() == 4 or (output.dim() == 5 and output.shape[0] == shape[0])
        fits = is_batch and output.shape[-3:] == shape[-3:] and output.numel() == shape.numel()
        return [output.reshape(shape)] if fits else []
    values = output.values() if isinstance(output, Mapping) else output
    if not isinstance(output, (Mapping, tuple, list)):
        return []
    return [frames for value in values for frames in find_frames(value, shape)]


def describe(output: Any) -> str:
    """Say what a generator gives: a shape, or the shapes in a container."""
    if torch.is_tensor(output):
        return f'a tensor {tuple(output.shape)}'
    values = list(output.values()) if isinstance(output, Mapping) else output
    if isinstance(values, (tuple, list)):
        return f'a {type(output).__name__} of {len(values)} ({", ".join(describe(value) for value in values)})'
    return f'a {type(output).__name__}'


@torch.no_grad()
def explain(net: nn.Module, *, lq: Tensor, gt: Tensor, num_frame: int, generator_type: GeneratorType) -> str | None:
    """Say why a generator does not go with its host model, by trying it on what it gets.

    Args:
        net: Generator, in training mode.
        lq: What it gets, (B, C, h, w) or (B, T, C, h, w).
        gt: What its output is compared with.
        num_frame: Frames of a sample.
        generator_type: What the options take it for.

    Returns:
        None where it gives a tensor of the shape of ``gt``, or fails on everything, so that something else is wrong.
    """
    name, got = type(net).__name__, f'generator_type is {generator_type}, so it gets lq {tuple(lq.shape)}'
    net.eval()
    try:
        output, failure = _try(net, lq)
        if torch.is_tensor(output) and output.shape == gt.shape:
            return None
        fitting = _fitting_type(net, lq, gt, num_frame)
    finally:
        net.train()
    if failure:
        what = f'network_g ({name}) does not take its input: {got}, and fails with "{failure}".'
    else:
        what = f'network_g ({name}) gives {describe(output)}, but gt is {tuple(gt.shape)}: {got}.'
    if fitting not in (None, generator_type):
        fix = f'Set generator_type: {fitting}, with a host_model such as {PLAIN_HOSTS[fitting]}.'
        return f'{what} It {_SAYS[fitting]}. {fix}'
    if failure:
        return None
    if not torch.is_tensor(output):
        return (
            f'{what} A host model of your own is needed that takes the restored frames of it, and whose method '
            'pick_output(output) returns them: see docs/own_classes.md.'
        )
    return f'{what} Let forward of {name} return restored frames in the shape of gt.'


def _try(net: nn.Module, lq: Tensor) -> tuple[Any, str]:
    """Return what a network gives, or the beginning of what it fails with."""
    try:
        return net(lq), ''
    except Exception as error:  # any, because it tells that the network does not take this
        lines = str(error).splitlines() or ['']
        return None, f'{type(error).__name__}: {lines[0][:160]}'


def _fitting_type(net: nn.Module, lq: Tensor, gt: Tensor, num_frame: int) -> GeneratorType | None:
    """Return the type of a generator as it shows itself."""
    frame = lq if lq.dim() == 4 else lq[:, lq.shape[1] // 2]
    clip = lq if lq.dim() == 5 else lq.unsqueeze(1).expand(-1, num_frame, -1, -1, -1).contiguous()
    batch, length, size = len(lq), clip.shape[1], gt.shape[-3:]
    for generator_type, given, restored in (
        ('image', frame, 1),
        ('sliding_window', clip, 1),
        ('recurrent', clip, length),
    ):
        output, _ = _try(net, given)
        if find_frames(output, torch.Size((batch, restored, *size))):
            return generator_type  # type: ignore[return-value]
    return None
