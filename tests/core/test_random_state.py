import random

import numpy as np
import pytest
import torch

from dlvr_plugin.core.random_state import (
    cpu_states_kept,
    mix_seeds,
    random_states_kept,
    seed_cpu,
    seed_everything,
    shared_draws,
    shared_generator,
)
from dlvr_plugin.training.data_order import DataOrder, SeededDataset


def draw():
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_seeds_differ_where_a_number_does():
    seeds = {mix_seeds(*numbers) for numbers in [(0, 0), (0, 1), (1, 0), (1, 1), (2**40, 1), (1, 2**40)]}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize('keep', [cpu_states_kept, random_states_kept])
def test_states_are_given_back(keep):
    seed_everything(3)
    expected = draw()
    seed_everything(3)

    def draw_and_fail():
        with keep():
            seed_everything(4)
            draw()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        draw_and_fail()
    assert draw() == expected


@pytest.fixture
def gpu_seeds(monkeypatch):
    """Seeds that a GPU in use is given."""
    seeds = []
    monkeypatch.setattr(torch.cuda, 'is_initialized', lambda: True)
    monkeypatch.setattr(torch.cuda, 'manual_seed_all', seeds.append)
    return seeds


def test_reading_a_sample_does_not_seed_the_gpu(gpu_seeds):
    order = DataOrder(num_samples=3, enlarge_ratio=1, batch_size=1, seed=0)
    dataset = SeededDataset([7, 8, 9], order)
    assert [dataset[0, place] for place in range(3)] == [7, 8, 9]
    seed_cpu(1)
    assert gpu_seeds == []
    seed_everything(1, 2)
    assert gpu_seeds == [mix_seeds(1, 2)]


def test_shared_draws_follow_from_their_numbers_alone():
    assert shared_generator() is None
    draws = []
    for place, numbers in enumerate([(1, 2), (1, 2), (1, 3)]):
        seed_everything(place)  # as each batch of an iteration does
        state = torch.random.get_rng_state()
        with shared_draws(*numbers):
            draws.append(torch.rand(4, generator=shared_generator()))
        assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    with pytest.raises(KeyError), shared_draws(1):
        raise KeyError
    assert shared_generator() is None
