"""Frames as metrics see them: checks and crops, and what several metrics compute of a frame, once."""

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import cv2
import numpy as np

from dlvr_plugin.core.choices import Crop
from dlvr_plugin.core.errors import InvalidValueError

_Result = TypeVar('_Result')


class Frame:
    """A frame of a sequence.

    Args:
        image: Image (h, w, 3), BGR, uint8.
        previous: The frame before it, None for the first.

    Attributes:
        image: As given.
        previous: As given; None also where all has been measured that needs it.
    """

    def __init__(self, image: np.ndarray, previous: 'Frame | None' = None) -> None:
        self.image, self.previous = image, previous
        self._results: dict[Hashable, Any] = {}
        self._of_pair: set[Hashable] = set()
        # Taken from a frame to the one before it only, so that threads cannot wait for each other.
        self._lock = threading.RLock()

    def once(self, key: Hashable, compute: Callable[[], _Result], *, of_pair: bool = False) -> _Result:
        """Return what a function computes of this frame; at the second time by this key, what it returned before.

        Args:
            key: What it is.
            compute: The function.
            of_pair: Whether it depends on the frame before, and is of no use to the next one.
        """
        with self._lock:
            if key not in self._results:
                self._results[key] = compute()
                if of_pair:
                    self._of_pair.add(key)
            return self._results[key]

    def forget_previous(self) -> None:
        """Let the frame before go, and what was computed with it: they would fill the memory."""
        with self._lock:
            self.previous = None
            for key in self._of_pair:
                del self._results[key]
            self._of_pair.clear()


def check_images(img: np.ndarray, img2: np.ndarray) -> None:
    """Demand two images (h, w, 3), uint8, of one size.

    Raises:
        InvalidValueError: They are not.
    """
    for image in (img, img2):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InvalidValueError(f'Expected images (h, w, 3) of uint8, got {image.shape} of {image.dtype}.')
    if img.shape != img2.shape:
        raise InvalidValueError(f'Images are of different sizes: {img.shape[:2]} and {img2.shape[:2]} (h, w).')


def crop_slices(size: tuple[int, ...], crop: Crop, crop_border: int) -> tuple[slice, slice]:
    """Return what a crop keeps of a frame.

    Args:
        size: Of the frame, (h, w).
        crop: 'none', 'border' (``crop_border`` pixels less at each side) or 'tecogan': the middle that TecoGAN's
            script keeps, a multiple of 32 pixels at least 16 smaller than the frame.
        crop_border: Pixels that 'border' leaves out.

    Raises:
        InvalidValueError: Nothing is left of the frame.
    """
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
