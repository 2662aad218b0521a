"""DISTS: how different texture and structure of a frame are from those of its ground truth, as a network sees them."""

import numpy as np

from dlvr_plugin.core.choices import DistsSize
from dlvr_plugin.metrics.dists_network import DISTS_WEIGHTS, DistsDistance
from dlvr_plugin.metrics.frames import Frame, check_images
from dlvr_plugin.metrics.spec import How, MetricSpec, for_framework, register


def dists(
    img: np.ndarray,
    img2: np.ndarray,
    *,
    size: DistsSize = 'frame',
    weights: str | None = None,
    random_weights: bool = False,
) -> float:
    """Return DISTS of two images; lower is better, 0 for equal ones.

    Args:
        img: Image (h, w, 3), BGR, uint8.
        img2: Image to compare with, of the same size.
        size: What is seen of the images: all pixels, or the images with their shorter side brought down to 256 pixels.
        weights: File of the weights of VGG16; None for those of torchvision, from its cache or by download.
        random_weights: Take random weights, seeded; the result is not DISTS.

    Raises:
        InvalidValueError: Images of different sizes, of another type, or smaller than 32x32 pixels.
        DataError: The weights cannot be downloaded. CheckpointError: They are damaged, or those of another network.

    Source: Ding et al., Image quality assessment: unifying structure and texture similarity (2020).
    """
    check_images(img, img2)
    distance: DistsDistance = DISTS_WEIGHTS.load(weights=weights, random_weights=random_weights)
    return distance.distance(distance.maps(img, size=size), distance.maps(img2, size=size))


@for_framework
def calculate_dists(
    img: np.ndarray,
    img2: np.ndarray,
    *,
    size: DistsSize = 'frame',
    weights: str | None = None,
    random_weights: bool = False,
) -> float:
    """Return the DISTS of images (h, w, 3), BGR, uint8; lower is better. See ``dists``.

    Args:
        img: The restored image.
        img2: The true one.
        size: What is seen of a frame: all pixels, or the frame with its shorter side brought down to 256 pixels.
        weights: File of the weights of VGG16, as torchvision's; None for the published ones.
        random_weights: Whether the network has random weights, for tests without a download.
    """
    return dists(img, img2, size=size, weights=weights, random_weights=random_weights)


def _measure(restored: Frame, truth: Frame, how: How) -> float:
    distance: DistsDistance = how.network
    size = how.settings['size']
    # Once for all methods; the next frame needs none of it, and it is hundreds of bytes a pixel.
    of_truth = truth.once((_measure, id(distance), size), lambda: distance.maps(truth.image, size=size), of_pair=True)
    return distance.distance(distance.maps(restored.image, size=size), of_truth)


register(
    MetricSpec(
        name='dists',
        label='DISTS',
        summary='difference of texture and structure, as VGG16 sees them; of Ding et al., 2020',
        direction='lower',
        decimals=4,
        aspect='perception',
        settings={'size': 'dists_size'},
        packages=('numpy', 'torch', 'torchvision'),
        weights=DISTS_WEIGHTS,
        may_use_device=True,
        measure=_measure,
        function=calculate_dists,
    )
)
