"""Crops of clips, and their low-quality versions without the rest of the frames.

Shape legend: T frames of a sample, H, W size of whole images, h, w of the low-quality crop.
"""

import random

import cv2
import numpy as np
import torch
from torch import Tensor

from dlvr_plugin.core.lmdb_file import prefetch
from dlvr_plugin.data.degradations import Degradation
from dlvr_plugin.data.realistic import RealisticDegradation

Corner = tuple[int, int]  # top left pixel of a crop


def crop_frames(images: list[np.ndarray], top: int, left: int, height: int, width: int) -> Tensor:
    """Crop images (H, W, 3), BGR, uint8, to frames (T, 3, height, width), RGB, uint8."""
    crops = [image[top : top + height, left : left + width] for image in images]
    if not images[0].flags.owndata:  # raw frames that may still be on disk
        prefetch(crops)
    frames = np.empty((len(images), 3, height, width), np.uint8)
    for crop, (red, green, blue) in zip(crops, frames, strict=True):
        cv2.split(np.ascontiguousarray(crop), (blue, green, red))  # (H, W, 3) -> 3 x (H, W)
    return torch.from_numpy(frames)


def degrade_crop(
    degradation: Degradation, images: list[np.ndarray], windows: Tensor, corner: Corner, gt_size: int
) -> Tensor:
    """Degrade just what the low-quality crop depends on, as if from whole frames.

    Args:
        degradation: What is done.
        images: Whole images (H, W, 3), BGR, uint8.
        windows: Which of them each low-quality frame is made of, (T, N).
        corner: Of the crop in the images. Where it is no multiple of the scale, the low-quality pixels lie between
            those of the whole frames.
        gt_size: Side of the crop in the images.

    Returns:
        Frames (T, 3, h, w) in [0, 1], RGB.
    """
    scale, margin = degradation.scale, degradation.margin * degradation.scale
    spans = []
    for first, length in zip(corner, images[0].shape[:2], strict=True):
        start = max(first - margin, first % scale)
        stop = min(first + gt_size + margin, first + (length - first) // scale * scale)
        spans.append((start, stop - start, (first - start) // scale))
    (top, height, row), (left, width, column) = spans
    region = crop_frames(images, top, left, height, width)
    lq = degradation(to_float(region)[windows])
    size = gt_size // scale
    return lq[..., row : row + size, column : column + size]


def degrade_clip_crop(
    degradation: RealisticDegradation, images: list[np.ndarray], corners: list[Corner], gt_size: int
) -> Tensor:
    """Degrade the crops of a clip, and what lies around them, as a clip of their own.

    What is done is drawn from the module ``random``, and so is how much of the surroundings lies on which side, so that
    the blocks of codecs fall anywhere in the crops.

    Args:
        degradation: What is drawn from.
        images: Whole images (H, W, 3), BGR, uint8, one a frame.
        corners: Of the crop in each image.
        gt_size: Side of the crops.

    Returns:
        Frames (T, 3, h, w) in [0, 1], RGB.
    """
    scale, size = degradation.scale, gt_size // degradation.scale
    spans = []
    for firsts, length in zip(zip(*corners, strict=True), images[0].shape[:2], strict=True):
        room = min(firsts) // scale, (length - max(firsts) - gt_size) // scale
        before, after = _draw_margins(degradation.margin, *room)
        spans.append((before, before + size + after))
    (above, height), (before, width) = spans
    regions = [
        crop_frames([image], top - above * scale, left - before * scale, height * scale, width * scale)
        for image, (top, left) in zip(images, corners, strict=True)
    ]
    chain = degradation.draw(random, num_frames=len(images))
    lq = chain(to_float(torch.cat(regions)))
    return lq[..., above : above + size, before : before + size]


def _draw_margins(margin: int, room_before: int, room_after: int) -> tuple[int, int]:
    """Return how many pixels to take on both sides, twice the margin in all where there is room for that."""
    before = min(random.randint(margin // 2, margin + margin // 2), room_before)
    after = min(2 * margin - before, room_after)
    return min(2 * margin - after, room_before), after


def to_float(frames: Tensor) -> Tensor:
    """Return frames, uint8 or in [0, 1], as floats in [0, 1]."""
    return frames.float().div_(255) if frames.dtype == torch.uint8 else frames
