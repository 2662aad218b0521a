"""Statistics of preferences, as pure functions of counts."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats
from scipy.sparse.csgraph import connected_components

LEVEL = 0.95
"""Of all intervals."""


class Interval(NamedTuple):
    """Bounds."""

    low: float
    high: float


def exact_interval(num_for: int, num_answers: int, level: float = LEVEL) -> Interval:
    """Return the interval of a share that was observed as ``num_for`` of ``num_answers``; (0, 1) of none.

    It holds the true share with at least the level, whatever the share and the number.

    Source: Clopper and Pearson, The use of confidence or fiducial limits illustrated in the case of the binomial, 1934.

    >>> [round(bound, 4) for bound in exact_interval(0, 10)]
    [0.0, 0.3085]
    """
    if num_answers == 0:
        return Interval(0.0, 1.0)
    found = stats.binomtest(num_for, num_answers).proportion_ci(confidence_level=level, method='exact')
    return Interval(float(found.low), float(found.high))


def binomial_p_value(num_for: int, num_answers: int) -> float:
    """Return the two-sided p-value of there being no preference: how often chance gives what is as unlikely, or more.

    >>> binomial_p_value(8, 10)
    0.109375
    """
    return float(stats.binomtest(num_for, num_answers).pvalue) if num_answers else 1.0


def answers_needed(half_width: float, level: float = LEVEL) -> int:
    """Return the fewest answers whose exact interval reaches at most ``half_width`` to either side.

    That holds for a share of a half, where an interval is the widest.

    >>> answers_needed(0.1)
    104
    """
    low, high = 1, 2
    while _widest(high, level) > half_width:
        low, high = high, 2 * high
    while low < high:  # the width falls with the number, but for steps between odd and even ones
        middle = (low + high) // 2
        low, high = (low, middle) if _widest(middle, level) <= half_width else (middle + 1, high)
    return low


def widest_half(num_answers: int, level: float = LEVEL) -> float:
    """Return how far the exact interval of a share of a half reaches to either side, for so many answers."""
    return _widest(num_answers, level)


def _widest(num_answers: int, level: float) -> float:
    bounds = exact_interval(num_answers // 2, num_answers, level)
    return (bounds.high - bounds.low) / 2


class Agreement(NamedTuple):
    """How far participants agree.

    Attributes:
        observed: Share of the pairs of answers to one question that are the same.
        kappa: Fleiss' kappa: 0 where they agree as often as by chance, 1 where always; None where it is undefined.
    """

    observed: float
    kappa: float | None


def agreement(counts: Sequence[Sequence[int]]) -> Agreement | None:
    """Return the agreement of participants.

    Args:
        counts: For each question, how many chose each of the answers; questions with less than two are left out.

    Returns:
        None where no question has two answers.

    Source: Fleiss, Measuring nominal scale agreement among many raters, 1971; questions of different numbers of
    answers count alike.
    """
    table = np.array([row for row in counts if sum(row) >= 2], float)
    if not len(table):
        return None
    totals = table.sum(1)
    observed = float(((table**2).sum(1) - totals).dot(1 / (totals * (totals - 1))) / len(table))
    by_chance = float(((table.sum(0) / table.sum()) ** 2).sum())
    kappa = None if math.isclose(by_chance, 1) else (observed - by_chance) / (1 - by_chance)
    return Agreement(observed, kappa)


class Score(NamedTuple):
    """Bradley-Terry score of a method, natural logarithm, mean 0 over all; with its interval."""

    score: float
    interval: Interval


def bradley_terry(wins: np.ndarray) -> list[Score] | None:
    """Return the scores of methods that were compared in pairs.

    Args:
        wins: (M, M), how often method i was preferred to method j.

    Returns:
        None where the answers do not determine the scores: somebody never won, or never lost, against all others.

    Source: Bradley and Terry, Rank analysis of incomplete block designs, 1952; intervals from the observed
    information, as is usual for the maximum of a likelihood.
    """
    num_strong, _ = connected_components(wins > 0, directed=True, connection='strong')
    if num_strong > 1:
        return None
    scores = _most_likely(wins)
    share = 1 / (1 + np.exp(scores[None] - scores[:, None]))
    weight = (wins + wins.T) * share * share.T
    information = np.diag(weight.sum(1)) - weight
    # The scores are known up to a constant; the pseudo-inverse is the covariance of those whose mean is 0.
    deviation = np.sqrt(np.diag(np.linalg.pinv(information)))
    reach = float(stats.norm.ppf((1 + LEVEL) / 2)) * deviation
    return [
        Score(float(score), Interval(float(score - each), float(score + each)))
        for score, each in zip(scores, reach, strict=True)
    ]


def _most_likely(wins: np.ndarray) -> np.ndarray:
    """Return the scores (M,), mean 0, of the greatest likelihood."""

    def loss(scores: np.ndarray) -> tuple[float, np.ndarray]:
        difference = scores[:, None] - scores[None]
        # log(1 + exp(-d)) without overflow; its derivative is minus the share that is not explained
        unexplained = wins / (1 + np.exp(difference))
        return float((wins * np.logaddexp(0, -difference)).sum()), unexplained.sum(0) - unexplained.sum(1)

    found = optimize.minimize(loss, np.zeros(len(wins)), jac=True, method='BFGS', options={'gtol': 1e-8 * wins.sum()})
    return found.x - found.x.mean()
