"""Checks of single arguments, with errors that name them; ``core.declarations`` checks what annotations declare."""

from typing import Any, get_args

from dlvr_plugin.core.errors import InvalidTypeError, InvalidValueError


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
