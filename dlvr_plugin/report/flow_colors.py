"""Optical flow as colours: the direction gives the hue, the length the saturation."""

import cv2
import numpy as np

from dlvr_plugin.core.errors import InvalidValueError


def color_flow(flow: np.ndarray, max_length: float) -> np.ndarray:
    """Turn flow into colours: those of ``mmcv.flow2rgb`` where mmcv is installed, else those of an HSV wheel.

    Args:
        flow: Flow (h, w, 2), x and y, in pixels.
        max_length: Length that gets full colours, above 0; longer vectors are shown as if they had it.

    Returns:
        Image (h, w, 3), RGB, uint8; white where nothing moves.

    Raises:
        InvalidValueError: ``max_length`` is not above 0.
    """
    if not max_length > 0:
        raise InvalidValueError(f'max_length must be above 0, got {max_length}.')
    length = np.linalg.norm(flow, axis=-1, keepdims=True)
    unit = flow / np.maximum(length, max_length)
    try:
        from mmcv import flow2rgb  # its import takes seconds
    except ImportError:
        return _color_by_hsv(unit)
    # mmcv takes the longest vector of an image as the unit. A row that is cut off again makes it 1; the others stay
    # below that, as rounding beyond it would darken them.
    longest = np.broadcast_to(np.array([1, 0], np.float32), (1, unit.shape[1], 2))
    colors = flow2rgb(np.concatenate([unit * 0.9999, longest]))[:-1]
    return np.round(colors * 255).astype(np.uint8)


def draw_color_wheel(size: int) -> np.ndarray:
    """Draw the legend: the colour of the flow that points from the centre to a place, of full length at the rim.

    Args:
        size: Side in pixels.

    Returns:
        Image (size, size, 3), RGB, uint8; white outside of the disc.
    """
    side = np.linspace(-1, 1, size, dtype=np.float32)
    flow = np.stack(np.meshgrid(side, side), axis=-1)
    wheel = color_flow(flow, 1.0)
    wheel[np.linalg.norm(flow, axis=-1) > 1] = 255
    return wheel


def _color_by_hsv(unit: np.ndarray) -> np.ndarray:
    """Colour flow whose longest vectors have the length 1."""
    hue = np.degrees(np.arctan2(unit[..., 1], unit[..., 0])) % 360
    saturation = np.minimum(np.linalg.norm(unit, axis=-1), 1)
    hsv = np.stack([hue, saturation, np.ones_like(hue)], axis=-1).astype(np.float32)
    return np.round(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255).astype(np.uint8)
