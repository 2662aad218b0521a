import cv2
import numpy as np
import pytest

from dlvr_plugin.metrics import grid
from dlvr_plugin.metrics.spec import NoValueError


def picture(height=200, width=232):
    """Smooth noise, whose spectrum has no lines."""
    noise = np.random.default_rng(0).standard_normal((height, width)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return 128 + 40 * noise / noise.std()


def as_image(grey):
    return np.repeat(np.clip(grey.round(), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def energy(grey):
    """Of the differences between neighbouring pixels, where these wrap around, as those of a pattern do."""
    return sum(np.square(grey - np.roll(grey, 1, axis)).mean() for axis in (0, 1))


def pattern(name):
    rows, columns = np.mgrid[:200, :232]
    if name == 'stripes of 4':
        return np.cos(2 * np.pi * columns / 4)
    if name == 'rows of 16':
        return (rows % 16 == 3) * 4.0
    if name == 'checkerboard':
        return (-1.0) ** (rows + columns)
    return np.random.default_rng(1).standard_normal((16, 16))[rows % 16, columns % 16]


@pytest.mark.parametrize('name', ['stripes of 4', 'rows of 16', 'checkerboard', 'any pattern of 16'])
@pytest.mark.parametrize('strength', [2, 5])
def test_a_known_grid_has_the_share_that_it_has(name, strength):
    truth, added = picture(), strength * pattern(name)
    share = 100 * energy(added) / (energy(truth) + energy(added))
    assert grid(as_image(truth + added), as_image(truth)) == pytest.approx(share, rel=0.2, abs=0.3)


def test_what_is_no_grid_has_none():
    truth, other = picture(), np.random.default_rng(2).standard_normal((200, 232))
    columns = np.arange(232)
    assert grid(as_image(truth), as_image(truth)) == 0
    for added in (5 * other, 5 * cv2.GaussianBlur(other, (0, 0), 1), 5 * np.cos(2 * np.pi * columns / 6.4)[None]):
        assert abs(grid(as_image(truth + added), as_image(truth))) < 1.5
    assert abs(grid(as_image(cv2.GaussianBlur(truth, (0, 0), 2)), as_image(truth))) < 1.5
    assert grid(as_image(truth), as_image(truth + 5 * pattern('stripes of 4'))) < -2  # the truth has a grid
    assert grid(as_image(np.full((80, 80), 9.0)), as_image(np.full((80, 80), 7.0))) == 0


def test_the_place_of_the_grid_does_not_matter():
    truth, added = picture(), 3 * pattern('any pattern of 16')
    values = [grid(as_image(truth + np.roll(added, shift, (0, 1))), as_image(truth)) for shift in (0, 3, 11)]
    assert max(values) - min(values) < 0.1 * max(values)


def test_frames_without_a_window_have_no_value():
    image = as_image(picture(79, 200))
    with pytest.raises(NoValueError, match='without its border of 8 the frame is 63x184'):
        grid(image, image)
