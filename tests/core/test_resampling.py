import numpy as np
import pytest
from basicsr.utils.matlab_functions import imresize

from dlvr_plugin.core.resampling import enlarge_image


@pytest.mark.parametrize('scale', [2, 3, 4])
@pytest.mark.parametrize('size', [(5, 6), (24, 31)])
def test_images_are_enlarged_as_by_the_host(scale, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    expected = np.round(np.clip(imresize(image / 255.0, scale), 0, 1) * 255)
    found = enlarge_image(image, scale)
    assert found.dtype == np.uint8
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1  # where a value lies half-way
    assert (found == expected).mean() > 0.999


def test_an_image_of_one_pixel_and_a_factor_of_one():
    pixel = np.array([[[3, 200, 77]]], np.uint8)
    assert (enlarge_image(pixel, 4) == pixel).all()
    assert enlarge_image(pixel, 1) is pixel
