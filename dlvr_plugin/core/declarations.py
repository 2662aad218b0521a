"""Declare an argument or an option once, as a typed field, and derive its check from that.

A field of a dataclass, or an argument of a constructor, is declared by its annotation, its default and its line in the
docstring. What a type cannot say stands in the annotation, too: ``delta: Annotated[float, Range(above=0)] = 0.01``.
What reads the declaration: the checks here, and the description of options for files, editors and the documentation.
"""

import dataclasses
import functools
import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from dlvr_plugin.core.errors import InvalidTypeError, InvalidValueError


@dataclass(frozen=True)
class Range:
    """Which numbers an argument takes.

    Attributes:
        minimum: The smallest one.
        above: What it must exceed.
        maximum: The largest one.
        below: What it must stay under.
    """

    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    below: float | None = None

    def problem(self, value: float) -> str | None:
        """Return what is wrong with a number, None for nothing."""
        if self.minimum is not None and not value >= self.minimum:
            return f'must be at least {self.minimum}'
        if self.above is not None and not value > self.above:
            return f'must be above {self.above}'
        if self.maximum is not None and not value <= self.maximum:
            return f'must be at most {self.maximum}'
        if self.below is not None and not value < self.below:
            return f'must be below {self.below}'
        return None


LARGEST_FLOAT = 3.4028234663852886e38
"""Of 32 bits, which tensors hold."""

LARGEST_INT = 2**63 - 1
"""Of 64 bits."""


def is_too_large(value: float) -> bool:
    """Tell whether no tensor and no counter can hold a number, whatever its range.

    >>> is_too_large(1e40), is_too_large(-(2**70000)), is_too_large(1e38)
    (True, True, False)
    """
    return abs(value) > (LARGEST_INT if isinstance(value, int) else LARGEST_FLOAT)


def show_number(value: float) -> str:
    """Return a number for an error, in words where it has very many digits."""
    if isinstance(value, int) and value.bit_length() > 200:
        return f'a number of about {round(value.bit_length() * math.log10(2))} digits'
    return str(value)


POSITIVE = Range(minimum=1)
"""Of counts."""

NOT_NEGATIVE = Range(minimum=0)
"""Of weights, and of counts that may be none."""

CHANNELS = Range(minimum=1, maximum=65536)
"""Of the features of a network."""

BLOCKS = Range(minimum=0, maximum=1000)
"""Of the blocks of a network that follow one another."""


@dataclass(frozen=True)
class Length:
    """How many entries a list takes.

    Attributes:
        minimum: The fewest.
    """

    minimum: int


NOT_EMPTY = Length(minimum=1)
"""Of lists."""


@dataclass(frozen=True)
class NoOption:
    """Marks a field that the program sets; options do not name it.

    >>> @dataclass
    ... class Options:
    ...     scale: Annotated[int, NoOption()] = 4
    """


@dataclass(frozen=True)
class OnResume:
    """Says what becomes of an option where a run is resumed with another value of it.

    An option without this mark has the rule of the section around it. That of a whole file is to apply what differs.

    Attributes:
        rule: 'applied' from the next iteration on; 'refused', because the training state holds what came of the old
            value; 'free', where the run is the same with any value, so that nothing is to be said of it.
        note: What to say beside it, in the log or in the refusal, and in the documentation.

    >>> @dataclass
    ... class Options:
    ...     width: Annotated[int, OnResume('refused', 'the weights have this width')] = 64
    """

    rule: Literal['applied', 'refused', 'free'] = 'applied'
    note: str = ''


FREE = OnResume('free')
"""Of options that do not shape a run."""


@dataclass(frozen=True)
class FieldsOf:
    """Marks ``**keywords`` that are the fields of a dataclass: they are declared there alone.

    Attributes:
        declared: The dataclass.

    >>> @dataclass
    ... class Options:
    ...     radius: int = 1
    >>> def loss(path: str, **options: Annotated[Any, FieldsOf(Options)]) -> Options:
    ...     return Options(**options)
    """

    declared: type[Any]


def check_fields(instance: Any, where: str = '') -> None:
    """Check the fields of a dataclass by their annotations.

    Args:
        instance: Instance of a dataclass.
        where: What an error puts in front of the name of a field, such as 'train.divergence'.

    Raises:
        InvalidValueError: A value out of range, or none of the choices. InvalidTypeError: of another type.

    >>> @dataclass(frozen=True)
    ... class Options:
    ...     radius: Annotated[int, Range(minimum=0)] = 1
    >>> check_fields(Options(2))
    >>> check_fields(Options(-1), 'train')
    Traceback (most recent call last):
    ...
    dlvr_plugin.core.errors.InvalidValueError: train.radius must be at least 0, got -1.
    """
    values = {field.name: getattr(instance, field.name) for field in dataclasses.fields(instance)}
    check_arguments(type(instance), values, where)


