import numpy as np
import pytest
from scipy import stats

from dlvr_plugin.evaluation import bootstrap
from dlvr_plugin.evaluation.bootstrap import bootstrap_intervals, mean_over_clips


def test_means():
    values = [[1.0, 2.0, 3.0], [10.0]]
    assert mean_over_clips(values, 'clip') == 6  # (2 + 10) / 2
    assert mean_over_clips(values, 'frame') == 4  # 16 / 4


def test_interval_over_frames_is_that_of_scipy():
    values = np.random.default_rng(1).normal(30, 2, 50)
    expected = stats.bootstrap((values,), np.mean, n_resamples=2000, method='percentile', rng=2).confidence_interval
    low, high = bootstrap_intervals([values], 'frame')['frames']
    assert low == pytest.approx(expected.low, abs=0.05)
    assert high == pytest.approx(expected.high, abs=0.05)


def test_interval_over_clips_takes_three_of_them():
    # That of two would go from one to the other, whatever they are.
    assert bootstrap_intervals([[1.0, 1.0], [3.0, 3.0]], 'clip') == {'frames': [2.0, 2.0], 'clips': None}
    # Of three, one draw of 27 takes the same clip three times: more than the tail that the interval leaves out.
    found = bootstrap_intervals([[1.0, 1.0], [3.0, 3.0], [8.0, 8.0]], 'clip')
    assert found == {'frames': [4.0, 4.0], 'clips': [1.0, 8.0]}


def test_without_anything_to_draw_there_is_no_interval():
    assert bootstrap_intervals([[1.0]], 'clip') == {'frames': None, 'clips': None}
    assert bootstrap_intervals([[1.0, float('inf')], [1.0, 2.0]], 'clip') == {'frames': None, 'clips': None}


def test_frames_are_drawn_in_blocks_of_a_bounded_size_and_with_the_same_numbers(monkeypatch):
    clips = [np.random.default_rng(clip).random(length) for clip, length in enumerate((700, 1, 3000, 12))]
    monkeypatch.setattr(bootstrap, '_BLOCK', 2**30)  # all at once
    expected = bootstrap.bootstrap_intervals(clips, 'clip')
    sizes = []
    original = bootstrap._draw_means

    def draw(frames, rng):
        for means in original(frames, rng):
            sizes.append(len(means) * len(frames))
            yield means

    monkeypatch.setattr(bootstrap, '_draw_means', draw)
    monkeypatch.setattr(bootstrap, '_BLOCK', 10_000)
    assert bootstrap.bootstrap_intervals(clips, 'clip') == expected
    assert max(sizes) <= 10_000
    assert sum(sizes) == 2000 * sum(map(len, clips))
