"""Runs that repeat themselves bit for bit where torch can, and the name of the operator where it cannot."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.training.protocols import LETTERS, networks_of

_NO_DETERMINISTIC_FORM = re.compile(r'^(\S+) does not have a deterministic implementation')
_CUBLAS = 'CUBLAS_WORKSPACE_CONFIG'
_CUBLAS_DETERMINISTIC = (':4096:8', ':16:8')


@contextmanager
def chosen_algorithms(*, deterministic: bool) -> Iterator[None]:
    """Let torch take its deterministic algorithms alone, or those that it measures as the fastest.

    Args:
        deterministic: Which; torch then raises a ``RuntimeError`` at an operator that has no deterministic form.
    """
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic
    mode = torch.get_deterministic_debug_mode()
    if deterministic:
        if os.environ.get(_CUBLAS) not in _CUBLAS_DETERMINISTIC:
            os.environ[_CUBLAS] = _CUBLAS_DETERMINISTIC[0]  # which cuBLAS reads when a process first calls it
        torch.use_deterministic_algorithms(True)
    cudnn.benchmark, cudnn.deterministic = not deterministic, deterministic
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.deterministic = before
        torch.set_deterministic_debug_mode(mode)


class OperatorWatch:
    """Tells in which network an operator without a deterministic form was called.

    Args:
        model: Model of the host with ``net_g``.
    """

    def __init__(self, model: Any) -> None:
        self._part, self._is_on_gpu = '', model.device.type == 'cuda'
        for letter, net in networks_of(model, ''.join(LETTERS)).items():
            self._follow(net, f'network_{letter}: {type(model.get_bare_model(net)).__name__}')

    def _follow(self, net: nn.Module, part: str) -> None:
        """Know when a network runs forward, and when a gradient comes back into it."""

        def enter(*_: Any) -> None:
            self._part = part

        def leave(module: nn.Module, inputs: Any, output: Any) -> None:
            self._part = ''
            for each in tree_leaves(output):
                if isinstance(each, Tensor) and each.requires_grad:
                    each.register_hook(enter)

        net.register_forward_pre_hook(enter)
        net.register_forward_hook(leave)

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Surround a step.

        Raises:
            InvalidValueError: An operator in it has no deterministic form.
        """
        self._part = ''
        try:
            yield
        except RuntimeError as error:
            if (found := _NO_DETERMINISTIC_FORM.match(str(error))) is None:
                raise
            where = self._part or 'a loss, or what lies between the networks'
            cpu = ', train on the CPU (num_gpu: 0), where nearly all have one' if self._is_on_gpu else ''
            raise InvalidValueError(
                f'deterministic: true: torch has no deterministic form of the operator {found[1]}, called in '
                f'{where}. Choose another{cpu}, or leave deterministic out: the order of samples, their augmentation '
                'and all seeds stay as they are, and only the rounding of sums differs from run to run.'
            ) from error
