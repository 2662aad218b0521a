"""Where the learning rates of a run stand at an iteration, without making the iterations before it.

Schedules of the framework multiply the rate of the iteration before, and the warm-up sets it, so that a rate follows
from all that came before. But most iterations change nothing, and are left out here.
"""

from collections.abc import Iterable
from typing import Any

from basicsr.models.base_model import BaseModel
from basicsr.models.lr_scheduler import CosineAnnealingRestartLR, MultiStepRestartLR
from torch.optim.lr_scheduler import LRScheduler

from dlvr_plugin.training.protocols import CountsIterations


def advance_schedules(model: Any, current_iter: int, warmup_iter: int) -> None:
    """Bring the schedules of a model that was just built to where a run has them in an iteration.

    The rates, and the states of the schedules, are those that ``update_learning_rate`` leaves when it is called for
    each iteration from the first on; a model that has one of its own, and does not say how it counts, is called so.

    Args:
        model: Model of the framework; its schedules have taken no step.
        current_iter: The iteration; 0 for none.
        warmup_iter: Iterations that raise the learning rate from 0; -1 for none.
    """
    owner = next(each for each in type(model).__mro__ if 'update_learning_rate' in vars(each))
    if owner is BaseModel:
        counts = [current_iter] * len(model.schedulers)
    elif isinstance(model, CountsIterations) and 'schedule_iters' in vars(owner):
        counts = model.schedule_iters(current_iter)
    else:
        for iteration in range(1, current_iter + 1):
            model.update_learning_rate(iteration, warmup_iter=warmup_iter)
        return
    for schedule, count in zip(model.schedulers, counts, strict=True):
        _advance(schedule, count, warmup_iter)


def _advance(schedule: LRScheduler, current_iter: int, warmup_iter: int) -> None:
    model = BaseModel.__new__(BaseModel)  # with what its update_learning_rate reads, and no more
    model.optimizers, model.schedulers = [schedule.optimizer], [schedule]
    for iteration in sorted(_iterations_that_count(schedule, current_iter, warmup_iter)):
        # As the iteration before has left them.
        schedule.last_epoch, schedule._step_count = max(iteration - 2, 0), max(iteration - 1, 1)
        model.update_learning_rate(iteration, warmup_iter=warmup_iter)


def _iterations_that_count(schedule: Any, current_iter: int, warmup_iter: int) -> set[int]:
    """Return from which iterations the rate of the last one follows; it is one of them, unless there is none."""
    if type(schedule) is CosineAnnealingRestartLR:
        changes: Iterable[int] = ()
    elif type(schedule) is MultiStepRestartLR:
        changes = (epoch + 1 for epoch in (*schedule.milestones, *schedule.restarts))
    else:
        changes = range(1, current_iter + 1)
    last_of_warmup = warmup_iter - 1
    before = current_iter - 1 if current_iter <= warmup_iter else current_iter
    return {each for each in (*changes, last_of_warmup, before, current_iter) if 1 <= each <= current_iter}
