"""The order of samples and their augmentation follow from seed, epoch and place alone."""

import random
from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from dlvr_plugin.core.random_state import seed_everything
from dlvr_plugin.training.data_order import DataOrder, ResumableSampler, SeededDataset


class Draws(Dataset):
    """Samples of nothing but random numbers, of all three generators."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return {'index': index, 'draws': torch.tensor([random.random(), np.random.rand(), torch.rand(()).item()])}


def order_of(**changes):
    options = {'num_samples': 10, 'enlarge_ratio': 3, 'batch_size': 4, 'seed': 5}
    return DataOrder(**{**options, **changes})


def load(order, start=0, stop=12, workers=0):
    sampler = ResumableSampler(order, start, stop)
    loader = DataLoader(
        SeededDataset(Draws(), order), batch_size=order.samples_per_iter, sampler=sampler, num_workers=workers
    )
    return [(batch['index'].tolist(), batch['draws']) for batch in loader]


def assert_same(one, other):
    assert [indices for indices, _ in one] == [indices for indices, _ in other]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(one, other, strict=True))


@pytest.mark.parametrize('start', [0, 1, 6, 7, 8, 12])
@pytest.mark.parametrize('workers', [0, 2])
def test_resumed_order_is_the_rest_of_the_whole(start, workers):
    """An epoch has 7 iterations of 4 samples."""
    whole = load(order_of())
    random.seed(start), np.random.seed(start), torch.manual_seed(start)  # the history of the process
    assert_same(whole[start:], load(order_of(), start, workers=workers))


def test_epochs_draw_each_sample_equally_often():
    order = order_of(batch_size=5)
    counts = Counter(int(place) % 10 for place in order.places(0))
    assert order.iters_per_epoch == 6
    assert set(counts.values()) == {3}
    assert list(order.places(0)) != list(order.places(1))


def test_a_sample_drawn_again_is_augmented_otherwise():
    draws = [tuple(draw.tolist()) for indices, batch in load(order_of(), stop=20) for draw in batch]
    assert len(set(draws)) == len(draws) == 80


def test_processes_share_an_epoch():
    orders = [order_of(batch_size=2, rank=rank, world_size=2) for rank in (0, 1)]
    places = [set(map(int, order.places(0))) for order in orders]
    assert not places[0] & places[1]
    assert len(places[0]) == len(places[1]) == 14


@pytest.mark.parametrize(('world_size', 'accum_iter'), [(1, 1), (2, 1), (4, 1), (1, 4), (2, 2), (8, 1)])
def test_an_iteration_has_the_same_samples_in_the_same_order_however_it_is_divided(world_size, accum_iter):
    """30 samples, cut into iterations of 8; batches go around the processes."""
    whole = order_of(batch_size=8).places(1).tolist()
    size = 8 // world_size // accum_iter
    orders = [
        order_of(batch_size=size, accum_iter=accum_iter, world_size=world_size, rank=rank) for rank in range(world_size)
    ]
    shares = [iter(order.places(1).tolist()) for order in orders]
    taken = [next(share) for _ in range(3 * accum_iter) for share in shares for _ in range(size)]
    assert taken == whole
    assert len(whole) == 24
    assert {order.iters_per_epoch for order in orders} == {3}
    batches = [order.batch_in_iteration(index) for index in range(accum_iter) for order in orders]
    assert batches == list(range(world_size * accum_iter))


@pytest.mark.parametrize('change', [{'seed': 6}, {'variant': 1}])
def test_seed_and_variant_change_order_and_augmentation(change):
    one, other = load(order_of()), load(order_of(**change))
    assert [indices for indices, _ in one] != [indices for indices, _ in other]
    assert not torch.equal(one[0][1], other[0][1])


def test_random_states_are_left_as_they_were():
    order = order_of()
    seed_everything(1, 2)
    expected = random.random(), np.random.rand(), torch.rand(())
    seed_everything(1, 2)
    SeededDataset(Draws(), order)[0, 3]
    assert (random.random(), np.random.rand(), torch.rand(())) == expected
    seed_everything(1, 3)
    assert random.random() != expected[0]


def test_too_few_samples():
    with pytest.raises(ValueError, match='has 30 samples an epoch, but an iteration takes 31'):
        order_of(batch_size=31)
