"""tOF: how far the motion of a restored sequence is from that of the ground truth."""

from typing import Annotated

import numpy as np

from dlvr_plugin.core.choices import Crop, FlowNorm
from dlvr_plugin.core.declarations import NOT_NEGATIVE
from dlvr_plugin.metrics.frames import Frame, check_images, crop_slices, to_grey
from dlvr_plugin.metrics.optical_flow import Expansion, farneback_flow, flow_of_prepared, prepare_frame
from dlvr_plugin.metrics.spec import How, MetricSpec, for_framework, register

_STRIP_ROWS = 64


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
        crop: Part of the flow that counts; see ``crop_slices``.
        crop_border: Pixels that 'border' leaves out.

    Raises:
        InvalidValueError: Nothing is left of the frame.
    """
    inside = crop_slices(flow.shape[:2], crop, crop_border)
    flow, flow2 = flow[inside], flow2[inside]
    total, (height, width) = 0.0, flow.shape[:2]
    for start in range(0, height, _STRIP_ROWS):
        rows = slice(start, start + _STRIP_ROWS)
        x, y = (flow[rows, :, axis] - flow2[rows, :, axis] for axis in (0, 1))
        if norm == 'absolute':
            distance = np.add(np.abs(x, out=x), np.abs(y, out=y), out=x)
        else:  # OpenCV's magnitude rounds differently by where an array begins in memory
            distance = np.sqrt(np.add(np.multiply(x, x, out=x), np.multiply(y, y, out=y), out=x), out=x)
        total += float(distance.sum(dtype=np.float64))
    return total / (height * width)


@for_framework
def calculate_tof(
    img: np.ndarray,
    img2: np.ndarray,
    previous_img: np.ndarray,
    previous_img2: np.ndarray,
    *,
    norm: FlowNorm = 'euclidean',
    crop: Crop = 'none',
    crop_border: Annotated[int, NOT_NEGATIVE] = 8,
) -> float:
    """Return the tOF in pixels a frame of images (h, w, 3), BGR, uint8; lower is better. See ``tof``.

    Args:
        img: The restored image.
        img2: The true one.
        previous_img: The restored image before.
        previous_img2: The true one before.
        norm: Norm of the difference of two flow vectors.
        crop: Part of a frame that counts: all, all but the border, or what TecoGAN's script takes.
        crop_border: Pixels left out at each border, with crop: border.
    """
    return tof(previous_img, img, previous_img2, img2, norm=norm, crop=crop, crop_border=crop_border)


def _measure(restored: Frame, truth: Frame, how: How) -> float:
    true_flow = _flow_to(truth)  # first, as it is computed once for all methods
    return flow_distance(_flow_to(restored), true_flow, **how.settings)


def _flow_to(frame: Frame) -> np.ndarray:
    """Return the flow (h, w, 2) from the frame before."""
    previous = frame.previous
    assert previous is not None
    return frame.once(_flow_to, lambda: flow_of_prepared(_prepare(previous), _prepare(frame)), of_pair=True)


def _prepare(frame: Frame) -> Expansion | np.ndarray:
    return frame.once(_prepare, lambda: prepare_frame(to_grey(frame.image)))


register(
    MetricSpec(
        name='tof',
        label='tOF',
        summary="distance of the optical flow from that of the ground truth; TecoGAN's definition, Farneback's flow",
        direction='lower',
        decimals=4,
        unit='pixels a frame',
        aspect='motion',
        looks_at='previous',
        settings={'norm': 'tof_norm', 'crop': 'tof_crop', 'crop_border': 'crop_border'},
        version=2,
        packages=('numpy', 'opencv-python'),
        measure=_measure,
        function=calculate_tof,
    )
)
