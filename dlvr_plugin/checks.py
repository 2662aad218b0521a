"""Checks of option values, with errors that name the option."""

from collections.abc import Sequence
from typing import Any, get_args


def check_number(name: str, value: Any, *, minimum: float | None = None, above: float | None = None) -> float:
    """Return a number within its range.

    Raises:
        TypeError: Not a number; YAML reads 1e-4, without a dot, as text.
        ValueError: Out of range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        hint = ' YAML takes 1e-4 for text: write 1.0e-4.' if isinstance(value, str) else ''
        raise TypeError(f'{name} must be a number, got {value!r}.{hint}')
    if minimum is not None and not value >= minimum:
        raise ValueError(f'{name} must be at least {minimum}, got {value}.')
    if above is not None and not value > above:
        raise ValueError(f'{name} must be above {above}, got {value}.')
    return value


def check_integer(name: str, value: Any, *, minimum: int) -> int:
    """Return a whole number within its range.

    Raises:
        TypeError: Not a whole number.
        ValueError: Out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f'{name} must be a whole number, got {value!r}.')
    if value < minimum:
        raise ValueError(f'{name} must be at least {minimum}, got {value}.')
    return value


def check_choice(name: str, value: Any, literal: Any) -> Any:
    """Return one of the values of a ``Literal``.

    Raises:
        ValueError: Not one of them.
    """
    if value not in get_args(literal):
        raise ValueError(f'{name} must be one of {", ".join(get_args(literal))}, got {value!r}.')
    return value


def check_layers(name: str, layers: Sequence[int], num_layers: int) -> tuple[int, ...]:
    """Return layer numbers, counted from 1, that the loss network has.

    Raises:
        ValueError: None, one twice, or one that the network has not.
    """
    known = range(1, num_layers + 1)
    if isinstance(layers, (str, int)) or not layers or len(set(layers)) != len(layers) or set(layers) - set(known):
        raise ValueError(f'{name} must be some of the layers {list(known)}, each once, got {layers!r}.')
    return tuple(layers)
