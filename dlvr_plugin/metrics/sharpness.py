"""Sharpness: the energy of the gradient of a frame, without a reference.

Noise, ringing and grids count as sharpness: it ranks results that are equally clean, and a result may well be sharper
than the truth.
"""

from typing import Annotated

import cv2
import numpy as np

from dlvr_plugin.core.declarations import NOT_NEGATIVE
from dlvr_plugin.metrics.frames import Frame, check_images, to_grey
from dlvr_plugin.metrics.spec import How, MetricSpec, NoValueError, for_framework, register


def sharpness(img: np.ndarray, *, crop_border: int = 8) -> float:
    """Return the Tenengrad of an image: the mean of the squared length of Sobel's gradient; higher is sharper.

    Args:
        img: Image (h, w, 3), BGR, uint8; grey as OpenCV makes it, the luma of BT.601 over the full range.
        crop_border: Pixels left out at each border; at least 1 is, where Sobel's filters lack a neighbour.

    Returns:
        Squared grey levels, of filters with the weights 1, 2, 1 and -1, 0, 1: 64 times the squared slope of a ramp.

    Raises:
        NoValueError: Nothing is left of the image.
        InvalidValueError: An image of another type.

    Source: Krotkov, Focusing (1988); without the threshold, and as a mean rather than a sum, TENG in Pertuz et al.,
        Analysis of focus measure operators for shape-from-focus (2013).
    """
    check_images(img, img)
    border = max(crop_border, 1)
    height, width = (side - 2 * border for side in img.shape[:2])
    if min(height, width) < 1:
        raise NoValueError(f'Sharpness needs more of a frame than its border of {border}, got {img.shape[:2]} (h, w).')
    grey = to_grey(img)
    x, y = (cv2.Sobel(grey, cv2.CV_64F, dx, 1 - dx, ksize=3) for dx in (1, 0))
    return float((x**2 + y**2)[border : border + height, border : border + width].mean())


@for_framework
def calculate_sharpness(img: np.ndarray, *, crop_border: Annotated[int, NOT_NEGATIVE] = 8) -> float:
    """Return the Tenengrad of an image (h, w, 3), BGR, uint8; higher is sharper, or noisier. See ``sharpness``.

    Args:
        img: The restored image.
        crop_border: Pixels left out at each border.
    """
    return sharpness(img, crop_border=crop_border)


def _measure(restored: Frame, truth: Frame | None, how: How) -> float:
    return sharpness(restored.image, **how.settings)


register(
    MetricSpec(
        name='sharpness',
        label='sharpness',
        summary="energy of Sobel's gradient (Tenengrad), without a reference; noise counts as sharpness",
        direction='higher',
        decimals=0,
        aspect='sharpness',
        settings={'crop_border': 'crop_border'},
        packages=('numpy', 'opencv-python'),
        needs_ground_truth=False,
        measure=_measure,
        function=calculate_sharpness,
    )
)
