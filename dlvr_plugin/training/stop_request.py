"""Signals as wishes: the iteration is finished and saved before the run ends."""

import signal
from types import FrameType, TracebackType
from typing import Any

import torch
import torch.distributed as dist
from basicsr.utils import get_root_logger

from dlvr_plugin.core.workers import STOP_SIGNALS


class StopRequest:
    """Remembers the first of ``STOP_SIGNALS`` while it is entered; a second Ctrl-C leaves at once."""

    def __init__(self) -> None:
        self._signal = 0
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> 'StopRequest':
        for number in STOP_SIGNALS:
            self._handlers[number] = signal.signal(number, self._remember)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self._signal == number == signal.SIGINT:
            raise KeyboardInterrupt
        self._signal = self._signal or number
        get_root_logger().warning(
            f'{signal.Signals(number).name}: finishing this iteration and saving. A second Ctrl-C leaves at once.'
        )

    def agreed(self, device: torch.device) -> int:
        """Return the signal that any of the processes has seen, 0 without one; all processes must call it."""
        if not dist.is_initialized():
            return self._signal
        seen = torch.tensor(self._signal, device=device)
        dist.all_reduce(seen, dist.ReduceOp.MAX)
        return int(seen)
