import itertools
import math

import choix
import numpy as np
import pytest
from scipy import stats

from dlvr_plugin.survey.preference import (
    agreement,
    answers_needed,
    binomial_p_value,
    bradley_terry,
    exact_interval,
    widest_half,
)


@pytest.mark.parametrize(('num_for', 'num_answers'), [(0, 1), (0, 30), (30, 30), (17, 30), (693, 1000)])
def test_exact_interval_is_that_of_the_beta_distribution(num_for, num_answers):
    low = stats.beta.ppf(0.025, num_for, num_answers - num_for + 1) if num_for else 0
    high = stats.beta.ppf(0.975, num_for + 1, num_answers - num_for) if num_for < num_answers else 1
    assert exact_interval(num_for, num_answers) == pytest.approx((low, high), abs=1e-9)


def test_interval_of_nothing():
    assert exact_interval(0, 0) == (0, 1)
    assert binomial_p_value(0, 0) == 1


@pytest.mark.parametrize(('num_for', 'num_answers'), [(0, 5), (7, 9), (5, 10), (22, 30)])
def test_p_value_is_the_sum_of_what_is_as_unlikely(num_for, num_answers):
    chances = [math.comb(num_answers, each) / 2**num_answers for each in range(num_answers + 1)]
    expected = sum(each for each in chances if each <= chances[num_for] * (1 + 1e-9))
    assert binomial_p_value(num_for, num_answers) == pytest.approx(expected)


@pytest.mark.parametrize('half_width', [0.3, 0.1, 0.049, 0.02])
def test_answers_needed_are_the_fewest(half_width):
    needed = answers_needed(half_width)
    assert widest_half(needed) <= half_width < widest_half(needed - 1)
    assert all(widest_half(needed + more) <= half_width for more in range(5))


def test_agreement_is_that_of_the_example_of_fleiss():
    # Ten subjects, fourteen raters, five categories: the worked example that is often printed, kappa 0.210.
    table = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    found = agreement(table)
    assert found.observed == pytest.approx(0.378, abs=5e-4)
    assert found.kappa == pytest.approx(0.210, abs=5e-4)


def test_agreement_counts_pairs_of_answers():
    table = [(3, 1), (2, 2), (1, 0), (0, 5)]  # the third has one answer only
    votes = [[0] * first + [1] * second for first, second in table if first + second > 1]
    shares = [np.mean([one == other for one, other in itertools.combinations(each, 2)]) for each in votes]
    assert agreement(table).observed == pytest.approx(np.mean(shares))
    assert agreement([(1, 0), (0, 1)]) is None
    assert agreement([(4, 0), (3, 0)]) == (1.0, None)


def test_scores_of_two_methods_are_the_logit():
    first, second = bradley_terry(np.array([[0, 70], [30, 0]]))
    assert first.score - second.score == pytest.approx(math.log(7 / 3), abs=1e-6)
    # The variance of a logit is 1 / (n p (1 - p)); half of the difference is the score.
    deviation = math.sqrt(1 / (100 * 0.7 * 0.3)) / 2
    assert first.interval.high - first.score == pytest.approx(1.959964 * deviation, rel=1e-5)


def test_scores_are_those_of_choix():
    rng = np.random.default_rng(0)
    for _ in range(5):
        wins = rng.integers(1, 40, (5, 5))
        np.fill_diagonal(wins, 0)
        scores = [each.score for each in bradley_terry(wins)]
        assert scores == pytest.approx(choix.ilsr_pairwise_dense(wins.astype(float)), abs=1e-5)


def test_intervals_of_scores_hold_the_truth():
    truth, rng = np.array([0.8, 0.1, -0.9]), np.random.default_rng(1)
    held = []
    for _ in range(300):
        wins = np.zeros((3, 3), int)
        for one, other in itertools.combinations(range(3), 2):
            share = 1 / (1 + math.exp(truth[other] - truth[one]))
            wins[one, other] = rng.binomial(80, share)
            wins[other, one] = 80 - wins[one, other]
        held += [
            each.interval.low <= true <= each.interval.high
            for each, true in zip(bradley_terry(wins), truth, strict=True)
        ]
    assert 0.92 <= np.mean(held) <= 0.98


@pytest.mark.parametrize('wins', [[[0, 5, 3], [0, 0, 2], [0, 1, 0]], [[0, 3, 0], [2, 0, 0], [0, 0, 0]]])
def test_scores_that_would_be_infinite_are_none(wins):
    assert bradley_terry(np.array(wins)) is None
