"""What a case of a sweep reached: means over seeds and clips, and how sure they are."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dlvr_plugin.evaluation.bootstrap import DRAWS, SEED, interval_of

MIN_VALUES = 3
"""Values, of seeds by clips, that an interval takes: that of two would be these two."""


class Scores(NamedTuple):
    """One metric of a case.

    Attributes:
        values: Means of clips (seeds, clips).
        weights: What each of them counts (seeds, clips), above 0: 1, or the number of frames where all frames count
            the same.
    """

    values: np.ndarray
    weights: np.ndarray


class Estimate(NamedTuple):
    """A mean, or a difference of two, and its 95 % interval, None where there is none.

    The difference of two infinite means is NaN, and so is one that cannot be told.
    """

    value: float
    interval: tuple[float, float] | None


def estimate_mean(scores: Scores) -> Estimate:
    """Return the mean of a case, with its interval.

    The mean is that over seeds of what an evaluation of each seed shows. For the interval, of S seeds and C clips S
    and C are drawn anew 2000 times, with replacement and independently of each other: a seed that is drawn brings all
    clips that are drawn. The mean of each draw is formed; the interval goes from the 2.5 % to the 97.5 % quantile of
    these means. So it says how sure the mean is for other seeds and for other clips of this kind. Of one seed, clips
    alone are drawn, and nothing is said of other seeds; of one clip, seeds alone, and nothing is said of other clips.
    There is no interval of fewer than ``MIN_VALUES`` values, nor where one is infinite. With few seeds and few clips
    it holds the mean less often than with 95 %.

    Source: Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1 (2007); percentile interval, seed 0.

    >>> estimate_mean(Scores(np.array([[25.0, 27.0], [24.0, 26.0]]), np.ones((2, 2))))
    Estimate(value=25.5, interval=(24.0, 27.0))
    """
    seeds, clips = _all_of(scores)
    value = float(_means(scores, seeds, clips)[0])
    if not _has_interval(scores):
        return Estimate(value, None)
    return Estimate(value, _bounds(_means(scores, *_draw(scores))))


def estimate_difference(scores: Scores, reference: Scores) -> Estimate:
    """Return the mean of a case less that of a reference, with its interval.

    Both are of the same seeds and clips, in the same order. A draw, as ``estimate_mean`` makes it, takes the same seeds
    and clips of both: what they have in common, such as a clip that is hard for every case, is in no difference.

    >>> easy_and_hard = np.array([[25.0, 20.0], [25.5, 20.5]])
    >>> estimate_difference(Scores(easy_and_hard + 1, np.ones((2, 2))), Scores(easy_and_hard, np.ones((2, 2))))
    Estimate(value=1.0, interval=(1.0, 1.0))
    """
    assert scores.values.shape == reference.values.shape
    everything = _all_of(scores)
    with np.errstate(invalid='ignore'):  # two infinite means have no difference
        value = float((_means(scores, *everything) - _means(reference, *everything))[0])
    if not (_has_interval(scores) and _has_interval(reference)):
        return Estimate(value, None)
    drawn = _draw(scores)
    return Estimate(value, _bounds(_means(scores, *drawn) - _means(reference, *drawn)))


def estimate_at_equal(members: Sequence[tuple[Scores, Scores]], reference: tuple[Scores, Scores]) -> Estimate:
    """Return by how much a series of cases differs from a reference in one metric, where it equals it in another one.

    What a series reaches between two of its members, in the order of the metric that is equal, lies on the straight
    line between them. A draw, as ``estimate_mean`` makes it, takes the same seeds and clips of all; draws in which the
    reference lies beyond the ends of the series take the lines that end there.

    Args:
        members: Of each member of the series, two or more, the metric that is equal and the one that is compared.
        reference: The same of the reference, over the same seeds and clips.

    Returns:
        The difference of the series less the reference; NaN, without interval, where the series does not reach the
        reference.
    """

    def differ(seeds: np.ndarray, clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        equal, compared = (np.stack([_means(each[of], seeds, clips) for each in members]) for of in (0, 1))
        order = equal.argsort(axis=0)
        equal, compared = (np.take_along_axis(each, order, axis=0) for each in (equal, compared))
        wanted, own = (_means(each, seeds, clips) for each in reference)
        start = np.clip((equal < wanted).sum(axis=0) - 1, 0, len(members) - 2)[None]
        (left,), (right,) = (np.take_along_axis(equal, index, axis=0) for index in (start, start + 1))
        (low,), (high,) = (np.take_along_axis(compared, index, axis=0) for index in (start, start + 1))
        with np.errstate(divide='ignore', invalid='ignore'):
            found = low + (wanted - left) / (right - left) * (high - low)
        return found - own, (equal[0] <= wanted) & (wanted <= equal[-1])

    scores = [each for pair in (*members, reference) for each in pair]
    (value,), (is_reached,) = differ(*_all_of(scores[0]))
    if not (is_reached and np.isfinite(value)):
        return Estimate(math.nan, None)
    differences, _ = differ(*_draw(scores[0]))
    has_interval = all(map(_has_interval, scores)) and bool(np.isfinite(differences).all())
    return Estimate(float(value), _bounds(differences) if has_interval else None)


def _has_interval(scores: Scores) -> bool:
    return scores.values.size >= MIN_VALUES and bool(np.isfinite(scores.values).all())


def _all_of(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    """Return the draw that takes each seed and each clip once."""
    num_seeds, num_clips = scores.values.shape
    return np.ones((1, num_seeds)), np.ones((1, num_clips))


def _draw(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    """Return how often each seed (draws, seeds) and each clip (draws, clips) is drawn."""
    rng = np.random.default_rng(SEED)
    seeds, clips = (rng.multinomial(size, np.full(size, 1 / size), DRAWS) for size in scores.values.shape)
    return seeds, clips


def _means(scores: Scores, seeds: np.ndarray, clips: np.ndarray) -> np.ndarray:
    """Return the means (draws) over seeds (draws, seeds) of the weighted means over clips (draws, clips)."""
    of_seeds = clips @ (scores.values * scores.weights).T / (clips @ scores.weights.T)  # (draws, seeds)
    return (of_seeds * seeds).sum(axis=1) / seeds.sum(axis=1)


def _bounds(means: np.ndarray) -> tuple[float, float]:
    low, high = interval_of(means)
    return low, high
