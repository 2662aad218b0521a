"""One machine for several runs of a sweep at once: which cores and GPUs each takes."""

import os
from collections.abc import Callable, Mapping, Sequence

import torch

from dlvr_plugin.core.errors import InvalidValueError

Share = Callable[[int], Mapping[str, str]]
"""Gives the variables of a slot that share a machine between runs at once."""


def find_gpus(text: str | None) -> list[str]:
    """Return GPUs as CUDA_VISIBLE_DEVICES names them.

    Args:
        text: Their numbers as PyTorch counts them, such as '0,1'; None for no GPUs in particular.

    Raises:
        InvalidValueError: Something else than numbers, one twice, or one that is not here.
    """
    numbers = [part.strip() for part in text.split(',')] if text is not None else []
    if not all(part.isdecimal() for part in numbers) or len({int(part) for part in numbers}) < len(numbers):
        raise InvalidValueError(f'--gpus must be numbers of GPUs, each once, such as 0,1; got {text!r}.')
    count = torch.cuda.device_count()
    if missing := [part for part in numbers if int(part) >= count]:
        there = f'PyTorch sees {count}, numbered from 0' if count else 'PyTorch sees none'
        raise InvalidValueError(f'--gpus {text}: there is no GPU {missing[0]} here; {there}.')
    visible = os.environ.get('CUDA_VISIBLE_DEVICES')
    names = visible.split(',') if visible else [str(number) for number in range(count)]
    return [names[int(part)].strip() for part in numbers]


def slot_environment(slot: int, num_slots: int, gpus: Sequence[str]) -> dict[str, str]:
    """Return the variables that share a machine between runs at once.

    Args:
        slot: Which of them, from 0.
        num_slots: How many there are.
        gpus: GPUs to share, none for what the machine has.
    """
    environment = {'CUDA_VISIBLE_DEVICES': gpus[slot % len(gpus)]} if gpus else {}
    if num_slots > 1 and 'OMP_NUM_THREADS' not in os.environ:
        # Threads beyond the cores spin while they wait for one another: two runs with all cores each take several
        # times as long as with half of them.
        environment['OMP_NUM_THREADS'] = str(max((os.cpu_count() or 1) // num_slots, 1))
    return environment
