"""Consistency: whether a result, made small again, is the low-quality frame that it was made of.

It needs no ground truth, and cannot say how good is what was added. A low value says that the result shows something
else than was there.
"""

import math

import numpy as np
import torch
from torch import Tensor

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.resampling import bicubic_downsample, round_to_eight_bits
from dlvr_plugin.metrics.frames import Frame, check_images
from dlvr_plugin.metrics.spec import How, MetricSpec, register


def consistency(img: np.ndarray, lq: np.ndarray) -> float:
    """Return the PSNR in dB between an image, bicubically downsampled, and the one it was restored from.

    It is made small as MATLAB does it, and rounded to 8 bits, as the degradation BI makes low-quality frames: the
    ground truth of such a frame has an infinite value. All pixels and channels (RGB) count.

    Args:
        img: Restored image (H, W, 3), BGR, uint8.
        lq: Low-quality image (h, w, 3); H = s h and W = s w for a whole s, which is 1 where nothing was enlarged.

    Raises:
        InvalidValueError: Sizes without such a factor, images of another type, or smaller than 3x3.

    Source: the LR-PSNR of Lugmayr et al., NTIRE 2021 learning the super-resolution space challenge.
    """
    check_images(img, img)
    check_images(lq, lq)
    scale = scale_between(lq.shape[:2], img.shape[:2])
    if scale is None:
        raise InvalidValueError(
            f'The restored image {img.shape[:2]} is no whole multiple of the low-quality one {lq.shape[:2]} (h, w).'
        )
    small = round_to_eight_bits(bicubic_downsample(_to_frame(img) / 255, scale)) * 255
    error = float((small.round() - _to_frame(lq)).double().square().mean())
    return 10 * math.log10(255**2 / error) if error else math.inf


def scale_between(small: tuple[int, ...], large: tuple[int, ...]) -> int | None:
    """Return the whole factor between two sizes (h, w), None where there is none.

    >>> scale_between((12, 16), (48, 64)), scale_between((12, 16), (48, 65)), scale_between((12, 16), (24, 64))
    (4, None, None)
    """
    scale = large[0] // small[0]
    return scale if scale and tuple(scale * side for side in small) == tuple(large) else None


def _to_frame(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1).float()  # (h, w, 3) -> (3, h, w)


def _measure(restored: Frame, lq: Frame, how: How) -> float:
    return consistency(restored.image, lq.image)


register(
    MetricSpec(
        name='consistency',
        label='consistency',
        summary='PSNR of the result, downsampled, from the input; without ground truth, needs --input',
        direction='higher',
        decimals=2,
        unit='dB',
        aspect='consistency',
        packages=('numpy', 'torch'),
        needs_ground_truth=False,
        needs_input=True,
        measure=_measure,
    )
)
