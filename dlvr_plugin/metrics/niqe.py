"""NIQE: how natural a frame looks, without a reference; that of the framework."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from basicsr.metrics import calculate_niqe

from dlvr_plugin.metrics.frames import Frame, check_images
from dlvr_plugin.metrics.spec import How, MetricSpec, NoValueError, register

_BLOCK = 96  # pixels of the side of what is compared


def niqe(img: np.ndarray, *, crop_border: int = 8, convert_to: Literal['y', 'gray'] = 'y') -> float:
    """Return NIQE; lower is better.

    Args:
        img: Image (h, w, 3), BGR, uint8.
        crop_border: Pixels left out at each border.
        convert_to: 'y': the luma of BT.601; 'gray': OpenCV's.

    Raises:
        NoValueError: The image holds less than two blocks of 96x96 pixels.
        InvalidValueError: An image of another type.

    Source: Mittal et al., Making a completely blind image quality analyzer; ``calculate_niqe`` of the host.
    """
    check_images(img, img)
    check_blocks(img.shape[:2], crop_border)
    return float(calculate_niqe(img, crop_border, convert_to=convert_to))


def check_blocks(size: tuple[int, ...], crop_border: int) -> None:
    """Demand two blocks in an image of a size (h, w) without its border.

    Raises:
        NoValueError: There are less.
    """
    height, width = (side - 2 * crop_border for side in size)
    if (height // _BLOCK) * (width // _BLOCK) < 2:
        raise NoValueError(
            f'NIQE compares blocks of {_BLOCK}x{_BLOCK} pixels and needs two; without its border of {crop_border} the '
            f'frame is {height}x{width}.'
        )


def _read_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {'crop_border': options['crop_border'], 'convert_to': options['convert_to']}


def _measure(restored: Frame, truth: Frame | None, how: How) -> float:
    return niqe(restored.image, **how.settings)


register(
    MetricSpec(
        name='niqe',
        label='NIQE',
        summary='how natural a frame looks, without a reference; that of BasicSR',
        direction='lower',
        decimals=4,
        aspect='perception',
        settings={'crop_border': 'crop_border'},
        packages=('numpy', 'opencv-python', 'scipy', 'basicsr'),
        needs_ground_truth=False,
        measure=_measure,
        function=calculate_niqe,
        read_options=_read_options,
    )
)
