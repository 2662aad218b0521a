"""tLP: how far the change from frame to frame, as LPIPS sees it, is from that of the ground truth."""

from typing import Annotated, Any

import numpy as np

from dlvr_plugin.core.choices import LpipsNet
from dlvr_plugin.core.declarations import NOT_NEGATIVE
from dlvr_plugin.metrics.frames import Crop, Frame, check_images
from dlvr_plugin.metrics.lpips_distance import LPIPS_WEIGHTS
from dlvr_plugin.metrics.lpips_metric import LPIPS_PACKAGES, LPIPS_SETTINGS, lpips, lpips_features
from dlvr_plugin.metrics.spec import How, MetricSpec, for_framework, register


def tlp(
    previous_img: np.ndarray,
    img: np.ndarray,
    previous_img2: np.ndarray,
    img2: np.ndarray,
    **options: Any,
) -> float:
    """Return by how much the LPIPS between two restored frames differs from that of the true ones; lower is better.

    Args:
        previous_img: Restored frame t-1, (h, w, 3), BGR, uint8.
        img: Restored frame t.
        previous_img2: Ground truth of frame t-1.
        img2: Ground truth of frame t.
        **options: Those of ``lpips``, which also says what it raises.

    Source: Chu et al., TecoGAN: |LPIPS(Gen_{t-1}, Gen_t) - LPIPS(GT_{t-1}, GT_t)|.
    """
    check_images(img, img2)
    return abs(lpips(previous_img, img, **options) - lpips(previous_img2, img2, **options))


@for_framework
def calculate_tlp(
    img: np.ndarray,
    img2: np.ndarray,
    previous_img: np.ndarray,
    previous_img2: np.ndarray,
    *,
    net: LpipsNet = 'alex',
    weights: str | None = None,
    random_weights: bool = False,
    crop: Crop = 'none',
    crop_border: Annotated[int, NOT_NEGATIVE] = 8,
) -> float:
    """Return the tLP of images (h, w, 3), BGR, uint8; lower is better. See ``tlp``.

    Args:
        img: The restored image.
        img2: The true one.
        previous_img: The restored image before.
        previous_img2: The true one before.
        net: Trunk of LPIPS.
        weights: File of the trunk's weights, as torchvision's; None for the published ones.
        random_weights: Whether the trunk has random weights, for tests without a download.
        crop: Part of a frame that counts: all, all but the border, or what TecoGAN's script takes.
        crop_border: Pixels left out at each border, with crop: border.
    """
    options: dict[str, Any] = {'net': net, 'weights': weights, 'random_weights': random_weights}
    return tlp(previous_img, img, previous_img2, img2, **options, crop=crop, crop_border=crop_border)


def _measure(restored: Frame, truth: Frame, how: How) -> float:
    return abs(_change_to(restored, how) - _change_to(truth, how))


def _change_to(frame: Frame, how: How) -> float:
    """Return LPIPS from the frame before."""
    assert frame.previous is not None
    return how.network.distance(lpips_features(frame.previous, how), lpips_features(frame, how))


register(
    MetricSpec(
        name='tlp',
        label='tLP',
        summary='distance of the LPIPS from frame to frame from that of the ground truth; of TecoGAN',
        direction='lower',
        decimals=4,
        aspect='motion',
        looks_at='previous',
        settings=LPIPS_SETTINGS,
        packages=LPIPS_PACKAGES,
        weights=LPIPS_WEIGHTS,
        may_use_device=True,
        measure=_measure,
        function=calculate_tlp,
    )
)
