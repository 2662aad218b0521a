import math

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from dlvr_plugin.metrics import measure_clip


def test_psnr_by_hand_leaves_out_frames_and_borders():
    truth = [np.full((40, 40, 3), 100, np.uint8) for _ in range(7)]
    restored = [frame.copy() for frame in truth]
    for index, error in ((2, 1), (3, 2), (4, 4)):
        restored[index] += np.uint8(error)
    for index in (0, 1, 5, 6):  # left out
        restored[index][:] = 0
    for frame in restored:  # left out, too
        frame[:8] = frame[-8:] = 255
        frame[:, :8] = frame[:, -8:] = 255
    expected = np.mean([10 * math.log10(255**2 / error**2) for error in (1, 2, 4)])
    assert measure_clip(restored, truth).psnr == pytest.approx(expected)


def test_ssim_agrees_with_scikit_image():
    rng = np.random.default_rng(0)
    truth = [rng.integers(0, 256, (48, 56, 3)).astype(np.uint8) for _ in range(5)]
    restored = [np.clip(f + rng.normal(0, 20, f.shape), 0, 255).astype(np.uint8) for f in truth]
    crop = (slice(8, -8), slice(8, -8))
    full = structural_similarity(
        restored[2][crop].astype(float),
        truth[2][crop].astype(float),
        channel_axis=2,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert measure_clip(restored, truth).ssim == pytest.approx(full, abs=1e-4)


@pytest.mark.parametrize(('num_restored', 'num_truth'), [(6, 7), (4, 4)])
def test_unusable_clips_are_refused(num_restored, num_truth):
    frame = np.zeros((40, 40, 3), np.uint8)
    with pytest.raises(ValueError, match=f'got {num_restored} and {num_truth}'):
        measure_clip([frame] * num_restored, [frame] * num_truth)


def test_another_size_is_named():
    frames = [np.zeros((40, 40, 3), np.uint8)] * 5
    with pytest.raises(ValueError, match='Frame 2 is'):
        measure_clip([np.zeros((40, 44, 3), np.uint8)] * 5, frames)
