"""Checks of arguments and options, with errors that name them."""

from collections.abc import Sequence
from typing import Any, get_args

from dlvr_plugin.core.errors import InvalidTypeError, InvalidValueError


def check_number(name: str, value: Any, *, minimum: float | None = None, above: float | None = None) -> float:
    """Return a number within its range.

    Raises:
        InvalidTypeError: Not a number; YAML reads 1e-4, without a dot, as text.
        InvalidValueError: Out of range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        hint = ' YAML takes 1e-4 for text: write 1.0e-4.' if isinstance(value, str) else ''
        raise InvalidTypeError(f'{name} must be a number, got {value!r}.{hint}')
    if minimum is not None and not value >= minimum:
        raise InvalidValueError(f'{name} must be at least {minimum}, got {value}.')
    if above is not None and not value > above:
        raise InvalidValueError(f'{name} must be above {above}, got {value}.')
    return value


def check_integer(name: str, value: Any, *, minimum: int) -> int:
    """Return a whole number within its range.

    Raises:
        InvalidTypeError: Not a whole number.
        InvalidValueError: Out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidTypeError(f'{name} must be a whole number, got {value!r}.')
    if value < minimum:
        raise InvalidValueError(f'{name} must be at least {minimum}, got {value}.')
    return value


def check_choice(name: str, value: Any, literal: Any) -> Any:
    """Return one of the values of a ``Literal``.

    Raises:
        InvalidValueError: Not one of them.
    """
    if value not in get_args(literal):
        raise InvalidValueError(f'{name} must be one of {", ".join(get_args(literal))}, got {value!r}.')
    return value


def check_layers(name: str, layers: Sequence[int], num_layers: int) -> tuple[int, ...]:
    """Return layer numbers, counted from 1, that the loss network has.

    Raises:
        InvalidValueError: None, one twice, or one that the network has not.
    """
    known = range(1, num_layers + 1)
    if isinstance(layers, (str, int)) or not layers or len(set(layers)) != len(layers) or set(layers) - set(known):
        raise InvalidValueError(f'{name} must be some of the layers {list(known)}, each once, got {layers!r}.')
    return tuple(layers)
