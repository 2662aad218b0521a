import math

import numpy as np
import pytest
import torch
from scipy import ndimage, special

from dlvr_plugin.data.realistic.blur_kernels import blur, gaussian_kernels, plateau_kernels, sinc_kernels

SIZE = 21


def offsets(size: int) -> np.ndarray:
    return np.arange(size) - size // 2


def second_moments(kernel: torch.Tensor) -> np.ndarray:
    """Return the covariance (2, 2) of a kernel as a distribution over x and y."""
    weights, place = kernel.double().numpy(), offsets(len(kernel))
    y, x = np.meshgrid(place, place, indexing='ij')
    return np.array([[(weights * a * b).sum() for b in (x, y)] for a in (x, y)])


@pytest.mark.parametrize('make', [gaussian_kernels, plateau_kernels])
@pytest.mark.parametrize('beta', [0.5, 1.0, 3.0])
def test_kernels_sum_to_one_and_are_symmetric_around_the_centre(make, beta):
    kernels = make(size=SIZE, sigma_x=[0.2, 3], sigma_y=[1, 0.5], angle=[0.3, -2], beta=[beta] * 2)
    assert kernels.shape == (2, SIZE, SIZE)
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(2))
    torch.testing.assert_close(kernels, kernels.flip(1, 2))
    assert (kernels.flatten(1).argmax(1) == SIZE**2 // 2).all()


@pytest.mark.parametrize('angle', [0.0, 0.4, math.pi / 2, -2.0])
def test_widths_of_a_gaussian_lie_along_its_turned_axes(angle):
    (kernel,) = gaussian_kernels(size=SIZE, sigma_x=[2.0], sigma_y=[1.0], angle=[angle], beta=[1.0])
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    np.testing.assert_allclose(second_moments(kernel), turn @ np.diag([4.0, 1.0]) @ turn.T, atol=0.01)


def test_a_gaussian_is_the_product_of_two_in_one_dimension():
    (kernel,) = gaussian_kernels(size=9, sigma_x=[1.3], sigma_y=[0.7], angle=[0.0], beta=[1.0])
    x, y = (np.exp(-(offsets(9) ** 2) / (2 * sigma**2)) for sigma in (1.3, 0.7))
    np.testing.assert_allclose(kernel, np.outer(y / y.sum(), x / x.sum()), atol=1e-7)


def test_beta_makes_a_peak_or_a_flat_top():
    kernels = gaussian_kernels(size=SIZE, sigma_x=[3.0] * 3, sigma_y=[3.0] * 3, angle=[0.0] * 3, beta=[0.5, 1, 4])
    middle = kernels[:, SIZE // 2, SIZE // 2 :]
    ratio = (middle[:, 2] / middle[:, 0]).tolist()  # two pixels off the centre: (2/3)^2 = 4/9
    np.testing.assert_allclose(ratio, [math.exp(-0.5 * (4 / 9) ** beta) for beta in (0.5, 1, 4)], rtol=1e-5)
    plateau = plateau_kernels(size=SIZE, sigma_x=[3.0], sigma_y=[3.0], angle=[0.0], beta=[2.0])[0, SIZE // 2]
    assert float(plateau[SIZE // 2 + 3] / plateau[SIZE // 2]) == pytest.approx(0.5)  # 1 / (1 + 1)


def test_a_width_near_zero_keeps_frames():
    kernels = gaussian_kernels(size=7, sigma_x=[1e-200], sigma_y=[1e-200], angle=[0.5], beta=[1.0])
    frames = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(blur(frames, kernels), frames)


@pytest.mark.parametrize(('size', 'cutoff'), [(7, 1 / 3), (21, 0.2), (13, 1.0)])
def test_sinc_follows_its_formula(size, cutoff):
    y, x = np.meshgrid(offsets(size), offsets(size), indexing='ij')
    radius, omega = np.hypot(x, y), cutoff * math.pi
    radius[size // 2, size // 2] = 1e-9
    expected = omega * special.j1(omega * radius) / (2 * math.pi * radius)
    np.testing.assert_allclose(sinc_kernels(size=size, cutoff=[cutoff])[0], expected / expected.sum(), atol=1e-6)


@pytest.mark.parametrize('cutoff', [0.3, 0.5, 0.7])
def test_sinc_passes_frequencies_below_its_cutoff_alone(cutoff):
    (kernel,) = sinc_kernels(size=SIZE, cutoff=[cutoff])
    response = np.abs(np.fft.fft2(kernel.numpy(), s=(512, 512)))
    frequency = np.abs(np.fft.fftfreq(512)) * 2  # in parts of the highest
    for row in (response[0], response[:, 0]):
        assert row[frequency < cutoff - 0.12] == pytest.approx(1, abs=0.2)
        assert row[frequency > cutoff + 0.12].max() < 0.2
        assert np.interp(cutoff, frequency[:257], row[:257]) == pytest.approx(0.5, abs=0.1)
    diagonal = response[np.arange(256), np.arange(256)]  # the pass band is round
    beyond = np.hypot(frequency, frequency)[:256] > cutoff + 0.12
    assert diagonal[beyond].max() < 0.2


@pytest.mark.parametrize('size', [7, 21])
@pytest.mark.parametrize(('height', 'width'), [(30, 44), (8, 6)])
def test_blur_is_a_convolution_of_each_frame_with_its_kernel(size, height, width):
    frames = torch.rand(2, 3, height, width)
    kernels = gaussian_kernels(size=size, sigma_x=[2, 0.6], sigma_y=[1, 0.7], angle=[0.7, 2], beta=[1, 1.5])
    actual = blur(frames, kernels)
    for frame, kernel, blurred in zip(frames, kernels, actual, strict=True):
        for plane, out in zip(frame, blurred, strict=True):
            expected = ndimage.convolve(plane.double().numpy(), kernel.double().numpy(), mode='mirror')
            np.testing.assert_allclose(out, expected, atol=1.2e-5)  # outer rings of 1e-5 are left out


def test_blur_leaves_its_input_alone_and_takes_views():
    frames = torch.rand(2, 3, 16, 40)
    kept = frames.clone()
    kernels = sinc_kernels(size=7, cutoff=[0.5, 0.5])
    view = blur(frames[..., 5:30], kernels)
    assert torch.equal(frames, kept)
    assert torch.equal(view, blur(frames[..., 5:30].contiguous(), kernels))
