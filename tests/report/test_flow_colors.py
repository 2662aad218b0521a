import sys

import cv2
import numpy as np
import pytest

from dlvr_plugin.report.flow_colors import color_flow, draw_color_wheel


@pytest.fixture(params=['mmcv', 'fallback'], autouse=True)
def colors(request, monkeypatch):
    if request.param == 'mmcv':
        pytest.importorskip('mmcv')
    else:
        monkeypatch.setitem(sys.modules, 'mmcv', None)  # its import fails
    return request.param


def flow_of(x, y, size=(2, 3)):
    return np.broadcast_to(np.array([x, y], np.float32), (*size, 2)).copy()


def hsv_of(x, y, max_length=2.0):
    color = color_flow(flow_of(x, y), max_length)[:1, :1]
    return cv2.cvtColor(color.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)[0, 0]


def test_what_stands_still_is_white():
    assert (color_flow(flow_of(0, 0), 1.0) == 255).all()


def test_opposite_directions_have_opposite_hues():
    for x, y in ((1, 0), (0, 1), (1, 1)):
        distance = abs(hsv_of(x, y)[0] - hsv_of(-x, -y)[0])
        assert 120 <= min(distance, 360 - distance) <= 180


def test_length_gives_saturation_up_to_the_limit():
    assert hsv_of(1, 0)[1] == pytest.approx(0.5, abs=0.02)
    assert hsv_of(2, 0)[1] == pytest.approx(1, abs=0.02)
    # Longer than the limit: the same colour, whatever else the image holds.
    assert np.array_equal(color_flow(flow_of(5, 0), 2.0), color_flow(flow_of(2, 0), 2.0))


def test_a_color_does_not_depend_on_the_rest_of_the_image():
    alone, beside = flow_of(0.5, 0.2), flow_of(0.5, 0.2)
    beside[0, 0] = (-3, 1)
    assert np.array_equal(color_flow(alone, 4.0)[1:], color_flow(beside, 4.0)[1:])


def test_the_source_of_colors(colors):
    expected = hsv_of(2, 0)[0]
    if colors == 'mmcv':
        import mmcv

        reference = np.round(255 * mmcv.flow2rgb(np.array([[[1, 0]]], np.float32))).astype(int)
        assert np.abs(color_flow(flow_of(2, 0), 2.0).astype(int)[0, 0] - reference).max() <= 1
    else:
        assert expected == 0
        assert hsv_of(0, 2)[0] == pytest.approx(90, abs=0.5)


def test_the_wheel_shows_the_flow_from_its_centre():
    wheel = draw_color_wheel(41)
    assert wheel.shape == (41, 41, 3)
    assert wheel.dtype == np.uint8
    assert (wheel[0, 0] == 255).all()  # outside
    assert (wheel[20, 20] == 255).all()
    assert np.array_equal(wheel[20, 40], color_flow(flow_of(1, 0), 1.0)[0, 0])
    assert np.array_equal(wheel[40, 20], color_flow(flow_of(0, 1), 1.0)[0, 0])


def test_lengths_without_a_scale():
    with pytest.raises(ValueError, match='max_length'):
        color_flow(flow_of(1, 0), 0)
