"""LPIPS: how different a frame looks from its ground truth, by the features of a network for images."""

from typing import Annotated, Any

import numpy as np

from dlvr_plugin.core.choices import LpipsNet
from dlvr_plugin.core.declarations import NOT_NEGATIVE
from dlvr_plugin.metrics.frames import Crop, Frame, check_images, crop_slices
from dlvr_plugin.metrics.lpips_distance import LPIPS_WEIGHTS, Features, LpipsDistance
from dlvr_plugin.metrics.spec import How, MetricSpec, for_framework, register

LPIPS_SETTINGS = {'net': 'lpips_net', 'crop': 'lpips_crop', 'crop_border': 'crop_border'}
LPIPS_PACKAGES = ('lpips', 'numpy', 'torch', 'torchvision')


def lpips(
    img: np.ndarray,
    img2: np.ndarray,
    *,
    net: LpipsNet = 'alex',
    weights: str | None = None,
    random_weights: bool = False,
    crop: Crop = 'none',
    crop_border: int = 8,
) -> float:
    """Return LPIPS 0.1 of two images; lower is better, 0 for equal ones.

    Args:
        img: Image (h, w, 3), BGR, uint8.
        img2: Image to compare with, of the same size.
        net: Trunk.
        weights: File of the trunk's weights; None for those of torchvision, from its cache or by download.
        random_weights: Take random weights, seeded; the result is not LPIPS.
        crop: Part of the images that is seen; see ``crop_slices``.
        crop_border: Pixels that the crop 'border' leaves out.

    Raises:
        InvalidValueError: Images of different sizes, of another type, or smaller than 32x32 pixels.
        DataError: The weights are missing or damaged.

    Source: Zhang et al., The unreasonable effectiveness of deep features as a perceptual metric; the package lpips.
    """
    check_images(img, img2)
    distance: LpipsDistance = LPIPS_WEIGHTS.load(net=net, weights=weights, random_weights=random_weights)
    inside = crop_slices(img.shape, crop, crop_border)
    return distance(img[inside], img2[inside])


@for_framework
def calculate_lpips(
    img: np.ndarray,
    img2: np.ndarray,
    *,
    net: LpipsNet = 'alex',
    weights: str | None = None,
    random_weights: bool = False,
    crop: Crop = 'none',
    crop_border: Annotated[int, NOT_NEGATIVE] = 8,
) -> float:
    """Return the LPIPS of images (h, w, 3), BGR, uint8; lower is better. See ``lpips``.

    Args:
        img: The restored image.
        img2: The true one.
        net: Trunk of LPIPS.
        weights: File of the trunk's weights, as torchvision's; None for the published ones.
        random_weights: Whether the trunk has random weights, for tests without a download.
        crop: Part of a frame that counts: all, all but the border, or what TecoGAN's script takes.
        crop_border: Pixels left out at each border, with crop: border.
    """
    options: dict[str, Any] = {'net': net, 'weights': weights, 'random_weights': random_weights}
    return lpips(img, img2, **options, crop=crop, crop_border=crop_border)


def lpips_features(frame: Frame, how: How) -> Features:
    """Return what LPIPS compares of a frame, computed once."""
    distance: LpipsDistance = how.network
    crop, crop_border = how.settings['crop'], how.settings['crop_border']

    def compute() -> Features:
        return distance.features(frame.image[crop_slices(frame.image.shape, crop, crop_border)])

    return frame.once((lpips_features, id(distance), crop, crop_border), compute)


def _measure(restored: Frame, truth: Frame, how: How) -> float:
    return how.network.distance(lpips_features(restored, how), lpips_features(truth, how))


register(
    MetricSpec(
        name='lpips',
        label='LPIPS',
        summary='LPIPS 0.1, of the package lpips: AlexNet, VGG or SqueezeNet',
        direction='lower',
        decimals=4,
        aspect='perception',
        settings=LPIPS_SETTINGS,
        packages=LPIPS_PACKAGES,
        weights=LPIPS_WEIGHTS,
        may_use_device=True,
        measure=_measure,
        function=calculate_lpips,
    )
)
