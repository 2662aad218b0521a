"""Read a section of an option file over a preset: what is given replaces what the preset says, key by key."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, get_args, get_origin

from dlvr_plugin.core.declarations import annotations_of, check_value
from dlvr_plugin.core.errors import InvalidTypeError, InvalidValueError
from dlvr_plugin.core.names import nearest
from dlvr_plugin.data.realistic.options import (
    BlurOptions,
    RealisticOptions,
    ResizeOptions,
    SincOptions,
    VideoOptions,
    Weights,
)
from dlvr_plugin.data.realistic.presets import PRESETS
from dlvr_plugin.data.realistic.video_codecs import check_codec

_Options = TypeVar('_Options')


def read_options(section: Mapping[str, Any], name: str) -> RealisticOptions:
    """Read a section.

    Args:
        section: Keys of ``RealisticOptions``; weights are replaced as a whole, sections key by key.
        name: What errors call it.

    Raises:
        InvalidValueError: An unknown key, kind or preset, a value out of range, a reversed range, a codec that cannot
            be had. InvalidTypeError: a value of the wrong type.

    >>> options = read_options({'preset': 'dvd', 'first': {'noise': None, 'blur': {'sigma': [1, 2]}}}, 'degradation')
    >>> options.first.noise, options.first.blur.sigma, str(options.first.blur.kinds)
    (None, (1, 2), '{iso: 0.7, aniso: 0.1, plateau_iso: 0.2}')
    """
    preset = section.get('preset', RealisticOptions.preset)
    check_value(f'{name}.preset', preset, annotations_of(RealisticOptions)['preset'])
    options = _replaced(PRESETS[preset], section, name)
    for where, each in _sections_of(options, name):
        _check(each, where)
    return options


def _replaced(options: _Options, given: Any, name: str) -> _Options:
    """Return options with what is given for them, checked one by one."""
    declaring: Any = type(options)
    declared = annotations_of(declaring)
    if not isinstance(given, Mapping):
        raise InvalidTypeError(f'{name} must be a section, got {given!r}.')
    for key in given:
        if key not in declared:
            hint = nearest(key, declared) or f' The options are {", ".join(declared)}.'
            raise InvalidValueError(f'{name}.{key} is no option here.{hint}')
    changes = {}
    for key, value in given.items():
        where = f'{name}.{key}'
        section = _section_in(declared[key])
        if section is None:
            changes[key] = _checked(where, value, declared[key])
        elif isinstance(value, section):
            changes[key] = value
        elif value is not None:
            old = getattr(options, key)
            changes[key] = _replaced(section() if old is None or issubclass(section, Weights) else old, value, where)
        elif type(None) in get_args(declared[key]):
            changes[key] = None
        # Else there is nothing to leave out, and ~ stands for what the preset says.
    return dataclasses.replace(options, **changes)  # type: ignore[type-var]  # a dataclass


def _section_in(annotation: Any) -> type[Any] | None:
    """Return the dataclass that an annotation names, alone or beside None."""
    classes = (each for each in (annotation, *get_args(annotation)) if isinstance(each, type))
    return next((each for each in classes if dataclasses.is_dataclass(each)), None)


def _checked(name: str, value: Any, annotation: Any) -> Any:
    """Return a value, lists as tuples; a range has two ends, the lower one first."""
    check_value(name, value, annotation)
    if get_origin(annotation) is not tuple:
        return value
    if len(value) != 2:
        raise InvalidValueError(f'{name} must be a range of two numbers, [lowest, highest], got {list(value)}.')
    low, high = value
    if low > high:
        raise InvalidValueError(f'{name} must have the lower end first: [{high}, {low}], not [{low}, {high}].')
    return low, high


def _sections_of(options: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield all sections with their names."""
    yield name, options
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if dataclasses.is_dataclass(value):
            yield from _sections_of(value, f'{name}.{field.name}')


def _check(options: Any, name: str) -> None:
    """Check what options of a section say together."""
    if isinstance(options, Weights) and not options.as_mapping():
        known = ', '.join(field.name for field in dataclasses.fields(options))
        raise InvalidValueError(f'{name} must give one of {known} a weight above 0.')
    if isinstance(options, (BlurOptions, SincOptions)) and not all(side % 2 for side in options.size):
        raise InvalidValueError(f'{name}.size must have odd ends, got {list(options.size)}.')
    if isinstance(options, ResizeOptions):
        low, high = options.factor
        for direction, fits in (('up', high >= 1), ('down', low <= 1)):
            if getattr(options.directions, direction) and not fits:
                raise InvalidValueError(
                    f'{name}.directions.{direction} must be 0 where all factors are on the other side of 1, got factor '
                    f'{list(options.factor)}.'
                )
    if isinstance(options, VideoOptions):
        for codec in options.codecs.as_mapping():
            check_codec(codec, f'{name}.codecs.{codec}')
