import cv2
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.metrics import warping_error
from dlvr_plugin.metrics.spec import NoValueError
from dlvr_plugin.metrics.warping_error import error_along, visible_pixels
from tests.helpers import REPOSITORY

VID4 = REPOSITORY.parent / 'shared' / 'data' / 'vid4' / 'GT'


def constant_flow(x, y, size=(96, 128)):
    return np.broadcast_to(np.array([x, y], np.float32), (*size, 2)).copy()


def reference(previous, current, before, after, *, ruder=False):
    """The definition, written out over scipy's interpolation, with the flow of OpenCV itself."""
    estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(each, cv2.COLOR_BGR2GRAY) for each in (before, after)]
    forward, backward = (estimator.calc(*pair, None).astype(np.float64) for pair in (grey, grey[::-1]))
    height, width = grey[0].shape
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    places = np.stack((rows + forward[..., 1], columns + forward[..., 0]))
    back = np.stack([map_coordinates(backward[..., axis], places, order=1, mode='nearest') for axis in (0, 1)], -1)
    lengths = (forward**2).sum(-1) + (back**2).sum(-1)
    visible = ((forward + back) ** 2).sum(-1) <= 0.01 * lengths + 0.5
    visible &= (places >= 0).all(0) & (places[0] <= height - 1) & (places[1] <= width - 1)
    if ruder:
        gradient = np.zeros((height, width))
        gradient[:-1] += ((forward[1:] - forward[:-1]) ** 2).sum(-1)
        gradient[:, :-1] += ((forward[:, 1:] - forward[:, :-1]) ** 2).sum(-1)
        visible &= gradient <= 0.01 * (forward**2).sum(-1) + 0.002
    errors = []
    for channel in range(3):
        warped = map_coordinates(current[..., channel].astype(np.float64), places, order=1, mode='nearest')
        errors.append(((warped - previous[..., channel]) / 255)[visible] ** 2)
    assert 0.3 < visible.mean() < 1
    return 1000 * np.mean(errors)


@pytest.mark.parametrize(('dx', 'dy'), [(3, 1), (-2, 4), (0, 0)])
def test_it_is_0_where_a_clip_moves_by_whole_pixels(moving, dx, dy):
    previous, current = moving(dx, dy, 2)
    visible = visible_pixels(constant_flow(dx, dy), constant_flow(-dx, -dy))
    assert visible.sum() == (96 - abs(dy)) * (128 - abs(dx))  # what leaves the frame does not count
    assert error_along(previous, current, constant_flow(dx, dy), visible) == pytest.approx(0, abs=1e-15)
    if dx:
        assert error_along(previous, current, constant_flow(0, 0), visible) > 1


@pytest.mark.parametrize('frames', ['gt', 'result'])
def test_with_the_flow_of_dis_it_is_nearly_0_away_from_the_border(moving, frames):
    previous, current = moving(3, 1, 2)
    found = warping_error(previous, current, previous, current, frames=frames, crop='border', crop_border=16)
    assert 0 <= found < 0.05
    assert np.square(current / 255.0 - previous / 255.0).mean() * 1000 > 100 * found


def test_the_scale_is_a_thousandth_of_squared_parts_of_255():
    previous, current = np.full((20, 30, 3), 100, np.uint8), np.full((20, 30, 3), 151, np.uint8)
    everything = np.ones((20, 30), bool)
    assert error_along(previous, current, constant_flow(0, 0, (20, 30)), everything) == pytest.approx(40)
    previous[:, :15] = 151
    everything[:5, :15] = False  # 225 of 525 pixels that count are equal
    found = error_along(previous, current, constant_flow(0, 0, (20, 30)), everything)
    assert found == pytest.approx(40 * 300 / 525)
    cropped = error_along(previous, current, constant_flow(0, 0, (20, 30)), everything, crop='border', crop_border=6)
    assert cropped == pytest.approx(40 * 9 / 18)


