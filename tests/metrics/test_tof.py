from pathlib import Path

import cv2
import numpy as np
import pytest

from dlvr_plugin.metrics.tof import crop_slices, flow_distance, tof

VID4 = Path(__file__).resolve().parents[3] / 'shared' / 'data' / 'vid4' / 'GT'


def constant_flow(x, y, size=(64, 80)):
    return np.tile(np.array([x, y], np.float32), (*size, 1))


def test_distance_of_known_flows():
    flow, truth = constant_flow(3, 0), constant_flow(0, 4)
    assert flow_distance(flow, truth) == pytest.approx(5)
    assert flow_distance(flow, truth, norm='absolute') == pytest.approx(7)
    assert flow_distance(flow, flow) == 0


def test_distance_is_the_mean_over_pixels():
    flow = constant_flow(0, 0)
    flow[:16] = 2  # a quarter of the frame, by (2, 2)
    assert flow_distance(flow, constant_flow(0, 0)) == pytest.approx(8**0.5 / 4)


def test_crops():
    flow = constant_flow(0, 0)
    flow[:8], flow[:, :8] = 100, 100
    assert flow_distance(flow, constant_flow(0, 0), crop='border', crop_border=8) == 0
    # What TecoGAN's script keeps: the largest multiple of 32 that leaves at least 16 pixels, in the middle.
    assert crop_slices((576, 720), 'tecogan', 0) == (slice(16, 560), slice(8, 712))
    assert crop_slices((64, 80), 'tecogan', 0) == (slice(16, 48), slice(8, 72))
    with pytest.raises(ValueError, match='40x80 pixels are too small for the crop tecogan'):
        crop_slices((40, 80), 'tecogan', 0)


def test_a_restored_clip_that_stands_still_misses_the_motion(moving):
    truth, still = moving(2, 0), moving(0, 0)
    assert tof(still[0], still[1], truth[0], truth[1], crop='border', crop_border=16) == pytest.approx(2, abs=0.1)
    assert tof(truth[0], truth[1], truth[0], truth[1]) == 0


def test_images_of_different_sizes_are_refused(moving):
    frames = moving(0, 0)
    with pytest.raises(ValueError, match='different sizes'):
        tof(frames[0], frames[1], frames[0][:-1], frames[1][:-1])


@pytest.mark.skipif(not VID4.is_dir(), reason='the clips of Vid4 are not here')
def test_it_equals_the_definition_on_real_frames():
    for clip in ('calendar', 'city'):
        truth = [cv2.imread(str(path)) for path in sorted((VID4 / clip).iterdir())[10:13]]
        restored = [cv2.GaussianBlur(frame, (0, 0), 1.5) for frame in truth]
        for t in (1, 2):
            flows = []
            for frames in (restored, truth):
                previous, current = (cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in frames[t - 1 : t + 1])
                flows.append(cv2.calcOpticalFlowFarneback(previous, current, None, 0.5, 3, 15, 3, 5, 1.2, 0))
            difference = np.absolute(flows[0] - flows[1])
            expected = np.sqrt((difference * difference).sum(axis=-1)).mean()
            assert tof(restored[t - 1], restored[t], truth[t - 1], truth[t]) == pytest.approx(expected, abs=1e-5)
