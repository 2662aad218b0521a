"""What is wrong with a run's numbers: not finite, offsets that explode, a loss network that gives no signal."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from dlvr_plugin.core.declarations import POSITIVE, Range, check_fields

Policy = Literal['stop', 'rollback']


@dataclass(frozen=True, kw_only=True)
class DivergenceOptions:
    """What ``train.divergence`` says.

    Attributes:
        policy: 'stop' the run, or 'rollback' to the last good checkpoint and go on with another order of the data.
        max_rollbacks: How often a run may go back to its last good checkpoint.
        max_offset: Largest mean of absolute offsets of a deformable convolution, in pixels; None for any.

    Raises:
        InvalidValueError: A value out of range. InvalidTypeError: of the wrong type.
    """

    policy: Policy = 'stop'
    max_rollbacks: Annotated[int, POSITIVE] = 3
    max_offset: Annotated[float, Range(above=0)] | None = 100.0

    def __post_init__(self) -> None:
        check_fields(self, 'train.divergence')


class BalanceMonitor:
    """Tells when T wins or collapses for long.

    Args:
        patience: Iterations over which the accuracies are averaged.
    """

    def __init__(self, patience: int = 1000) -> None:
        self.patience = patience
        self._start: int | None = None
        self._accuracies: list[tuple[float, float]] = []

    def advice(self, current_iter: int, log: dict[str, Any]) -> str | None:
        """Take the accuracies of an iteration, and return what is to be said about those since the last advice.

        Args:
            current_iter: Iteration of the log.
            log: Values by name; ``t_acc_real`` and ``t_acc_fake`` in [0, 1] count.
        """
        if 't_acc_real' not in log or 't_acc_fake' not in log:
            return None
        self._start = current_iter if self._start is None else self._start
        self._accuracies.append((log['t_acc_real'], log['t_acc_fake']))
        if current_iter - self._start < self.patience:
            return None
        real, fake = (math.fsum(values) / len(values) for values in zip(*self._accuracies, strict=True))
        found = f'For {current_iter - self._start} iterations T has told {real:.0%} of the real and {fake:.0%} of the '
        self._start, self._accuracies = None, []
        if min(real, fake) > 0.99:
            return found + (
                'fake patches rightly: it wins, and may no longer change in what G can still learn. '
                'Lower train.optim_t.lr, or init_t_iters.'
            )
        if max(real, fake) > 0.99 and min(real, fake) < 0.01:
            return found + (
                'fake patches rightly: it takes everything for the same and gives no signal. Go back to an earlier '
                'checkpoint with a lower train.optim_t.lr, or train T alone for longer (init_t_iters).'
            )
        if max(abs(real - 0.5), abs(fake - 0.5)) < 0.02:
            return found + (
                'fake patches rightly: it guesses. Train T alone for longer (init_t_iters) or raise train.optim_t.lr; '
                'if G restores perfectly, all is well.'
            )
        return None
