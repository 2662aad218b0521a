"""Which metrics there are, and what each one declares."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from dlvr_plugin.core.errors import InvalidValueError

Direction = Literal['higher', 'lower']


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of restored clips.

    Attributes:
        label: Name in tables.
        direction: Which values are better.
        decimals: Digits that a table shows.
        unit: Empty where there is none.
        low: Smallest value.
        high: Largest value.
        is_temporal: Whether it compares a frame with the one before, and so has no value for the first.
    """

    label: str
    direction: Direction
    decimals: int
    unit: str = ''
    low: float = 0.0
    high: float = float('inf')
    is_temporal: bool = False


METRICS = {
    'psnr': Metric(label='PSNR', direction='higher', decimals=2, unit='dB'),
    'ssim': Metric(label='SSIM', direction='higher', decimals=4, low=-1, high=1),
    'psnr_y': Metric(label='PSNR-Y', direction='higher', decimals=2, unit='dB'),
    'ssim_y': Metric(label='SSIM-Y', direction='higher', decimals=4, low=-1, high=1),
    'lpips': Metric(label='LPIPS', direction='lower', decimals=4),
    'tof': Metric(label='tOF', direction='lower', decimals=4, unit='pixels a frame', is_temporal=True),
    'tlp': Metric(label='tLP', direction='lower', decimals=4, is_temporal=True),
    'niqe': Metric(label='NIQE', direction='lower', decimals=4),
    'vmaf': Metric(label='VMAF', direction='higher', decimals=2, high=100),
}

LPIPS_METRICS = ('lpips', 'tlp')  # that need the weights of LPIPS


def check_metrics(names: Iterable[str]) -> None:
    """Demand known metrics, each once.

    Raises:
        InvalidValueError: One is unknown or named twice, or there is none.
    """
    names = list(names)
    for name in names:
        if name not in METRICS:
            raise InvalidValueError(f'metrics must be some of {", ".join(METRICS)}, got {name!r}.')
    if not names or len(set(names)) < len(names):
        raise InvalidValueError(f'metrics must name at least one, each once, got {" ".join(names) or "none"}.')