def test_what_an_object_covers_does_not_count():
    """A square of 8x8 pixels moves by 5 to the right over a background that stands still."""
    forward, backward = np.zeros((2, 20, 32, 2), np.float32)
    forward[6:14, 4:12, 0], backward[6:14, 9:17, 0] = 5, -5
    expected = np.ones((20, 32), bool)
    expected[6:14, 12:17] = False  # background that it covers; what it uncovers is not in the frame before
    np.testing.assert_array_equal(visible_pixels(forward, backward), expected)


@pytest.mark.parametrize(('apart', 'is_visible'), [(0.71, True), (0.72, False)])  # 0.5041 <= 0.5108 < 0.5184
def test_the_threshold_of_the_way_there_and_back(apart, is_visible):
    visible = visible_pixels(constant_flow(1, 0), constant_flow(apart - 1, 0))
    assert visible[:, :-1].all() == visible.any() == is_visible


def test_ruder_s_mask_leaves_out_boundaries_of_motion():
    forward = constant_flow(0, 0)
    forward[:, 64:, 1] = 0.1  # the squared step, 0.01, exceeds 0.002
    found = visible_pixels(forward, -forward, mask='ruder')
    assert not found[:, 63].any()
    assert found[:-1, :63].all()
    assert found[:-1, 64:].all()
    forward[:, 64:, 1] = 0.04
    assert visible_pixels(forward, -forward, mask='ruder')[:-1].all()


@pytest.mark.parametrize('ruder', [False, True])
def test_it_is_the_definition_written_out(moving, ruder):
    before, after = moving(3, 2, 2)
    after[30:60, 40:80] = moving(-4, 1, 2)[1][30:60, 40:80]  # something of another motion
    previous, current = (cv2.GaussianBlur(each, (0, 0), 1) for each in (before, after))
    expected = reference(previous, current, before, after, ruder=ruder)
    found = warping_error(previous, current, before, after, mask='ruder' if ruder else 'consistency')
    assert found == pytest.approx(expected, rel=1e-6)
    of_result = reference(previous, current, previous, current)
    assert warping_error(previous, current, frames='result') == pytest.approx(of_result, rel=1e-6)


@pytest.mark.skipif(not VID4.is_dir(), reason='the clips of Vid4, ../shared/data/vid4, are not here')
@pytest.mark.parametrize('clip', ['calendar', 'city'])
def test_it_is_the_definition_on_real_frames(clip):
    before, after = (cv2.imread(str(path)) for path in sorted((VID4 / clip).iterdir())[5:7])
    noise = np.random.default_rng(0).normal(0, 8, (2, *before.shape))
    previous, current = np.clip(np.stack((before, after)) + noise, 0, 255).astype(np.uint8)
    found = warping_error(previous, current, before, after)
    assert found == pytest.approx(reference(previous, current, before, after), rel=1e-6)
    assert found > warping_error(before, after, before, after) > 0


def test_where_nothing_is_visible_there_is_no_value(moving):
    previous, current = moving(0, 0, 2)
    visible = visible_pixels(constant_flow(200, 0), constant_flow(-200, 0))
    assert not visible.any()
    with pytest.raises(NoValueError, match='no pixel of the frame before is visible'):
        error_along(previous, current, constant_flow(200, 0), visible)


def test_frames_that_do_not_do_are_refused(moving):
    previous, current = moving(1, 0, 2)
    with pytest.raises(InvalidValueError, match="needs its frames. Or take frames='result'") as caught:
        warping_error(previous, current)
    assert not isinstance(caught.value, NoValueError)  # which a protocol might leave out
    with pytest.raises(InvalidValueError, match='different sizes'):
        warping_error(previous, current, previous[:50], current[:50])
    small = np.zeros((15, 40, 3), np.uint8)
    with pytest.raises(InvalidValueError, match=r'DIS needs at least 16x16 pixels, got \(15, 40\)'):
        warping_error(small, small, frames='result')