def check_arguments(declared: Any, arguments: Mapping[str, Any], where: str = '') -> None:
    """Check arguments of a constructor, or fields of a dataclass, by their annotations.

    Args:
        declared: Class or function; of a class that is no dataclass its constructor counts.
        arguments: Values by name; those without annotation are not looked at.
        where: As for ``check_fields``.

    Raises:
        InvalidValueError: A value out of range, or none of the choices. InvalidTypeError: of another type.
    """
    for name, annotation in annotations_of(declared).items():
        if name in arguments:
            check_value(f'{where}.{name}' if where else name, arguments[name], annotation)


@functools.cache
def annotations_of(declared: Any) -> Mapping[str, Any]:
    """Return the annotations, ranges included, of what ``check_arguments`` takes."""
    if isinstance(declared, type) and not dataclasses.is_dataclass(declared):
        declared = declared.__init__  # type: ignore[misc]
    found = get_type_hints(declared, include_extras=True)
    return types.MappingProxyType({name: each for name, each in found.items() if name != 'return'})


def markers_of(annotation: Any) -> tuple[Any, ...]:
    """Return what an annotation says beside the type, such as a ``Range``."""
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()


def check_value(name: str, value: Any, annotation: Any) -> None:
    """Check one value by its annotation; of annotations that say nothing about values, all is accepted.

    Args:
        name: What an error calls it.
        value: The value.
        annotation: ``bool``, ``int``, ``float``, ``str``, ``Path``, ``None``, ``Literal``, unions, sequences and tuples
            of these, each with or without a ``Range`` or a ``Length``; a dataclass stands for a section.

    Raises:
        InvalidValueError: Out of range, or none of the choices. InvalidTypeError: of another type.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        check_value(name, value, arguments[0])
        for marker in arguments[1:]:
            _check_marker(name, value, marker)
    elif origin in (Union, types.UnionType):
        _check_union(name, value, arguments)
    elif origin is Literal:
        _check_choice(name, value, arguments)
    elif origin in (list, tuple, Sequence):
        _check_list(name, value, arguments[0])
    elif dataclasses.is_dataclass(annotation):
        if not isinstance(value, (Mapping, annotation)):  # type: ignore[arg-type]  # a class, not an instance
            raise InvalidTypeError(f'{name} must be a section, got {value!r}.')
    elif annotation in _PLAIN:
        _check_plain(name, value, annotation)


_PLAIN: dict[Any, str] = {
    bool: 'true or false',
    int: 'a whole number',
    float: 'a number',
    str: 'text',
    Path: 'a path',
    type(None): '~',
}
_ACCEPTED: dict[Any, tuple[type, ...]] = {float: (int, float), Path: (str, Path)}


def _check_plain(name: str, value: Any, annotation: Any) -> None:
    accepted = _ACCEPTED.get(annotation, annotation)
    if not isinstance(value, accepted) or (annotation in (int, float) and isinstance(value, bool)):
        hint = ' YAML takes 1e-4 for text: write 1.0e-4.' if annotation is float and isinstance(value, str) else ''
        raise InvalidTypeError(f'{name} must be {_PLAIN[annotation]}, got {value!r}.{hint}')
    if annotation is float and isinstance(value, float) and not math.isfinite(value):
        raise InvalidValueError(f'{name} must be finite, got {value}.')
    if annotation in (int, float) and is_too_large(value):
        raise InvalidValueError(f'{name} is larger than can be computed with, got {show_number(value)}.')


def _check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    if not any(value == each and type(value) is type(each) for each in choices):
        raise InvalidValueError(f'{name} must be one of {", ".join(map(str, choices))}, got {value!r}.')


def _check_list(name: str, value: Any, annotation: Any) -> None:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidTypeError(f'{name} must be a list, got {value!r}.')
    for index, each in enumerate(value):
        check_value(f'{name}[{index}]', each, annotation)


def _check_union(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Accept what one of the choices accepts; else say what the first one expected."""
    first: Exception | None = None
    for choice in choices:
        try:
            check_value(name, value, choice)
        except (InvalidTypeError, InvalidValueError) as error:
            first = first or error.with_traceback(None)  # which would keep the frames of all callers, in a circle
        else:
            return
    assert first is not None
    raise first


def _check_marker(name: str, value: Any, marker: Any) -> None:
    if isinstance(marker, Length) and len(value) < marker.minimum:
        raise InvalidValueError(f'{name} must have at least {marker.minimum} entries, got {value!r}.')
    if not isinstance(marker, Range):
        return
    values = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    for each in values:
        problem = marker.problem(each) if isinstance(each, (int, float)) else None
        if problem:
            raise InvalidValueError(f'{name} {problem}, got {show_number(each)}.')
