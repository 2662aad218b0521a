import cv2
import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_psnr, calculate_ssim

from dlvr_plugin.metrics.psnr_ssim import psnr, psnr_of_batch, ssim, ssim_of_batch


def pairs():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (70, 91, 3)).astype(np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    bright = np.full_like(noise, 250)
    striped = bright.copy()
    striped[::2] += 1
    return {
        'noise': (noise, rng.integers(0, 256, noise.shape).astype(np.uint8)),
        'smooth': (smooth, cv2.GaussianBlur(smooth, (0, 0), 1)),
        'flat and bright': (bright, striped),
        'black and white': (np.zeros_like(noise), np.full_like(noise, 255)),
    }


def to_batch(image):
    return torch.from_numpy(image).permute(2, 0, 1).unsqueeze(0)


@pytest.mark.parametrize('name', list(pairs()))
@pytest.mark.parametrize('crop_border', [0, 8])
@pytest.mark.parametrize('color_space', ['rgb', 'y'])
def test_arrays_and_tensors_agree_with_the_host(name, crop_border, color_space):
    img, img2 = pairs()[name]
    options = {'crop_border': crop_border, 'color_space': color_space}
    for ours, of_batch, host in (
        (psnr, psnr_of_batch, calculate_psnr),
        (ssim, ssim_of_batch, calculate_ssim),
    ):
        expected = host(img, img2, crop_border=crop_border, test_y_channel=color_space == 'y')
        assert ours(img, img2, **options) == pytest.approx(expected, abs=1e-4)
        assert of_batch(to_batch(img), to_batch(img2), **options).item() == pytest.approx(expected, abs=1e-4)


def test_psnr_of_a_known_error():
    img = np.full((20, 20, 3), 100, np.uint8)
    # An error of 5 everywhere: 20 log10(255 / 5) dB.
    assert psnr(img, img + np.uint8(5), crop_border=0) == pytest.approx(34.1514, abs=1e-4)


def test_equal_images_are_the_best_there_is():
    img, _ = pairs()['noise']
    assert psnr(img, img) == float('inf')
    assert ssim(img, img) == pytest.approx(1, abs=1e-6)


def test_what_lies_in_the_border_does_not_count():
    img, img2 = pairs()['smooth']
    changed = img.copy()
    changed[:8], changed[:, -8:] = 0, 255
    assert psnr(changed, img2) == psnr(img, img2)
    assert ssim(changed, img2) == ssim(img, img2)


@pytest.mark.parametrize('function', [psnr, ssim])
def test_unusable_images_are_refused(function):
    img, _ = pairs()['noise']
    with pytest.raises(ValueError, match=r'different sizes: \(70, 91\) and \(69, 91\)'):
        function(img, img[1:])
    with pytest.raises(ValueError, match='float64'):
        function(img / 255, img)
    with pytest.raises(ValueError, match='too small for crop_border 40'):
        function(img, img, crop_border=40)
