"""PSNR and SSIM of a restored clip by the paper's protocol, with the host's metrics."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from basicsr.metrics import calculate_psnr, calculate_ssim

CROP_BORDER = 8
SKIPPED_FRAMES = 2


class ClipQuality(NamedTuple):
    """Quality of a clip, mean over its frames.

    Attributes:
        psnr: Peak signal-to-noise ratio in dB; higher is better.
        ssim: Structural similarity, at most 1; higher is better.
    """

    psnr: float
    ssim: float


def measure_clip(restored: Sequence[np.ndarray], ground_truth: Sequence[np.ndarray]) -> ClipQuality:
    """Measure a restored clip on RGB, frame by frame.

    The first two and the last two frames, and eight pixels at each border, are left out.

    Args:
        restored: Frames (h, w, 3), uint8.
        ground_truth: The same number and size.

    Raises:
        ValueError: Different numbers or sizes of frames, or too few frames.

    Source: Section 4.1 of the paper.
    """
    if len(restored) != len(ground_truth) or len(restored) <= 2 * SKIPPED_FRAMES:
        raise ValueError(
            f'Restored clip and ground truth need one number of frames, above {2 * SKIPPED_FRAMES}, got '
            f'{len(restored)} and {len(ground_truth)}.'
        )
    kept = slice(SKIPPED_FRAMES, len(restored) - SKIPPED_FRAMES)
    psnr, ssim = [], []
    for index, (image, truth) in enumerate(zip(restored[kept], ground_truth[kept], strict=True), SKIPPED_FRAMES):
        if image.shape != truth.shape:
            raise ValueError(f'Frame {index} is {image.shape}, but its ground truth is {truth.shape}.')
        psnr.append(calculate_psnr(image, truth, crop_border=CROP_BORDER))
        ssim.append(calculate_ssim(image, truth, crop_border=CROP_BORDER))
    return ClipQuality(float(np.mean(psnr)), float(np.mean(ssim)))
