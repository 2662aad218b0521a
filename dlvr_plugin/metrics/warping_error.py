"""The warping error: how much a frame differs from the one before, where motion brings the one onto the other."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from dlvr_plugin.core.choices import Crop, WarpingFlow, WarpingFrames, WarpingMask
from dlvr_plugin.core.declarations import NOT_NEGATIVE
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.warping import warp
from dlvr_plugin.metrics.flow_estimators import RAFT_WEIGHTS, dis_flow
from dlvr_plugin.metrics.frames import Frame, check_images, crop_slices
from dlvr_plugin.metrics.spec import How, MetricSpec, NoValueError, for_framework, register

_SCALE = 1e3  # of a mean squared error of pixels in [0, 1]
# A pixel is occluded where the squared sum of both flows exceeds the first part of their squared lengths by the second;
# it is at a motion boundary where the squared gradient of the flow exceeds that of its squared length.
_OCCLUDED = (0.01, 0.5)
_AT_BOUNDARY = (0.01, 0.002)

Estimator = Callable[[np.ndarray, np.ndarray], np.ndarray]
_Motion = tuple[np.ndarray, np.ndarray]  # the flow to the next frame, and where it can be trusted


def warping_error(
    previous_img: np.ndarray,
    img: np.ndarray,
    previous_img2: np.ndarray | None = None,
    img2: np.ndarray | None = None,
    *,
    flow: WarpingFlow = 'dis',
    frames: WarpingFrames = 'gt',
    mask: WarpingMask = 'consistency',
    crop: Crop = 'none',
    crop_border: int = 8,
    weights: str | None = None,
    random_weights: bool = False,
) -> float:
    """Return the warping error from frame t-1 to frame t, times 1000 of pixels in [0, 1]; lower is better.

    Args:
        previous_img: Restored frame t-1, (h, w, 3), BGR, uint8.
        img: Restored frame t.
        previous_img2: Ground truth of frame t-1, None with ``frames='result'``.
        img2: Ground truth of frame t, None with ``frames='result'``.
        flow: What computes the optical flow: 'dis', OpenCV's with its preset medium, or 'raft', RAFT-large.
        frames: Whose motion is followed: that of the ground truth, or that of the restored frames.
        mask: See ``visible_pixels``.
        crop: Part of the frames that counts; see ``crop_slices``. The flow is that of whole frames.
        crop_border: Pixels that the crop 'border' leaves out.
        weights: File of the weights of RAFT; None for those of torchvision, from its cache or by download.
        random_weights: Take random weights for RAFT, seeded; its flow is none then.

    Raises:
        NoValueError: No pixel of a frame is visible in the other.
        InvalidValueError: Images of different sizes, of another type, or too small.
        DataError: The weights cannot be downloaded. CheckpointError: They are damaged, or those of another network.

    Source: Lai et al., Learning blind video temporal consistency (2018). They take the flow of the video before its
        processing, and both conditions of ``visible_pixels``.
    """
    check_images(previous_img, img)
    estimate: Estimator = dis_flow
    if flow == 'raft':
        estimate = RAFT_WEIGHTS.load(weights=weights, random_weights=random_weights)
    before, after = previous_img, img
    if frames == 'gt':
        if previous_img2 is None or img2 is None:
            raise InvalidValueError("The flow of the ground truth needs its frames. Or take frames='result'.")
        check_images(previous_img, previous_img2)
        check_images(img, img2)
        before, after = previous_img2, img2
    motion = _motion_between(before, after, estimate, mask)
    return error_along(previous_img, img, *motion, crop=crop, crop_border=crop_border)


def error_along(
    previous_img: np.ndarray,
    img: np.ndarray,
    flow: np.ndarray,
    visible: np.ndarray,
    *,
    crop: Crop = 'none',
    crop_border: int = 8,
) -> float:
    """Return 1000 times the mean squared difference of a frame from the next one, sampled where a flow leads to.

    Args:
        previous_img: Frame t-1, (h, w, 3), uint8; its values are taken as parts of 255.
        img: Frame t.
        flow: Flow (h, w, 2), x and y, in pixels, from t-1 to t.
        visible: Which pixels (h, w) of frame t-1 count.
        crop: Part of frame t-1 that counts; see ``crop_slices``.
        crop_border: Pixels that 'border' leaves out.

    Raises:
        NoValueError: No pixel counts.
    """
    inside = crop_slices(img.shape[:2], crop, crop_border)
    counted = visible[inside]
    if not counted.any():
        raise NoValueError('The warping error has no value: no pixel of the frame before is visible in this one.')
    warped = _sample(img, flow)[inside]
    difference = (warped - previous_img[inside])[counted] / 255
    return float(_SCALE * np.square(difference).mean())


def visible_pixels(forward: np.ndarray, backward: np.ndarray, *, mask: WarpingMask = 'consistency') -> np.ndarray:
    """Return which pixels (h, w) of a frame are visible in the next one.

    Args:
        forward: Flow (h, w, 2), x and y, in pixels, from the frame to the next one.
        backward: Flow from the next one to the frame.
        mask: 'consistency': pixels that stay inside the frame, and where the way there and back ends near its
            beginning: |w + w'|^2 <= 0.01 (|w|^2 + |w'|^2) + 0.5 with w forward, and w' backward at the place where w
            leads to. 'ruder': of these, those that are at no motion boundary: |grad u|^2 + |grad v|^2
            <= 0.01 |w|^2 + 0.002.

    Source: Sundaram et al., Dense point trajectories by GPU-accelerated large displacement optical flow (2010); Ruder
        et al., Artistic style transfer for videos (2016), and Lai et al. take both conditions.
    """
    height, width = forward.shape[:2]
    forward, backward = (flow.astype(np.float64) for flow in (forward, backward))
    back = _sample(backward, forward)
    x, y = forward[..., 0] + np.arange(width), forward[..., 1] + np.arange(height)[:, None]
    is_inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    length = _squared(forward)
    part, offset = _OCCLUDED
    visible = is_inside & (_squared(forward + back) <= part * (length + _squared(back)) + offset)
    if mask == 'ruder':
        part, offset = _AT_BOUNDARY
        gradient = sum(_squared(np.diff(forward, axis=axis, append=_last(forward, axis))) for axis in (0, 1))
        visible &= gradient <= part * length + offset
    return visible


def _last(flow: np.ndarray, axis: int) -> np.ndarray:
    """Return the last row or column, beyond which a flow is as it is there."""
    return np.take(flow, [-1], axis=axis)


def _squared(vectors: np.ndarray) -> np.ndarray:
    return np.square(vectors).sum(-1)


def _sample(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Return an image (h, w, C) sampled where a flow leads to, in 64 bits: whole pixels stay what they are."""
    sampled = warp(_to_tensor(image), _to_tensor(flow))
    return sampled[0].permute(1, 2, 0).numpy()  # -> (h, w, C)


