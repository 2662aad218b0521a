"""Checks of option values and of weights, with errors that name the option or the file."""

from collections.abc import Mapping, Sequence
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


def check_weights(
    found: Mapping[str, Any], wanted: Mapping[str, Any], *, where: str, network: str, is_strict: bool = True
) -> None:
    """Compare names and shapes of weights with those of a network.

    Args:
        found: Tensors of the weights, by name.
        wanted: Tensors of the network, by name.
        where: File of the weights, for the error.
        network: Name of the network, for the error.
        is_strict: Whether all must fit, or at least one.

    Raises:
        ValueError: They belong to another network; names the first tensor that differs.
    """
    found_shapes, wanted_shapes = (
        {name: tuple(value.shape) for name, value in each.items() if hasattr(value, 'shape')}
        for each in (found, wanted)
    )
    wrong = [name for name, shape in wanted_shapes.items() if found_shapes.get(name) != shape]
    extra = [name for name in found_shapes if name not in wanted_shapes]
    if (wrong or extra) if is_strict else len(wrong) == len(wanted_shapes):
        first = (wrong or extra)[0]
        raise ValueError(
            f'{where} holds another network than {network}: {len(wrong)} of {len(wanted_shapes)} tensors are missing '
            f'or of another shape, {len(extra)} are unknown. {first} is {found_shapes.get(first, "missing")} in the '
            f'file and {wanted_shapes.get(first, "missing")} in the network.'
        )
