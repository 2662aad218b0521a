"""Whether a low-quality frame shows the same as its ground truth, pixel on pixel."""

from dataclasses import dataclass

import cv2
import numpy as np

from dlvr_plugin.core.resampling import bicubic_kernel
from dlvr_plugin.data.degradations import gaussian_kernel

_PATCH = 48  # side of the low-quality patches that are compared
_REACH = 2  # low-quality pixels up to which a shift is looked for
_SAME_CONTENT = 0.5  # correlation below which two patches show different things
_BETTER = 0.5  # a shift counts where it leaves less than this part of the squared error


@dataclass(frozen=True)
class PatchAlignment:
    """How a patch of a low-quality frame lies on its ground truth.

    Attributes:
        offset: Shift (down, right) in ground-truth pixels at which it agrees best, (0, 0) where none is clearly better.
        degradation: 'BI' or 'BD', the fresh downscale that agrees better there.
        psnr: Of that, in dB.
        correlation: Of the two, -1 to 1.
    """

    offset: tuple[int, int]
    degradation: str
    psnr: float
    correlation: float

    @property
    def shows_the_same(self) -> bool:
        """Whether both show the same thing at all."""
        return self.correlation >= _SAME_CONTENT


def align_frames(gt: np.ndarray, lq: np.ndarray, scale: int) -> list[PatchAlignment]:
    """Compare a low-quality frame with fresh downscales of its ground truth, at every small shift.

    Args:
        gt: Ground truth (H, W, 3), uint8.
        lq: Low-quality frame (h, w, 3), uint8, h = H // scale, w = W // scale.
        scale: Factor between them.

    Returns:
        The most textured patch of each quarter; fewer where a quarter is flat or too small.
    """
    gt_grey, lq_grey = (cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32) for image in (gt, lq))
    filtered = {}
    for name, (kernel, first) in {'BI': bicubic_kernel(scale), 'BD': gaussian_kernel(1.5)}.items():
        if scale == 1 and name == 'BD':
            continue
        # Rows and columns at which the downscale would sample, and all others: every shift is a slice.
        weights = kernel.numpy()
        filtered[name] = cv2.sepFilter2D(gt_grey, -1, weights, weights, anchor=(-first, -first))
    corners = _textured_corners(lq_grey)
    found = (_align_patch(filtered, lq_grey, corner, scale) for corner in corners)
    return [alignment for alignment in found if alignment is not None]


def _textured_corners(lq: np.ndarray) -> list[tuple[int, int]]:
    """Return the top left corner of the most textured patch of each quarter."""
    side = min(_PATCH, *(length // 2 - 2 * _REACH for length in lq.shape))
    if side < 8:
        return []
    gradients = cv2.Sobel(lq, -1, 1, 0) ** 2 + cv2.Sobel(lq, -1, 0, 1) ** 2
    sums = cv2.boxFilter(gradients, -1, (side, side), normalize=False, anchor=(0, 0))
    corners = []
    for top in (_REACH, lq.shape[0] // 2):
        for left in (_REACH, lq.shape[1] // 2):
            quarter = sums[top : top + lq.shape[0] // 2 - side - _REACH, left : left + lq.shape[1] // 2 - side - _REACH]
            row, column = np.unravel_index(np.argmax(quarter), quarter.shape)
            corners.append((top + int(row), left + int(column)))
    return corners


def _align_patch(
    filtered: dict[str, np.ndarray], lq: np.ndarray, corner: tuple[int, int], scale: int
) -> PatchAlignment | None:
    side = min(_PATCH, *(length // 2 - 2 * _REACH for length in lq.shape))
    patch = lq[corner[0] : corner[0] + side, corner[1] : corner[1] + side]
    if patch.std() < 2:  # flat: any shift would do
        return None
    reach = _REACH * scale
    errors: dict[tuple[str, int, int], float] = {}
    for name, image in filtered.items():
        for down in range(-reach, reach + 1):
            for right in range(-reach, reach + 1):
                errors[name, down, right] = float(
                    np.mean((_sample(image, corner, side, scale, down, right) - patch) ** 2)
                )
    name, down, right = min(errors, key=lambda key: errors[key])
    unshifted = min(filtered, key=lambda kind: errors[kind, 0, 0])
    if errors[name, down, right] > _BETTER * errors[unshifted, 0, 0]:
        name, down, right = unshifted, 0, 0
    best = _sample(filtered[name], corner, side, scale, down, right)
    psnr = float(10 * np.log10(255**2 / max(errors[name, down, right], 1e-3)))
    return PatchAlignment((down, right), name, psnr, float(np.corrcoef(best.ravel(), patch.ravel())[0, 1]))


def _sample(image: np.ndarray, corner: tuple[int, int], side: int, scale: int, down: int, right: int) -> np.ndarray:
    rows = slice(scale * corner[0] + down, scale * (corner[0] + side) + down, scale)
    columns = slice(scale * corner[1] + right, scale * (corner[1] + side) + right, scale)
    return image[rows, columns]
