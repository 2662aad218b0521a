"""Resizing without antialiasing but that of 'area', as programs of every quality do it."""

import cv2
from torch import Tensor

from dlvr_plugin.core.choices import ResizeMode

SMALLEST_SIDE = 16
"""To which intermediate frames are made smaller at most; a macroblock of a codec."""

_INTERPOLATION = {'area': cv2.INTER_AREA, 'bilinear': cv2.INTER_LINEAR, 'bicubic': cv2.INTER_CUBIC}


def resize(frames: Tensor, size: tuple[int, int], mode: ResizeMode) -> Tensor:
    """Resize frames (T, C, H, W), float32, to a size (height, width).

    'bilinear' and 'bicubic' (a = -0.75) see 2 and 4 pixels along an axis, whatever the factor; 'area' takes the mean of
    the pixels that a pixel of the result covers, and is much like 'bilinear' where it enlarges.

    Source: Real-ESRGAN, section 3.1; RealBasicVSR takes OpenCV's functions, too.
    """
    if tuple(frames.shape[-2:]) == size:
        return frames
    frames = frames.contiguous()
    result = frames.new_empty(*frames.shape[:2], *size)
    for frame, resized in zip(frames.numpy(), result.numpy(), strict=True):
        for plane, out in zip(frame, resized, strict=True):
            cv2.resize(plane, size[::-1], dst=out, interpolation=_INTERPOLATION[mode])
    return result


def scaled_size(size: tuple[int, int], factor: float, of: tuple[int, int]) -> tuple[int, int]:
    """Return the size that frames get, ``factor`` times ``of``, rounded down, its shorter side at least 16 pixels.

    Frames whose shorter side is smaller already are not made smaller.

    Args:
        size: Height and width of the frames.
        factor: What the draw says.
        of: Height and width that the factor counts from.

    >>> scaled_size((64, 96), 0.5, of=(64, 96)), scaled_size((64, 96), 0.1, of=(64, 96))
    ((32, 48), (16, 24))
    >>> scaled_size((8, 8), 0.1, of=(8, 8))
    (8, 8)
    """
    smallest = min(SMALLEST_SIDE, *size)
    factor = max(factor, smallest / min(of))
    return max(int(of[0] * factor), smallest), max(int(of[1] * factor), smallest)
