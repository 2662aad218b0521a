import cv2
import numpy as np
import pytest
from basicsr.metrics import calculate_metric
from scipy.ndimage import correlate

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.metrics import sharpness
from dlvr_plugin.metrics.spec import NoValueError

SOBEL = np.outer([1, 2, 1], [-1, 0, 1])


def written_out(image, border):
    grey = np.round(image.astype(np.float64) @ (0.114, 0.587, 0.299))
    energy = sum(correlate(grey, kernel.astype(np.float64)) ** 2 for kernel in (SOBEL, SOBEL.T))
    return energy[border:-border, border:-border].mean()


@pytest.mark.parametrize('border', [1, 8])
def test_it_is_the_tenengrad_written_out(texture, border):
    # OpenCV's grey has 14 bits of its weights: single values differ by one level.
    assert sharpness(texture, crop_border=border) == pytest.approx(written_out(texture, border), rel=1e-3)


def test_a_ramp_and_an_edge_by_hand():
    ramp = np.broadcast_to(3 * np.arange(40, dtype=np.uint8)[:, None], (30, 40, 3)).copy()
    assert sharpness(ramp) == 64 * 3**2
    edge = np.zeros((30, 40, 3), np.uint8)
    edge[:, 20:] = 100  # two columns of 24 see it, with 4 * 100 each
    assert sharpness(edge) == pytest.approx(400**2 * 2 / 24)


def test_blur_lowers_it_and_noise_raises_it(texture):
    noise = np.random.default_rng(0).normal(0, 5, texture.shape)
    noisy = np.clip(texture + noise, 0, 255).astype(np.uint8)
    assert sharpness(cv2.GaussianBlur(texture, (0, 0), 2)) < sharpness(texture) < sharpness(noisy)


def test_the_border_does_not_count(texture):
    framed = texture.copy()
    framed[:7] = framed[-7:] = framed[:, :7] = framed[:, -7:] = 0
    assert sharpness(framed) == sharpness(texture)  # of 8 pixels
    assert sharpness(framed, crop_border=7) != sharpness(texture, crop_border=7)  # whose neighbours it is
    assert sharpness(texture, crop_border=0) == sharpness(texture, crop_border=1)


def test_images_that_do_not_do():
    with pytest.raises(NoValueError, match=r'more of a frame than its border of 8, got \(16, 40\)'):
        sharpness(np.zeros((16, 40, 3), np.uint8))
    with pytest.raises(InvalidValueError, match='uint8'):
        sharpness(np.zeros((40, 40), np.uint8))


def test_the_framework_s_own_loop_hands_the_truth_on_in_vain(texture):
    images = {'img': texture, 'img2': np.zeros_like(texture)}
    assert calculate_metric(images, {'type': 'calculate_sharpness', 'better': 'higher'}) == sharpness(texture)
