"""Bootstrap intervals of means over frames and clips."""

from collections.abc import Iterator, Sequence

import numpy as np

from dlvr_plugin.core.choices import Average
from dlvr_plugin.evaluation.evaluation_file import Interval

MIN_CLIPS = 3
"""Clips that an interval over clips takes: that of two would be their values."""

DRAWS, SEED = 2000, 0

_LEVEL = 0.95
_BLOCK = 2**17  # frames drawn at a time: all draws of a long clip would neither fit the cache nor, some day, the memory


def mean_over_clips(values: Sequence[Sequence[float]], average: Average) -> float:
    """Return the mean of frames (by clip) as the protocol averages: over clips of their means, or over all frames."""
    if average == 'frame':
        return float(np.mean(np.concatenate([np.asarray(clip) for clip in values])))
    return float(np.mean([np.mean(clip) for clip in values]))


def bootstrap_intervals(values: Sequence[Sequence[float]], average: Average) -> Interval:
    """Return intervals that hold the mean with 95 % by the percentile bootstrap.

    Args:
        values: Values of the frames of each clip.
        average: How the mean is formed.

    Returns:
        'frames': frames of each clip are drawn anew, clips stay; how sure the mean is for these clips. Neighbouring
        frames are alike, which makes it narrower than it should be. 'clips': clips are drawn anew; how sure it is for
        clips of this kind. None where there is only one frame to draw, for less than ``MIN_CLIPS`` clips, or where a
        value is infinite.

    Source: Efron, Bootstrap methods: another look at the jackknife; 2000 draws, seed 0.
    """
    clips = [np.asarray(clip, np.float64) for clip in values]
    if not all(np.isfinite(clip).all() for clip in clips):
        return {'frames': None, 'clips': None}
    rng = np.random.default_rng(SEED)
    weights = np.array([len(clip) if average == 'frame' else 1 for clip in clips], np.float64)
    frames = clips_interval = None
    if any(len(clip) > 1 for clip in clips):
        # (clips, draws): the mean of each clip's drawn frames
        means = np.stack([np.concatenate(list(_draw_means(clip, rng))) for clip in clips])
        frames = interval_of(weights @ means / weights.sum())
    if len(clips) >= MIN_CLIPS:
        drawn = rng.integers(0, len(clips), (DRAWS, len(clips)))
        clip_means = np.array([clip.mean() for clip in clips])
        clips_interval = interval_of((clip_means * weights)[drawn].sum(axis=1) / weights[drawn].sum(axis=1))
    return {'frames': frames, 'clips': clips_interval}


def _draw_means(frames: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the means of all draws in blocks; the generator gives the same numbers as for all of them at once."""
    at_once = max(_BLOCK // len(frames), 1)
    for start in range(0, DRAWS, at_once):
        num_draws = min(at_once, DRAWS - start)
        yield frames[rng.integers(0, len(frames), (num_draws, len(frames)))].mean(axis=1)


def interval_of(means: np.ndarray) -> list[float]:
    """Return what holds the middle 95 % of the means of all draws."""
    tail = (1 - _LEVEL) / 2
    return [float(bound) for bound in np.quantile(means, (tail, 1 - tail))]
