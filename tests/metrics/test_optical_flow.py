from itertools import pairwise

import cv2
import numpy as np
import pytest

from dlvr_plugin.metrics import optical_flow
from dlvr_plugin.metrics.optical_flow import FlowTracker, farneback_flow


def opencv_flow(previous, current):
    return cv2.calcOpticalFlowFarneback(previous, current, None, 0.5, 3, 15, 3, 5, 1.2, 0)


@pytest.mark.parametrize('size', [(20, 30), (33, 64), (65, 131), (240, 352)])
def test_it_equals_that_of_opencv(size):
    rng = np.random.default_rng(0)
    previous = cv2.GaussianBlur(rng.integers(0, 256, size).astype(np.uint8), (0, 0), 2)
    turn = cv2.getRotationMatrix2D((size[1] / 2, size[0] / 2), 2, 1.01)
    current = cv2.warpAffine(previous, turn, size[::-1])  # also moves pixels out of the frame
    difference = np.abs(farneback_flow(previous, current) - opencv_flow(previous, current))
    assert difference.mean() < 1e-5
    assert difference.max() < 1e-2


def test_flow_of_a_known_motion(moving):
    previous, current = (cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in moving(2, -1, 2))
    flow = farneback_flow(previous, current)[16:-16, 16:-16]
    assert np.median(flow[..., 0]) == pytest.approx(2, abs=0.05)
    assert np.median(flow[..., 1]) == pytest.approx(-1, abs=0.05)


def test_a_tracker_gives_the_flow_of_each_two_frames_and_none_for_the_first(moving):
    greys = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in moving(1, 0)]
    tracker = FlowTracker()
    flows = [tracker.push(grey) for grey in greys]
    assert flows[0] is None
    for (previous, current), flow in zip(pairwise(greys), flows[1:], strict=True):
        np.testing.assert_array_equal(flow, farneback_flow(previous, current))


def test_where_opencv_looks_pixels_up_coarsely_its_own_flow_is_taken(moving, monkeypatch):
    monkeypatch.setattr(optical_flow, '_remap_is_exact', lambda: False)
    greys = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in moving(1, 1, 2)]
    np.testing.assert_array_equal(farneback_flow(*greys), opencv_flow(*greys))
