import itertools
import math

import numpy as np
import pytest
from scipy import stats

from dlvr_plugin.sweep.statistics import Scores, estimate_at_equal, estimate_difference, estimate_mean


def equal_weights(values):
    values = np.asarray(values, float)
    return Scores(values, np.ones_like(values))


def test_means_and_differences_by_hand():
    # Seed 0: (25 + 27) / 2 = 26, seed 1: (24 + 29) / 2 = 26.5.
    case, reference = equal_weights([[25, 27], [24, 29]]), equal_weights([[24, 27], [24, 27]])
    assert estimate_mean(case).value == 26.25
    assert estimate_difference(case, reference).value == 0.75
    # Clips of 1 and 3 frames; seed 0: (25 + 3 x 27) / 4 = 26.5, seed 1: (24 + 3 x 29) / 4 = 27.75.
    weights = np.array([[1.0, 3], [1, 3]])
    assert estimate_mean(Scores(case.values, weights)).value == 27.125


def test_the_interval_of_a_small_design_is_that_of_all_its_draws():
    # Two seeds and two clips have 16 equally likely draws; with the middle 95 % none of their means is left out.
    values = np.array([[1.0, 2.0], [4.0, 8.0]])
    means = [
        np.mean([values[seed, clip] for seed in seeds for clip in clips])
        for seeds in itertools.product(range(2), repeat=2)
        for clips in itertools.product(range(2), repeat=2)
    ]
    assert estimate_mean(equal_weights(values)).interval == (min(means), max(means))


@pytest.mark.parametrize(('num_seeds', 'num_clips'), [(4, 6), (1, 12), (9, 1)])
def test_the_interval_is_that_of_a_plain_loop(num_seeds, num_clips):
    rng = np.random.default_rng(3)
    values = rng.normal(size=(num_seeds, 1)) + rng.normal(size=(1, num_clips))
    values = values + rng.normal(size=values.shape)
    weights = rng.integers(1, 9, (num_seeds, num_clips)).astype(float)
    means = []
    for _ in range(5000):
        seeds, clips = rng.integers(0, num_seeds, num_seeds), rng.integers(0, num_clips, num_clips)
        of_seeds = [(values[seed] * weights[seed])[clips].sum() / weights[seed][clips].sum() for seed in seeds]
        means.append(sum(of_seeds) / num_seeds)
    expected = np.quantile(means, [0.025, 0.975])
    assert estimate_mean(Scores(values, weights)).interval == pytest.approx(expected, abs=0.06 * np.ptp(expected))


def test_the_interval_of_one_seed_is_that_of_scipy_over_clips():
    values = np.random.default_rng(1).normal(30, 2, 40)
    expected = stats.bootstrap((values,), np.mean, n_resamples=9999, method='percentile', rng=2).confidence_interval
    assert estimate_mean(equal_weights(values[None])).interval == pytest.approx(expected, abs=0.06)
    assert estimate_mean(equal_weights(values[:, None])).interval == pytest.approx(expected, abs=0.06)


def test_a_difference_is_paired():
    rng = np.random.default_rng(4)
    clips = rng.normal(0, 10, (1, 8))  # some are much harder than others, for both
    reference, case = clips + rng.normal(0, 0.1, (3, 8)), clips + 1 + rng.normal(0, 0.1, (3, 8))
    low, high = estimate_difference(equal_weights(case), equal_weights(reference)).interval
    assert 0.8 < low < 1 < high < 1.2
    # It is that of the means of the differences, where all weights are the same.
    assert estimate_mean(equal_weights(case - reference)).interval == pytest.approx((low, high))
    low, high = estimate_mean(equal_weights(case)).interval
    assert high - low > 5


def test_the_same_values_give_the_same_interval():
    scores = equal_weights(np.random.default_rng(0).normal(size=(3, 5)))
    assert estimate_mean(scores) == estimate_mean(scores)


def test_of_too_few_or_infinite_values_there_is_no_interval():
    assert estimate_mean(equal_weights([[1, 2]])) == (1.5, None)
    assert estimate_mean(equal_weights([[1], [2]])) == (1.5, None)
    assert estimate_mean(equal_weights([[1, math.inf, 2]])) == (math.inf, None)
    case, reference = equal_weights([[1, math.inf, 2]]), equal_weights([[1, 1, 1]])
    assert estimate_difference(case, reference) == (math.inf, None)
    assert estimate_difference(reference, case) == (-math.inf, None)
    assert math.isnan(estimate_difference(case, case).value)


def _coverage(num_seeds, num_clips, num_trials, rng):
    """How often the interval holds the true mean 0, seeds and clips alike different."""
    hits = 0
    for _ in range(num_trials):
        values = rng.normal(size=(num_seeds, 1)) + rng.normal(size=(1, num_clips))
        low, high = estimate_mean(equal_weights(values + 0.3 * rng.normal(size=values.shape))).interval
        hits += low <= 0 <= high
    return hits / num_trials


@pytest.mark.slow
def test_the_interval_holds_the_mean_as_often_as_the_docs_say():
    rng = np.random.default_rng(6)
    # The standard error of 400 trials at 0.93 is 0.013, at 0.77 it is 0.021.
    assert _coverage(20, 20, 400, rng) > 0.88
    assert 0.68 < _coverage(2, 4, 400, rng) < 0.86


def test_a_series_is_compared_on_the_lines_between_its_members():
    # Members reach (1, 10), (3, 14) and (5, 20) on average; at 2 the line has 12, at 4.5 it has 18.5.
    members = [
        (equal_weights([[5, 5]]), equal_weights([[20, 20]])),
        (equal_weights([[0, 2]]), equal_weights([[10, 10]])),
        (equal_weights([[3, 3]]), equal_weights([[13, 15]])),
    ]

    def differ_at(level):
        return estimate_at_equal(members, (equal_weights([[level, level]]), equal_weights([[11, 11]]))).value

    assert (differ_at(2), differ_at(4.5), differ_at(1)) == (1, 7.5, -1)
    assert math.isnan(differ_at(0.9))  # what no member reaches is not told
    assert math.isnan(differ_at(5.1))
    equal = [(equal_weights([[1, 1]]), equal_weights([[value, value]])) for value in (1, 2)]
    assert math.isnan(estimate_at_equal(equal, equal[0]).value)


def test_the_interval_at_equal_values_is_that_of_a_plain_loop():
    rng = np.random.default_rng(6)
    hard = rng.normal(size=(1, 5))  # clips, for all alike
    levels = [number + hard + 0.1 * rng.normal(size=(4, 5)) for number in range(3)]
    values = [2 * level + number**2 + 0.1 * rng.normal(size=(4, 5)) for number, level in enumerate(levels)]
    reference = np.tile(1.3 + hard, (4, 1)), np.cos(hard) + rng.normal(size=(4, 5))
    members = list(zip(levels, values, strict=True))
    differences = []
    for _ in range(5000):
        seeds, clips = rng.integers(0, 4, 4), rng.integers(0, 5, 5)
        means = [[each[seeds][:, clips].mean() for each in pair] for pair in (reference, *members)]
        (wanted, own), *points = means
        differences.append(np.interp(wanted, *np.array(sorted(points)).T) - own)
    found = estimate_at_equal(
        [(equal_weights(level), equal_weights(value)) for level, value in members],
        (equal_weights(reference[0]), equal_weights(reference[1])),
    )
    expected = np.quantile(differences, [0.025, 0.975])
    assert found.interval == pytest.approx(expected, abs=0.06 * np.ptp(expected))
