"""Types of option values: each checks a value, says what it expects, and describes itself in JSON Schema."""

import datetime
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlvr_plugin.core.declarations import Range, is_too_large, show_number
from dlvr_plugin.core.names import LONGEST_NAME, nearest, why_not_a_folder
from dlvr_plugin.options.problems import KeyPath, Problem

JsonSchema = dict[str, Any]


class ValueType(ABC):
    """A type of values."""

    @property
    @abstractmethod
    def expected(self) -> str:
        """What the value must be, in words."""

    @abstractmethod
    def check(self, value: Any, key: KeyPath, problems: list[Problem]) -> Any:
        """Return the value, converted, and append what is wrong with it to the problems."""

    @abstractmethod
    def json_schema(self, define: 'Define') -> JsonSchema:
        """Return the JSON Schema; ``define`` turns a schema that is used in several places into a reference."""

    def hint(self, value: Any) -> str:
        """Return how to mend a value that is not accepted."""
        return ''


class SimpleType(ValueType):
    """A type of values without entries of their own."""

    @abstractmethod
    def accepts(self, value: Any) -> bool:
        """Tell whether a value is of this type."""

    def convert(self, value: Any) -> Any:
        """Return an accepted value as the code that reads the options wants it."""
        return value

    def check(self, value: Any, key: KeyPath, problems: list[Problem]) -> Any:
        """Convert the value, or say what was expected."""
        if self.accepts(value):
            return self.convert(value)
        problems.append(Problem(key, f'expected {self.expected}, got {describe(value)}.{self.hint(value)}'))
        return value


Define = Callable[[str, Callable[[], JsonSchema]], JsonSchema]


@dataclass(frozen=True)
class Anything(SimpleType):
    """A value of which nothing is known."""

    expected = 'any value'

    def accepts(self, value: Any) -> bool:
        """Take anything."""
        return True

    def json_schema(self, define: Define) -> JsonSchema:
        """Allow anything."""
        return {}


@dataclass(frozen=True)
class Bool(SimpleType):
    """``true`` or ``false``."""

    expected = 'true or false'

    def accepts(self, value: Any) -> bool:
        """Take truth values; no numbers."""
        return isinstance(value, bool)

    def json_schema(self, define: Define) -> JsonSchema:
        """Describe it."""
        return {'type': 'boolean'}


@dataclass(frozen=True)
class Number(SimpleType, Range):
    """A finite number in a range."""

    noun = 'a number'

    @property
    def expected(self) -> str:
        """Name the range."""
        parts = [self.noun]
        limits = (
            ('of at least', self.minimum),
            ('above', self.above),
            ('of at most', self.maximum),
            ('below', self.below),
        )
        parts += [f'{words} {limit}' for words, limit in limits if limit is not None]
        return ' '.join(parts[:2]) + ''.join(f' and {part}' for part in parts[2:])

    def accepts(self, value: Any) -> bool:
        """Take numbers in range."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        if (isinstance(value, float) and not math.isfinite(value)) or is_too_large(value):
            return False
        return self.problem(value) is None

    def hint(self, value: Any) -> str:
        """Explain numbers that YAML takes for text, and those that nothing can hold."""
        is_number = isinstance(value, (int, float)) and (isinstance(value, int) or math.isfinite(value))
        return ' It is larger than can be computed with.' if is_number and is_too_large(value) else number_hint(value)

    def json_schema(self, define: Define) -> JsonSchema:
        """Describe it."""
        limits = {
            'minimum': self.minimum,
            'exclusiveMinimum': self.above,
            'maximum': self.maximum,
            'exclusiveMaximum': self.below,
        }
        return {'type': 'number', **{name: limit for name, limit in limits.items() if limit is not None}}


@dataclass(frozen=True)
class Float(Number):
    """A number for code that takes no whole ones: 0 becomes 0.0."""

    def convert(self, value: Any) -> float:
        """Return a float."""
        return float(value)


@dataclass(frozen=True)
class Integer(Number):
    """A whole number; ``!!float 5e3`` is one, too."""

    noun = 'a whole number'

    def accepts(self, value: Any) -> bool:
        """Take whole numbers in range."""
        whole = _without_fraction(value)
        return isinstance(whole, int) and super().accepts(whole)

    def hint(self, value: Any) -> str:
        """Explain as for any number."""
        return super().hint(_without_fraction(value))

    def convert(self, value: Any) -> int:
        """Return an int for a float without a fraction."""
        return int(value)

    def json_schema(self, define: Define) -> JsonSchema:
        """Describe it."""
        return {**super().json_schema(define), 'type': 'integer'}


def _without_fraction(value: Any) -> Any:
    """Return an int for a float without a fraction, any other value as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True)
