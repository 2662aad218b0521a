import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from basicsr.utils.matlab_functions import imresize

from dlvr_plugin.core.resampling import round_to_eight_bits
from dlvr_plugin.data import Degradation, bicubic_downsample, gaussian_downsample, motion_blur
from dlvr_plugin.data.degradations import degrade_images


@pytest.mark.parametrize('scale', [2, 3, 4])
@pytest.mark.parametrize('size', [(12, 12), (24, 24), (60, 132), (240, 300)])
def test_equals_the_hosts_imresize(scale, size):
    frame = torch.rand(3, *size)
    torch.testing.assert_close(bicubic_downsample(frame, scale), imresize(frame, 1 / scale), atol=1e-6, rtol=0)


def test_keeps_leading_dimensions():
    clips = torch.rand(2, 5, 3, 32, 48)
    small = bicubic_downsample(clips)
    assert small.shape == (2, 5, 3, 8, 12)
    torch.testing.assert_close(small[1, 4], bicubic_downsample(clips[1, 4]))


def test_constant_frames_stay_constant():
    torch.testing.assert_close(bicubic_downsample(torch.full((1, 16, 16), 0.25)), torch.full((1, 4, 4), 0.25))


@pytest.mark.parametrize('size', [(30, 32), (8, 32)])
def test_unusable_sizes_are_refused(size):
    with pytest.raises(ValueError, match=f'got {size[0]}x{size[1]}'):
        bicubic_downsample(torch.rand(3, *size), 4)


@pytest.mark.parametrize(('scale', 'sigma'), [(4, 1.5), (2, 0.8), (3, 2.5), (1, 1.0)])
@pytest.mark.parametrize('size', [(24, 24), (60, 132)])
def test_gaussian_is_a_strided_convolution(scale, sigma, size):
    frames = torch.rand(2, 3, *size)
    reach = int(3 * sigma)
    row = torch.from_numpy(cv2.getGaussianKernel(2 * reach + 1, sigma)).float()
    padded = F.pad(frames, (reach,) * 4, mode='reflect')
    expected = F.conv2d(padded.reshape(-1, 1, *padded.shape[-2:]), (row @ row.T)[None, None], stride=scale)
    actual = gaussian_downsample(frames, scale, sigma=sigma)
    torch.testing.assert_close(actual, expected.reshape(actual.shape), atol=1e-6, rtol=0)


def test_gaussian_lies_on_every_fourth_pixel_from_the_first():
    frame = torch.zeros(1, 32, 32)
    frame[0, 8, 12] = 1
    small = gaussian_downsample(frame)
    assert small.argmax() == 2 * 8 + 3  # row 8 / 4, column 12 / 4 of 8 x 8
    assert small[0, 2, 2] == pytest.approx(float(small[0, 2, 4]))  # symmetric around it


def test_motion_blur_by_hand():
    frames = torch.tensor([0.0, 0.3, 0.9]).view(3, 1, 1, 1).expand(3, 3, 4, 5)
    torch.testing.assert_close(motion_blur(frames), torch.full((3, 4, 5), 0.4))
    # Half black, half white is half the light, sRGB 188 of 255.
    black_and_white = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    assert motion_blur(black_and_white, linear_light=True).item() * 255 == pytest.approx(187.5, abs=0.1)
    same = torch.rand(1, 3, 4, 5)
    torch.testing.assert_close(motion_blur(same.repeat(3, 1, 1, 1), linear_light=True), same[0])


def test_rounding_does_not_depend_on_the_last_digit():
    half_way = torch.tensor([0.5, 1.5, 100.5, 200.5], dtype=torch.float64).float() / 255
    for error in (-2e-7, 0.0, 2e-7):
        assert (round_to_eight_bits(half_way + error) * 255).round().tolist() == [0, 2, 100, 200]
    assert round_to_eight_bits(torch.tensor([-0.2, 1.3])).tolist() == [0.0, 1.0]


def test_images_are_degraded_as_the_hosts_imresize_does():
    image = cv2.GaussianBlur(np.random.randint(0, 256, (50, 63, 3)).astype(np.uint8), (0, 0), 1)
    small = degrade_images([image], Degradation(type='BI', scale=4))
    expected = np.clip(imresize(image[:48, :60] / 255.0, 0.25) * 255, 0, 255)
    assert small.shape == (12, 15, 3)
    assert np.abs(small - expected).max() <= 0.501


def test_windows_end_with_the_clip():
    blur = Degradation(type='motion_blur', scale=1, num_frame=5)
    assert blur.window(0, 9) == [0, 0, 0, 1, 2]
    assert blur.window(4, 9) == [2, 3, 4, 5, 6]
    assert blur.window(8, 9) == [6, 7, 8, 8, 8]
    assert Degradation(type='BI').window(3, 9) == [3]


def test_options_are_read():
    assert Degradation.from_options('BD', scale=4) == Degradation(type='BD', scale=4)
    section = {'type': 'motion_blur', 'num_frame': 9, 'linear_light': True}
    assert Degradation.from_options(section, scale=1).radius == 4


@pytest.mark.parametrize(
    ('options', 'scale', 'error', 'message'),
    [
        ('bicubic', 4, ValueError, 'degradation.type must be one of BI, BD, motion_blur'),
        ({'type': 'BI', 'sigma': 2}, 4, ValueError, 'BI takes no options, got sigma'),
        ({'type': 'BD', 'sigma': 0}, 4, ValueError, 'sigma must be above 0'),
        ({'type': 'motion_blur', 'num_frame': 4}, 1, ValueError, 'num_frame must be odd, got 4'),
        ({'type': 'motion_blur', 'linear_light': 'yes'}, 1, TypeError, 'linear_light must be true or false'),
        ('motion_blur', 4, ValueError, 'motion_blur keeps the size of frames, so scale must be 1, got 4'),
    ],
)
def test_unusable_options_are_refused(options, scale, error, message):
    with pytest.raises(error, match=message):
        Degradation.from_options(options, scale=scale)
