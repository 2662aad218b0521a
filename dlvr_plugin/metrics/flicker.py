"""Flicker: the warping error along the motion of the restored frames themselves, which needs no ground truth.

It tells how much changes from frame to frame beside the motion that can be seen in the result. What does not change at
all wins: a frozen clip has none, and a blurred one less than a sharp one that is as steady.
"""

from typing import Annotated, Any

import numpy as np

from dlvr_plugin.core.choices import Crop, WarpingFlow, WarpingMask
from dlvr_plugin.core.declarations import NOT_NEGATIVE
from dlvr_plugin.metrics.flow_estimators import RAFT_WEIGHTS
from dlvr_plugin.metrics.frames import Frame
from dlvr_plugin.metrics.spec import How, MetricSpec, for_framework, register
from dlvr_plugin.metrics.warping_error import measure_along, warping_error, without_raft


def flicker(previous_img: np.ndarray, img: np.ndarray, **options: Any) -> float:
    """Return how much frame t differs from frame t-1 along their own motion, times 1000 of squares of [0, 1].

    Lower is better, for results that are as sharp as one another and move alike: see above.

    Args:
        previous_img: Restored frame t-1, (h, w, 3), BGR, uint8.
        img: Restored frame t.
        **options: Those of ``warping_error``, which also says what it raises; all but ``frames``.

    Source: Lai et al., Learning blind video temporal consistency (2018), with the flow of the processed video in place
        of that of the video before.
    """
    return warping_error(previous_img, img, frames='result', **options)


@for_framework
def calculate_flicker(
    img: np.ndarray,
    previous_img: np.ndarray,
    *,
    flow: WarpingFlow = 'dis',
    mask: WarpingMask = 'consistency',
    crop: Crop = 'none',
    crop_border: Annotated[int, NOT_NEGATIVE] = 8,
    weights: str | None = None,
    random_weights: bool = False,
) -> float:
    """Return the flicker of images (h, w, 3), BGR, uint8, times 1000; lower is better. See ``flicker``.

    Args:
        img: The restored image.
        previous_img: The restored image before.
        flow: Optical flow: OpenCV's DIS with its preset medium, or RAFT-large of torchvision.
        mask: Pixels that count: where the flows forward and backward agree, or of these those off motion boundaries.
        crop: Part of a frame that counts: all, all but the border, or what TecoGAN's script takes.
        crop_border: Pixels left out at each border, with crop: border.
        weights: File of the weights of RAFT, as torchvision's; None for the published ones.
        random_weights: Whether RAFT has random weights, for tests without a download.
    """
    options: dict[str, Any] = {'flow': flow, 'mask': mask, 'weights': weights, 'random_weights': random_weights}
    return flicker(previous_img, img, **options, crop=crop, crop_border=crop_border)


def _measure(restored: Frame, truth: Frame | None, how: How) -> float:
    return measure_along(restored, restored, how)


register(
    MetricSpec(
        name='flicker',
        label='flicker x1e3',
        summary='warping error along the motion of the result itself, without a reference; blur and standstill win',
        direction='lower',
        decimals=3,
        unit='1e-3, pixels in [0, 1]',
        aspect='steadiness',
        looks_at='previous',
        settings={
            'flow': 'warping_flow',
            'mask': 'warping_mask',
            'crop': 'warping_crop',
            'crop_border': 'crop_border',
        },
        packages=('numpy', 'torch', 'torchvision'),
        needs_ground_truth=False,
        weights=RAFT_WEIGHTS,
        may_use_device=True,
        needs_less=without_raft,
        measure=_measure,
        function=calculate_flicker,
    )
)
