import pytest
import torch
import torch.nn.functional as F

from dlvr_plugin.data.realistic.resizing import resize, scaled_size


@pytest.mark.parametrize('mode', ['bilinear', 'bicubic'])
@pytest.mark.parametrize('size', [(17, 40), (48, 50), (40, 23)])
def test_equals_torchs_interpolation(mode, size):
    frames = torch.rand(2, 3, 32, 41)
    expected = F.interpolate(frames, size=size, mode=mode, align_corners=False)
    torch.testing.assert_close(resize(frames, size, mode), expected, atol=2e-5, rtol=0)


def test_area_by_whole_factors_is_the_mean():
    frames = torch.rand(2, 3, 32, 48)
    torch.testing.assert_close(resize(frames, (8, 16), 'area'), F.avg_pool2d(frames, (4, 3)), atol=1e-6, rtol=0)


def test_area_counts_parts_of_pixels():
    row = torch.tensor([3.0, 6.0, 9.0]).expand(1, 1, 2, 3)
    torch.testing.assert_close(resize(row, (2, 2), 'area')[0, 0, 0], torch.tensor([4.0, 8.0]))  # (3 + 6/2) / 1.5


@pytest.mark.parametrize('mode', ['area', 'bilinear', 'bicubic'])
@pytest.mark.parametrize('size', [(16, 20), (50, 33)])
def test_constant_frames_stay_constant(mode, size):
    frames = torch.full((1, 3, 30, 30), 0.25)
    torch.testing.assert_close(resize(frames, size, mode), torch.full((1, 3, *size), 0.25))


def test_a_ramp_keeps_its_place():
    ramp = ((torch.arange(64) + 0.5) / 64).expand(1, 1, 16, 64)  # pixels are squares
    for mode in ('area', 'bilinear', 'bicubic'):
        expected = (torch.arange(24) + 0.5) / 24
        torch.testing.assert_close(resize(ramp, (16, 24), mode)[0, 0, 0, 2:-2], expected[2:-2], atol=1e-3, rtol=0)


def test_the_same_size_is_the_same_frames():
    frames = torch.rand(1, 3, 16, 20)
    assert torch.equal(resize(frames, (16, 20), 'area'), frames)


@pytest.mark.parametrize(
    ('size', 'factor', 'of', 'expected'),
    [
        ((100, 200), 0.5, (100, 200), (50, 100)),
        ((100, 200), 1.27, (100, 200), (127, 254)),
        ((100, 200), 0.01, (100, 200), (16, 32)),  # the ratio of the sides stays
        ((100, 200), 0.5, (25, 50), (16, 32)),
        ((100, 200), 1.0, (25, 50), (25, 50)),
        ((12, 40), 0.1, (12, 40), (12, 40)),  # small ones are not made smaller
        ((12, 40), 2.0, (12, 40), (24, 80)),
        ((32, 32), 0.5, (8, 8), (16, 16)),
    ],
)
def test_sizes(size, factor, of, expected):
    assert scaled_size(size, factor, of) == expected
