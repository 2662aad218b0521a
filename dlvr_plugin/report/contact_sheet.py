"""Contact sheets: training samples as pictures."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from torch import Tensor

from dlvr_plugin.core.images import line_up

_GAP, _LABEL_HEIGHT = 6, 20
_PAPER, _INK = 255, (40, 40, 40)


def draw_contact_sheet(samples: Sequence[dict[str, Any]]) -> np.ndarray:
    """Draw samples one below the other: low-quality frames above, ground truth below, time to the right.

    Args:
        samples: Samples with ``lq`` (T, 3, h, w), ``gt`` (T, 3, H, W) or, of the middle frame alone, (3, H, W), and
            ``key``; RGB in [0, 1]. Low-quality pixels are drawn as squares, so that both have one size.

    Returns:
        Image (height, width, 3), BGR, uint8.
    """
    return _stack([_draw_sample(sample) for sample in samples])


def _draw_sample(sample: dict[str, Any]) -> np.ndarray:
    lq, gt = sample['lq'], sample['gt']
    size = (gt.shape[-1], gt.shape[-2])
    lq_images = [cv2.resize(image, size, interpolation=cv2.INTER_NEAREST) for image in _to_images(lq)]
    gt_images = _to_images(gt if gt.dim() == 4 else gt[None])
    if len(gt_images) < len(lq_images):  # the middle frame alone
        blank = np.full_like(gt_images[0], _PAPER)
        before = (len(lq_images) - len(gt_images)) // 2
        gt_images = [blank] * before + gt_images + [blank] * (len(lq_images) - len(gt_images) - before)
    label = (
        f'{sample["key"]}: LQ {lq.shape[-2]}x{lq.shape[-1]} above, GT {gt.shape[-2]}x{gt.shape[-1]} below, '
        f'{len(lq_images)} frames'
    )
    return _stack([_draw_label(label), line_up(lq_images), line_up(gt_images)])


def _to_images(frames: Tensor) -> list[np.ndarray]:
    """Turn frames (T, 3, h, w), RGB in [0, 1], into images (h, w, 3), BGR, uint8."""
    images = frames.clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).flip(-1)
    return [np.ascontiguousarray(image) for image in images.numpy()]


def _draw_label(text: str) -> np.ndarray:
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
    label = np.full((_LABEL_HEIGHT, width + 2, 3), _PAPER, np.uint8)
    cv2.putText(label, text, (1, _LABEL_HEIGHT - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
    return label


def _stack(images: Sequence[np.ndarray]) -> np.ndarray:
    """Place images of any width one below the other."""
    width = max(image.shape[1] for image in images) + 2 * _GAP
    lines = []
    for image in images:
        line = np.full((image.shape[0] + _GAP, width, 3), _PAPER, np.uint8)
        line[: image.shape[0], _GAP : _GAP + image.shape[1]] = image
        lines.append(line)
    return np.vstack(lines)
