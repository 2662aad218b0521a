import math

import numpy as np
import pytest
from basicsr.metrics import calculate_psnr
from basicsr.utils.matlab_functions import imresize

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.data.degradations import Degradation, degrade_images
from dlvr_plugin.metrics import consistency


def shrunk(image, scale):
    small = imresize(image.astype(np.float64) / 255, 1 / scale)
    return np.round(np.clip(small, 0, 1) * 255).astype(np.uint8)


@pytest.mark.parametrize('scale', [2, 3, 4])
def test_it_is_the_psnr_of_the_host_after_the_host_s_imresize(texture, scale):
    truth = np.ascontiguousarray(texture[:144, :168])
    lq = shrunk(np.roll(truth, 1, axis=1), scale)
    noisy = np.clip(truth + np.random.default_rng(0).normal(0, 20, truth.shape), 0, 255).astype(np.uint8)
    # Ties that are rounded to the other side move it by less than this.
    assert consistency(noisy, lq) == pytest.approx(calculate_psnr(shrunk(noisy, scale), lq, 0), abs=0.01)


def test_the_truth_of_a_bicubic_frame_is_wholly_consistent(texture):
    lq = degrade_images([texture], Degradation(type='BI', scale=4))
    assert consistency(texture, lq) == math.inf
    lq[3, 5, 1] += 1  # one value of 36x44x3
    assert consistency(texture, lq) == pytest.approx(10 * math.log10(255**2 * lq.size))


def test_sizes_that_are_equal_are_compared_as_they_are(texture):
    other = np.roll(texture, 2, axis=0)
    assert consistency(texture, other) == pytest.approx(calculate_psnr(texture, other, 0), abs=1e-4)


@pytest.mark.parametrize('size', [(36, 43), (72, 44), (145, 177), (100, 44)])
def test_sizes_without_a_whole_factor(texture, size):
    with pytest.raises(InvalidValueError, match='no whole multiple of the low-quality one'):
        consistency(texture, np.zeros((*size, 3), np.uint8))
