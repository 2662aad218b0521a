from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

from dlvr_plugin.core.declarations import NOT_EMPTY, NoOption, Range, check_arguments, check_fields
from dlvr_plugin.core.errors import InvalidTypeError, InvalidValueError


@dataclass(frozen=True, kw_only=True)
class Options:
    count: Annotated[int, Range(minimum=1, maximum=9)] = 3
    weight: Annotated[float, Range(above=0, below=1)] = 0.5
    limit: Annotated[float, Range(above=0)] | None = None
    mode: Literal['a', 'b'] = 'a'
    layers: Sequence[Annotated[int, Range(minimum=1)]] = (1, 2)
    flag: bool = False
    name: str = 'x'
    anything: dict | None = None


@pytest.mark.parametrize(
    'values',
    [{}, {'limit': 3}, {'limit': 0.1}, {'weight': 0.99}, {'layers': [3]}, {'anything': {1: 2}}, {'mode': 'b'}],
)
def test_values_that_fit(values):
    check_fields(Options(**values))


@pytest.mark.parametrize(
    ('values', 'kind', 'message'),
    [
        ({'count': 0}, InvalidValueError, 'train.count must be at least 1, got 0.'),
        ({'count': 10}, InvalidValueError, 'train.count must be at most 9, got 10.'),
        ({'count': 1.0}, InvalidTypeError, 'train.count must be a whole number, got 1.0.'),
        ({'count': True}, InvalidTypeError, 'train.count must be a whole number, got True.'),
        ({'weight': 0}, InvalidValueError, 'train.weight must be above 0, got 0.'),
        ({'weight': 1}, InvalidValueError, 'train.weight must be below 1, got 1.'),
        ({'weight': '1e-4'}, InvalidTypeError, "train.weight must be a number, got '1e-4'. YAML takes 1e-4 for text"),
        ({'weight': float('nan')}, InvalidValueError, 'train.weight must be finite, got nan.'),
        ({'limit': -1}, InvalidValueError, 'train.limit must be above 0, got -1.'),
        ({'limit': 'x'}, InvalidTypeError, 'train.limit must be a number'),
        ({'mode': 'c'}, InvalidValueError, "train.mode must be one of a, b, got 'c'."),
        ({'layers': 3}, InvalidTypeError, 'train.layers must be a list, got 3.'),
        ({'layers': [1, 0]}, InvalidValueError, r'train.layers\[1\] must be at least 1, got 0.'),
        ({'flag': 1}, InvalidTypeError, 'train.flag must be true or false, got 1.'),
        ({'name': None}, InvalidTypeError, 'train.name must be text, got None.'),
    ],
)
def test_values_that_do_not_fit_are_named(values, kind, message):
    with pytest.raises(kind, match=message):
        check_fields(Options(**values), 'train')


def test_arguments_of_a_constructor():
    class Loss:
        def __init__(self, *, weight: Annotated[float, Range(minimum=0)] = 1.0, other=None) -> None:
            check_arguments(type(self), {'weight': weight, 'other': other})

    Loss(weight=2, other='anything')
    with pytest.raises(InvalidValueError, match='^weight must be at least 0, got -1.$'):
        Loss(weight=-1)


@dataclass(frozen=True, kw_only=True)
class Paths:
    root: Path
    layers: Annotated[Sequence[Annotated[int, Range(minimum=1)]], NOT_EMPTY] = (1,)
    inner: Options | None = None
    scale: Annotated[int, NoOption()] = 4


@pytest.mark.parametrize('values', [{}, {'root': Path('x')}, {'inner': {'count': 0}}, {'inner': Options()}])
def test_paths_and_sections_that_fit(values):
    check_fields(Paths(**{'root': 'x', **values}))


@pytest.mark.parametrize(
    ('values', 'kind', 'message'),
    [
        ({'root': 3}, InvalidTypeError, 'root must be a path, got 3.'),
        ({'layers': []}, InvalidValueError, r'layers must have at least 1 entries, got \[\].'),
        ({'inner': 'text'}, InvalidTypeError, "inner must be a section, got 'text'."),
        ({'scale': 'x'}, InvalidTypeError, 'scale must be a whole number'),
    ],
)
def test_paths_and_sections_that_do_not_fit(values, kind, message):
    with pytest.raises(kind, match=message):
        check_fields(Paths(**{'root': 'x', **values}))