def _to_tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].double()  # (h, w, C) -> (1, C, h, w)


def _motion_between(before: np.ndarray, after: np.ndarray, estimate: Estimator, mask: WarpingMask) -> _Motion:
    forward = estimate(before, after)
    return forward, visible_pixels(forward, estimate(after, before), mask=mask)


@for_framework
def calculate_warping_error(
    img: np.ndarray,
    previous_img: np.ndarray,
    img2: np.ndarray | None = None,
    previous_img2: np.ndarray | None = None,
    *,
    flow: WarpingFlow = 'dis',
    frames: WarpingFrames = 'gt',
    mask: WarpingMask = 'consistency',
    crop: Crop = 'none',
    crop_border: Annotated[int, NOT_NEGATIVE] = 8,
    weights: str | None = None,
    random_weights: bool = False,
) -> float:
    """Return the warping error of images (h, w, 3), BGR, uint8, times 1000; lower is better. See ``warping_error``.

    Args:
        img: The restored image.
        previous_img: The restored image before.
        img2: The true one.
        previous_img2: The true one before.
        flow: Optical flow: OpenCV's DIS with its preset medium, or RAFT-large of torchvision.
        frames: Whose motion is followed: that of the ground truth, or that of the restored frames.
        mask: Pixels that count: where the flows forward and backward agree, or of these those off motion boundaries.
        crop: Part of a frame that counts: all, all but the border, or what TecoGAN's script takes.
        crop_border: Pixels left out at each border, with crop: border.
        weights: File of the weights of RAFT, as torchvision's; None for the published ones.
        random_weights: Whether RAFT has random weights, for tests without a download.
    """
    return warping_error(
        previous_img,
        img,
        previous_img2,
        img2,
        flow=flow,
        frames=frames,
        mask=mask,
        crop=crop,
        crop_border=crop_border,
        weights=weights,
        random_weights=random_weights,
    )


def _measure(restored: Frame, truth: Frame | None, how: How) -> float:
    followed = truth if how.settings['frames'] == 'gt' else restored
    assert followed is not None
    return measure_along(restored, followed, how)


def measure_along(restored: Frame, followed: Frame, how: How) -> float:
    """Return the warping error of a frame along the motion of another one, or along its own."""
    settings = how.settings
    assert restored.previous is not None
    motion = _motion_to(followed, how.network or dis_flow, settings['mask'])
    crop, border = settings['crop'], settings['crop_border']
    return error_along(restored.previous.image, restored.image, *motion, crop=crop, crop_border=border)


def _motion_to(frame: Frame, estimate: Estimator, mask: WarpingMask) -> _Motion:
    """Return the motion from the frame before, computed once."""
    before = frame.previous
    assert before is not None

    def compute() -> _Motion:
        return _motion_between(before.image, frame.image, estimate, mask)

    return frame.once((_motion_to, id(estimate), mask), compute, of_pair=True)


def without_raft(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a spec is to have where the flow is not that of RAFT."""
    if settings['flow'] == 'raft':
        return {}
    return {'weights': None, 'may_use_device': False, 'packages': ('numpy', 'opencv-python', 'torch')}


def _needs_less(settings: Mapping[str, Any]) -> dict[str, Any]:
    less = without_raft(settings)
    if settings['frames'] == 'result':
        less['needs_ground_truth'] = False
    return less


register(
    MetricSpec(
        name='warping_error',
        label='E_warp x1e3',
        summary='what changes from frame to frame beside motion; 1000 times the squared error of pixels in [0, 1]',
        direction='lower',
        decimals=3,
        unit='1e-3, pixels in [0, 1]',
        aspect='motion',
        looks_at='previous',
        settings={
            'flow': 'warping_flow',
            'frames': 'warping_frames',
            'mask': 'warping_mask',
            'crop': 'warping_crop',
            'crop_border': 'crop_border',
        },
        packages=('numpy', 'torch', 'torchvision'),
        weights=RAFT_WEIGHTS,
        may_use_device=True,
        needs_less=_needs_less,
        measure=_measure,
        function=calculate_warping_error,
    )
)
