import random
from collections import Counter
from itertools import pairwise

import pytest

from dlvr_plugin.data.realistic.drawing import Draw


def draw(num_frames: int = 1, change: float = 1.0, seed: int = 0) -> Draw:
    return Draw(rng=random.Random(seed), num_frames=num_frames, change=change)


def test_numbers_lie_between_their_limits_and_reach_both_halves():
    source = draw()
    numbers = [source.number((2, 5)) for _ in range(2000)]
    assert min(numbers) >= 2
    assert max(numbers) < 5
    assert sum(numbers) / 2000 == pytest.approx(3.5, abs=0.06)


def test_whole_numbers_have_both_ends_and_their_step():
    source = draw()
    counts = Counter(source.whole((7, 21), step=2) for _ in range(8000))
    assert set(counts) == {7, 9, 11, 13, 15, 17, 19, 21}
    assert min(counts.values()) > 850
    assert {source.whole((3, 3)) for _ in range(9)} == {3}


def test_kinds_come_by_their_weights():
    source = draw()
    counts = Counter(source.kind({'a': 1, 'b': 3, 'c': 0.0}) for _ in range(4000))
    assert counts['b'] / 4000 == pytest.approx(0.75, abs=0.03)
    assert not counts['c']


@pytest.mark.parametrize('change', [0.3, 1.0])
def test_a_walk_changes_slowly_between_its_limits(change):
    walk = draw(num_frames=4000, change=change).walk((0.2, 3.0), step=0.02)
    steps = [after - before for before, after in pairwise(walk)]
    assert len(walk) == 4000
    assert min(walk) >= 0.2
    assert max(walk) <= 3
    assert 0.9 * 0.02 * change < max(map(abs, steps)) <= 0.02 * change + 1e-12
    assert max(walk) - min(walk) > 0.3 * change  # it goes somewhere


def test_without_change_a_walk_stands_still():
    assert len(set(draw(num_frames=50, change=0.0).walk((1, 9), step=3))) == 1


def test_the_module_random_draws_what_a_generator_of_its_state_draws():
    random.seed(4)
    own = random.Random()
    own.setstate(random.getstate())
    results = []
    for source in (random, own):
        each = Draw(rng=source, num_frames=3, change=1.0)
        results.append((each.seed(), each.walk((0, 1), step=0.5), each.kind({'a': 1, 'b': 1}), each.chance(0.5)))
    assert results[0] == results[1]