class Text(SimpleType):
    """Text.

    Attributes:
        may_be_empty: Whether it may have no characters.
    """

    may_be_empty: bool = False

    expected = 'text'

    def accepts(self, value: Any) -> bool:
        """Take text."""
        return isinstance(value, str) and (self.may_be_empty or value != '')

    def hint(self, value: Any) -> str:
        """Explain text that YAML takes for something else."""
        return ' Put it in quotes.' if isinstance(value, (int, float, datetime.date)) else ''

    def json_schema(self, define: Define) -> JsonSchema:
        """Describe it."""
        return {'type': 'string'} if self.may_be_empty else {'type': 'string', 'minLength': 1}


@dataclass(frozen=True)
class FolderName(Text):
    """Text that becomes the name of a folder, or a part of a file's name."""

    expected = f'a plain name of at most {LONGEST_NAME} characters'

    def accepts(self, value: Any) -> bool:
        """Take what leads nowhere else and fits."""
        return super().accepts(value) and not why_not_a_folder(value)

    def hint(self, value: Any) -> str:
        """Say what is wrong with it."""
        return f' As a name, {why_not_a_folder(value)}.' if isinstance(value, str) else super().hint(value)

    def json_schema(self, define: Define) -> JsonSchema:
        """Describe it, as far as a pattern can."""
        pattern = r'^[^\s./\\]([^/\\\x00-\x1f\x7f]*[^\s/\\])?$'
        return {'type': 'string', 'minLength': 1, 'maxLength': LONGEST_NAME, 'pattern': pattern}


@dataclass(frozen=True)
class Null(SimpleType):
    """``~``, nothing."""

    expected = '~'

    def accepts(self, value: Any) -> bool:
        """Take nothing."""
        return value is None

    def json_schema(self, define: Define) -> JsonSchema:
        """Describe it."""
        return {'type': 'null'}


@dataclass(frozen=True)
class Choice(SimpleType):
    """One of some values.

    Attributes:
        values: These.
        refused: Why others that somebody may name are none of them.
    """

    values: tuple[Any, ...]
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def expected(self) -> str:
        """List them."""
        return f'one of {", ".join(map(str, self.values))}'

    def accepts(self, value: Any) -> bool:
        """Take one of them; of the same type, because 1 equals true."""
        return any(value == each and type(value) is type(each) for each in self.values)

    def hint(self, value: Any) -> str:
        """Say why a value is refused, or name the nearest."""
        if isinstance(value, str) and value in self.refused:
            return f' {self.refused[value]}'
        return nearest(value, self.values) if isinstance(value, str) else ''

    def json_schema(self, define: Define) -> JsonSchema:
        """Describe it."""
        return {'enum': list(self.values)}


