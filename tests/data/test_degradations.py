import pytest
import torch
from basicsr.utils.matlab_functions import imresize

from dlvr_plugin.data import bicubic_downsample


@pytest.mark.parametrize('scale', [2, 3, 4])
@pytest.mark.parametrize('size', [(24, 24), (60, 132)])
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
