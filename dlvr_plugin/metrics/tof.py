"""tOF: how far the motion of a restored sequence is from that of the ground truth."""

import cv2
import numpy as np

from dlvr_plugin.core.choices import Crop, FlowNorm
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.metrics.optical_flow import farneback_flow
from dlvr_plugin.metrics.psnr_ssim import check_images


def tof(
    previous_img: np.ndarray,
    img: np.ndarray,
    previous_img2: np.ndarray,
    img2: np.ndarray,
    *,
    norm: FlowNorm = 'euclidean',
    crop: Crop = 'none',
    crop_border: int = 8,
) -> float:
    """Return the mean distance between two flows in pixels a frame; lower is better, 0 is the best.

    Args:
        previous_img: Restored frame t-1, (h, w, 3), BGR, uint8.
        img: Restored frame t.
        previous_img2: Ground truth of frame t-1.
        img2: Ground truth of frame t.
        norm: See ``flow_distance``.
        crop: See ``flow_distance``.
        crop_border: See ``flow_distance``.

    Raises:
        InvalidValueError: Images of different sizes, or of another type.

    Source: Chu et al., Learning temporal coherence via self-supervision for GAN-based video generation (TecoGAN),
        with Farneback's flow on grey frames of 8 bits.
    """
    check_images(previous_img, img)
    check_images(previous_img2, img2)
    check_images(img, img2)
    flows = [
        farneback_flow(to_grey(previous), to_grey(current))
        for previous, current in ((previous_img, img), (previous_img2, img2))
    ]
    return flow_distance(*flows, norm=norm, crop=crop, crop_border=crop_border)


def flow_distance(
    flow: np.ndarray, flow2: np.ndarray, *, norm: FlowNorm = 'euclidean', crop: Crop = 'none', crop_border: int = 8
) -> float:
    """Return the mean distance between two flows (h, w, 2), in pixels.

    Args:
        flow: Flow of the restored frames.
        flow2: Flow of the ground truth.
        norm: 'euclidean', that of both TecoGAN's script and the paper, or 'absolute', the sum over the components.
        crop: 'none', 'border' (``crop_border`` pixels at each side) or 'tecogan': the middle that TecoGAN's script
            keeps, a multiple of 32 pixels at least 16 smaller than the frame.
        crop_border: Pixels that 'border' leaves out.

    Raises:
        InvalidValueError: Nothing is left of the frame.
    """
    inside = crop_slices(flow.shape[:2], crop, crop_border)
    difference = flow[inside] - flow2[inside]
    if norm == 'absolute':
        return float(np.abs(difference).sum(axis=2).mean(dtype=np.float64))
    return float(cv2.magnitude(*cv2.split(difference)).mean(dtype=np.float64))


def crop_slices(size: tuple[int, ...], crop: Crop, crop_border: int) -> tuple[slice, slice]:
    """Return what a crop keeps of a frame of ``size`` (h, w)."""
    if crop == 'none':
        return slice(None), slice(None)
    slices = []
    for side in size[:2]:
        kept = side - 2 * crop_border
        if crop == 'tecogan':
            kept = (side - 16) // 32 * 32
        if kept <= 0:
            raise InvalidValueError(f'Frames of {size[0]}x{size[1]} pixels are too small for the crop {crop}.')
        start = (side - kept) // 2
        slices.append(slice(start, start + kept))
    return slices[0], slices[1]


def to_grey(image: np.ndarray) -> np.ndarray:
    """Return the grey image (h, w), uint8, of one (h, w, 3), BGR."""
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