@dataclass(frozen=True)
class ListOf(ValueType):
    """A list.

    Attributes:
        item: Type of its entries.
        minimum: Least number of entries.
        length: Number of entries, None for any.
    """

    item: ValueType
    minimum: int = 0
    length: int | None = None

    @property
    def expected(self) -> str:
        """Name the entries."""
        number = f' of {self.length}' if self.length is not None else ''
        filled = ' that is not empty' if self.minimum else ''
        return f'a list{number}, each entry {self.item.expected}{filled}'

    def check(self, value: Any, key: KeyPath, problems: list[Problem]) -> Any:
        """Check the list, then its entries."""
        wrong_length = isinstance(value, list) and (
            len(value) < self.minimum or (self.length is not None and len(value) != self.length)
        )
        if not isinstance(value, list) or wrong_length:
            problems.append(Problem(key, f'expected {self.expected}, got {describe(value)}.'))
            return value
        return [self.item.check(each, (*key, index), problems) for index, each in enumerate(value)]

    def json_schema(self, define: Define) -> JsonSchema:
        """Describe it."""
        length = {'minItems': self.length, 'maxItems': self.length} if self.length is not None else {}
        return {
            'type': 'array',
            'items': self.item.json_schema(define),
            **({'minItems': self.minimum} if self.minimum else {}),
            **length,
        }


@dataclass(frozen=True)
class OneOf(ValueType):
    """A value of one of several types.

    Attributes:
        types: These; the first that accepts a value converts it.
    """

    types: tuple[ValueType, ...]

    @property
    def expected(self) -> str:
        """List what is expected."""
        return ' or '.join(each.expected for each in self.types)

    def check(self, value: Any, key: KeyPath, problems: list[Problem]) -> Any:
        """Check by each type; where none accepts a section or list, name what is wrong inside."""
        for each in self.types:
            found: list[Problem] = []
            converted = each.check(value, key, found)
            if not found:
                return converted
            if any(len(problem.key) > len(key) for problem in found):
                problems += found
                return converted
        hint = ''.join(each.hint(value) for each in self.types)
        if isinstance(value, str) and value.lower() == 'none':
            hint = ' Write ~ for nothing.'
        problems.append(Problem(key, f'expected {self.expected}, got {describe(value)}.{hint}'))
        return value

    def json_schema(self, define: Define) -> JsonSchema:
        """Describe it; simple types side by side."""
        schemas = [each.json_schema(define) for each in self.types]
        if all(set(schema) == {'type'} for schema in schemas):
            return {'type': [schema['type'] for schema in schemas]}
        return {'anyOf': schemas}


def nullable(value_type: ValueType) -> OneOf:
    """Return the type of a value that may be ``~``."""
    return OneOf((value_type, Null()))


def describe(value: Any) -> str:
    """Return a value for an error."""
    if value is None:
        return '~ (nothing)'
    if isinstance(value, bool):
        return f'{str(value).lower()} (a truth value)'
    if isinstance(value, str):
        return f'{_shorten(repr(value))} (text)'
    if isinstance(value, Mapping):
        return 'a section (' + _shorten(', '.join(map(str, value)) or 'empty') + ')'
    if isinstance(value, Sequence):
        return f'{_shorten(repr(list(value)))} (a list)'
    if isinstance(value, datetime.date):
        return f'{value} (a date)'
    return f'{show_number(value)} (a number)' if isinstance(value, (int, float)) else f'{_shorten(str(value))}'


def as_yaml(value: Any) -> str:
    """Return a value as it is written on a line of an option file.

    >>> as_yaml({'betas': [0.9, 0.99], 'fused': None, 'amsgrad': False})
    '{betas: [0.9, 0.99], fused: ~, amsgrad: false}'
    """
    if value is None:
        return '~'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f'[{", ".join(map(as_yaml, value))}]'
    if isinstance(value, Mapping):
        return '{' + ', '.join(f'{name}: {as_yaml(each)}' for name, each in value.items()) + '}'
    return str(value)


def number_hint(value: Any) -> str:
    """Explain what YAML takes for text although it looks like a number, such as 1e-4."""
    if not isinstance(value, str):
        return ''
    try:
        float(value)
    except ValueError:
        return ''
    if 'e' not in value.lower():
        return ' Write it without quotes.'
    mantissa, exponent = value.strip().lower().split('e')
    mantissa += '' if '.' in mantissa else '.0'
    sign = '' if exponent[:1] in '+-' else '+'
    return f' Write {mantissa}e{sign}{exponent} or !!float {value}.'


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else f'{text[:57]}...'
