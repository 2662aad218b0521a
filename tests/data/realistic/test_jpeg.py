import io

import numpy as np
import pytest
import torch
from PIL import Image

from dlvr_plugin.data.realistic.blur_kernels import blur, gaussian_kernels
from dlvr_plugin.data.realistic.jpeg import compress_jpeg


def smooth_frames(num_frames: int = 2, height: int = 50, width: int = 61) -> torch.Tensor:
    torch.manual_seed(0)
    wide = [4.0] * num_frames
    kernels = gaussian_kernels(size=21, sigma_x=wide, sigma_y=wide, angle=wide, beta=[1.0] * num_frames)
    frames = blur(torch.rand(num_frames, 3, height, width), kernels)
    return (frames - frames.min()) / (frames.max() - frames.min())


@pytest.mark.parametrize('quality', [10, 50, 95])
def test_equals_pillow(quality):
    frames = smooth_frames()
    actual = compress_jpeg(frames, [quality] * 2)
    for frame, decoded in zip(frames, actual, strict=True):
        image = Image.fromarray(frame.mul(255).round().byte().permute(1, 2, 0).numpy())
        file = io.BytesIO()
        image.save(file, 'jpeg', quality=quality, subsampling='4:2:0')
        expected = np.asarray(Image.open(file)).astype(int)
        difference = np.abs(decoded.mul(255).round().permute(1, 2, 0).numpy() - expected)
        assert difference.max() <= 2  # another implementation of the same transforms
        assert difference.mean() < 0.1


def test_each_frame_has_its_quality():
    frames = smooth_frames(1).expand(3, -1, -1, -1)
    decoded = compress_jpeg(frames, [10, 50, 95])
    errors = (decoded - frames).square().mean((1, 2, 3)).tolist()
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_values_are_those_of_eight_bits_whatever_comes():
    decoded = compress_jpeg(torch.randn(1, 3, 17, 9) * 2, [60])
    assert decoded.shape == (1, 3, 17, 9)
    assert decoded.min() >= 0
    assert decoded.max() <= 1
    torch.testing.assert_close(decoded * 255, (decoded * 255).round(), atol=1e-4, rtol=0)
