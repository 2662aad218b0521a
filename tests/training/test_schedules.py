"""Learning rates at an iteration are those of a run that made all iterations before it."""

import random
import time

import pytest
import torch
from basicsr.models.base_model import BaseModel
from basicsr.models.lr_scheduler import CosineAnnealingRestartLR, MultiStepRestartLR
from torch.optim.lr_scheduler import ExponentialLR

from dlvr_plugin.training.schedules import advance_schedules

pytestmark = pytest.mark.filterwarnings('ignore:Detected call of')


def model_with(schedule, model_class=BaseModel, **options):
    """Return a model of two optimizers, the first with two groups."""
    model = model_class({'num_gpu': 0, 'is_train': True})
    for rates in ((1e-3, 3e-4), (7e-5,)):
        groups = [{'params': [torch.nn.Parameter(torch.zeros(1))], 'lr': rate} for rate in rates]
        model.optimizers.append(torch.optim.Adam(groups, lr=1e-4))
        model.schedulers.append(schedule(model.optimizers[-1], **options))
    return model


def states(model):
    return [each.state_dict() for each in (*model.optimizers, *model.schedulers)]


def random_schedule(rng):
    if rng.random() < 0.5:
        periods = [rng.randint(1, 30) for _ in range(3)] + [100]
        weights = [rng.uniform(0.1, 1) for _ in periods]
        return CosineAnnealingRestartLR, {'periods': periods, 'restart_weights': weights, 'eta_min': 1e-7}
    restarts = [0, *sorted(rng.sample(range(1, 60), 2))]
    milestones = [rng.randint(0, 60) for _ in range(4)]
    weights = [1, rng.random(), rng.random()]
    return MultiStepRestartLR, {
        'milestones': milestones, 'gamma': rng.random(), 'restarts': restarts, 'restart_weights': weights,
    }  # fmt: skip


@pytest.mark.parametrize('seed', range(40))
def test_as_if_every_iteration_was_made(seed):
    """Rates and states are the same bits, warm-up or not, and stay so when both go on."""
    rng = random.Random(seed)
    schedule, options = random_schedule(rng)
    warmup_iter = rng.choice([-1, 0, 1, 2, 7, 40])
    stepped = model_with(schedule, **options)
    for iteration in range(1, 61):
        stepped.update_learning_rate(iteration, warmup_iter)
        advanced = model_with(schedule, **options)
        advance_schedules(advanced, iteration, warmup_iter)
        assert states(advanced) == states(stepped), (options, warmup_iter, iteration)
    for iteration in range(61, 70):
        stepped.update_learning_rate(iteration, warmup_iter)
        advanced.update_learning_rate(iteration, warmup_iter)
        assert states(advanced) == states(stepped)


def test_no_iteration():
    model = model_with(MultiStepRestartLR, milestones=[0], gamma=0.5)
    before = states(model)
    advance_schedules(model, 0, 10)
    assert states(model) == before


class OwnWarmup(BaseModel):
    """A model of a user, which says nothing of how it counts."""

    def update_learning_rate(self, current_iter, warmup_iter=-1):
        super().update_learning_rate(current_iter // 2, warmup_iter)


@pytest.mark.parametrize('model_class', [BaseModel, OwnWarmup])
def test_schedules_and_models_of_others(model_class):
    stepped, advanced = (model_with(ExponentialLR, model_class, gamma=0.9) for _ in range(2))
    for iteration in range(1, 24):
        stepped.update_learning_rate(iteration, 5)
    advance_schedules(advanced, 23, 5)
    assert states(advanced) == states(stepped)


def test_a_long_run_takes_no_time():
    for schedule, options in (
        (MultiStepRestartLR, {'milestones': [300_000, 400_000], 'gamma': 0.5}),
        (CosineAnnealingRestartLR, {'periods': [300_000, 400_000], 'restart_weights': [1, 0.5]}),
    ):
        model = model_with(schedule, **options)
        began = time.perf_counter()
        advance_schedules(model, 600_000, 5000)
        assert time.perf_counter() - began < 0.1  # 6 to 9 s, where each iteration is made
        assert model.schedulers[0].last_epoch == 599_999
