"""The grid: regular patterns that a generator leaves, by how much their energy exceeds that in the ground truth.

A generator that upsamples writes each phase of its output by weights of its own, and a loss network with strides looks
at each with a strength of its own. What differs between phases is a pattern that repeats every few pixels, whose energy
lies at multiples of one frequency, while that of pictures is spread smoothly.
"""

import functools
from typing import Annotated

import numpy as np

from dlvr_plugin.core.declarations import NOT_NEGATIVE
from dlvr_plugin.metrics.frames import Frame, check_images, to_grey
from dlvr_plugin.metrics.spec import How, MetricSpec, NoValueError, for_framework, register

_PERIOD = 16  # pixels: the strides of T's four layers; 2, 4 and 8, as of an upsampling, repeat in it, too
_WINDOW = 64  # pixels of the side of what is looked at; four periods
_STRIDE = _WINDOW // 2
_APART = 2  # bins from a line of a Hann window to where nothing of it is left
_SHARE_OF_LINE = 2 / 3  # of the energy of a line that is in its own bin along an axis, with such a window
_WINDOWS_AT_ONCE = 64  # bounds the memory
_ROUNDING = 1.0  # of the energy; that of one grey level at one pixel is above


def grid(img: np.ndarray, img2: np.ndarray, *, crop_border: int = 8) -> float:
    """Return how much more of the energy of an image is in a grid than of that of its ground truth, in percent.

    The energy is that of the differences between neighbouring pixels, down and to the right, of grey levels in windows
    of 64x64. That of the grid is what is at multiples of 1/16 cycle a pixel along both axes, above the geometric mean
    of what is around these.

    Args:
        img: Image (h, w, 3), BGR, uint8.
        img2: Its ground truth.
        crop_border: Pixels left out at each border.

    Returns:
        Percent; 0 for the ground truth itself, below 0 where that has more of a grid; lower is better.

    Raises:
        NoValueError: The image holds no window of 64x64 pixels.
        InvalidValueError: Images of different sizes, or of another type.
    """
    check_images(img, img2)
    return _share_of_grid(img, crop_border) - _share_of_grid(img2, crop_border)


@for_framework
def calculate_grid(
    img: np.ndarray,
    img2: np.ndarray,
    *,
    crop_border: Annotated[int, NOT_NEGATIVE] = 8,
) -> float:
    """Return how much more of the energy of an image is in a grid than of the true one, in percent; lower is better.

    Args:
        img: The restored image, (h, w, 3), BGR, uint8.
        img2: The true one.
        crop_border: Pixels left out at each border.
    """
    return grid(img, img2, crop_border=crop_border)


def check_windows(size: tuple[int, ...], crop_border: int) -> None:
    """Demand a window in an image of a size (h, w) without its border.

    Raises:
        NoValueError: There is none.
    """
    height, width = (side - 2 * crop_border for side in size)
    if min(height, width) < _WINDOW:
        raise NoValueError(
            f'The grid is looked for in windows of {_WINDOW}x{_WINDOW} pixels; without its border of {crop_border} the '
            f'frame is {height}x{width}.'
        )


def _share_of_grid(image: np.ndarray, crop_border: int) -> float:
    """Return the percentage of the energy of an image that is in a grid."""
    power = _power(image, crop_border)
    axes = [np.roll(power, step, axis) for axis in (0, 1) for step in (-_APART, _APART)]
    around = np.exp(np.mean(np.log(np.stack(axes) + np.finfo(np.float64).tiny), axis=0))
    step = _WINDOW // _PERIOD
    lines = (power - around)[::step, ::step]
    total = power.sum()
    return float(100 * lines.sum() / _SHARE_OF_LINE**2 / total) if total > _ROUNDING else 0.0


def _power(image: np.ndarray, crop_border: int) -> np.ndarray:
    """Return the mean power spectrum (64, 64) of the differences of neighbouring pixels in an image's windows."""
    grey = to_grey(image).astype(np.float32)
    check_windows(image.shape[:2], crop_border)
    inside = grey[crop_border : grey.shape[0] - crop_border, crop_border : grey.shape[1] - crop_border]
    windows = np.lib.stride_tricks.sliding_window_view(inside, (_WINDOW, _WINDOW))[::_STRIDE, ::_STRIDE]
    windows = windows.reshape(-1, _WINDOW, _WINDOW)
    hann = _hann()
    power = np.zeros((_WINDOW, _WINDOW))
    for start in range(0, len(windows), _WINDOWS_AT_ONCE):
        part = windows[start : start + _WINDOWS_AT_ONCE]
        part = part - (part * hann).sum((1, 2), keepdims=True) / hann.sum()  # or their mean leaks into their lines
        power += (np.abs(np.fft.fft2(part * hann)) ** 2).sum(0)
    of_differences = 2 - 2 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)  # along an axis
    return power / len(windows) * (of_differences[:, None] + of_differences)


@functools.cache
def _hann() -> np.ndarray:
    """Return the window, (64, 64), whose transform is zero two bins and more from its middle."""
    phases = 2 * np.pi * np.arange(_WINDOW) / _WINDOW
    line = ((1 - np.cos(phases)) / 2).astype(np.float32)
    return np.outer(line, line)


def _measure(restored: Frame, truth: Frame, how: How) -> float:
    return _share_of(restored, **how.settings) - _share_of(truth, **how.settings)


def _share_of(frame: Frame, *, crop_border: int = 8) -> float:
    return frame.once((_share_of, crop_border), lambda: _share_of_grid(frame.image, crop_border))


register(
    MetricSpec(
        name='grid',
        label='grid',
        summary='energy at the frequencies of the phases of T and G, beyond that of the ground truth',
        direction='lower',
        decimals=3,
        unit='%',
        aspect='distortion',
        settings={'crop_border': 'crop_border'},
        packages=('numpy', 'opencv-python'),
        measure=_measure,
        function=calculate_grid,
    )
)
