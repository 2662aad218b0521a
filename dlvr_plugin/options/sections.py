"""Sections of options: which keys they have, which must be there, and which section a ``type`` asks for."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from dlvr_plugin.core.declarations import OnResume
from dlvr_plugin.core.names import nearest
from dlvr_plugin.options.problems import KeyPath, Problem
from dlvr_plugin.options.value_types import Anything, Choice, Define, JsonSchema, OneOf, ValueType, describe

NOT_DECLARED: Any = inspect.Parameter.empty


@dataclass(frozen=True)
class Option:
    """A key of a section.

    Attributes:
        type: Type of its value.
        doc: What it means, in one line.
        is_required: Whether it must be there.
        default: What counts where it is not there, as far as the code declares it; ``NOT_DECLARED`` else.
        on_resume: What becomes of another value where a run is resumed; None for what the section around it says.
    """

    type: ValueType
    doc: str = ''
    is_required: bool = False
    default: Any = NOT_DECLARED
    on_resume: OnResume | None = None


@dataclass(frozen=True)
class Section(ValueType):
    """Keys and their values.

    Attributes:
        options: The keys.
        patterns: Keys by regular expression, for names that the user chooses.
        is_open: Whether other keys are fine, because nobody knows what reads them.
        elsewhere: Where a key that is unknown here is read.
        note: What to say of a key that is unknown.
        name: Name in the JSON Schema, unique; empty where it stands in one place.
    """

    options: Mapping[str, Option]
    patterns: Mapping[str, Option] = field(default_factory=dict)
    is_open: bool = False
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    note: str = ''
    name: str = ''

    expected = 'a section'

    def with_options(self, options: Mapping[str, Option], **changes: Any) -> 'Section':
        """Return this section with more keys."""
        return replace(self, options={**self.options, **options}, name='', **changes)

    def find(self, name: Any) -> Option | None:
        """Return the option of a key, None where it is not known."""
        if name in self.options:
            return self.options[name]
        return next((each for pattern, each in self.patterns.items() if re.fullmatch(pattern, str(name))), None)

    def find_in(self, value: Mapping[Any, Any], name: Any) -> Option | None:
        """Return the option of a key as ``find`` does; ``Variants`` choose by the value of the section."""
        return self.find(name)

    def check(self, value: Any, key: KeyPath, problems: list[Problem]) -> Any:
        """Check every key, and whether those are there that must be."""
        if not isinstance(value, dict):
            problems.append(Problem(key, f'expected {self.expected}, got {describe(value)}.'))
            return value
        checked = {}
        for name, each in value.items():
            option = self.find(name)
            if option is not None:
                checked[name] = option.type.check(each, (*key, name), problems)
                continue
            checked[name] = each
            if not self.is_open:
                problems.append(Problem((*key, name), self._unknown(name, value)))
        for name, option in self.options.items():
            if option.is_required and name not in value:
                doc = f' ({option.doc})' if option.doc else ''
                problems.append(
                    Problem((*key, name), f'is missing{doc}. Expected {option.type.expected}.', is_missing=True)
                )
        return checked

    def _unknown(self, name: Any, value: Mapping[Any, Any]) -> str:
        if name in self.elsewhere:
            return f'is not read here. {self.elsewhere[name]}'
        free = [each for each in self.options if each not in value]
        near = nearest(name, free) or nearest(name, self.options)
        known = f' The options are {", ".join(self.options)}.'
        return f'is no option here.{near or known}{" " * bool(self.note)}{self.note}'

    def json_schema(self, define: Define) -> JsonSchema:
        """Describe it."""
        return define(self.name, lambda: self._keys(define)) if self.name else self._keys(define)

    def _keys(self, define: Define) -> JsonSchema:
        schema: JsonSchema = {'type': 'object', 'properties': _properties(self.options, define)}
        if required := [name for name, option in self.options.items() if option.is_required]:
            schema['required'] = required
        if self.patterns:
            patterns = {f'^({pattern})$': option for pattern, option in self.patterns.items()}
            schema['patternProperties'] = _properties(patterns, define)
        if not self.is_open:
            schema['additionalProperties'] = False
        return schema


@dataclass(frozen=True)
class Variants(ValueType):
    """A section whose keys depend on the value of one of them.

    Attributes:
        name: Name of all the sections together, unique.
        sections: The other keys, by the value of the selecting one.
        doc: What the selecting key means.
        key: The selecting key.
        refused: Why other values of the selecting key that somebody may give are refused.
        on_resume: As for an ``Option``, of the selecting key.
    """

    name: str
    sections: 'Mapping[str, Section | Variants]'
    doc: str
    key: str = 'type'
    refused: Mapping[str, str] = field(default_factory=dict)
    on_resume: OnResume | None = None

    expected = 'a section'

    @property
    def selector(self) -> Option:
        """The selecting key."""
        choice = Choice(tuple(self.sections), self.refused)
        return Option(choice, self.doc, is_required=True, on_resume=self.on_resume)

    @property
    def options(self) -> dict[str, Option]:
        """The keys of all the sections; what they do not agree on may be anything."""
        found: dict[str, Option] = {self.key: self.selector}
        for section in self.sections.values():
            for name, option in section.options.items():
                is_same = found.get(name, option).type == option.type
                found[name] = option if is_same else Option(Anything(), option.doc)
        return found

    @property
    def is_open(self) -> bool:
        """Whether one of the sections is open."""
        return any(section.is_open for section in self.sections.values())

    def find_in(self, value: Mapping[Any, Any], name: Any) -> Option | None:
        """Return the option of a key in the section that a value asks for, None where it is not known there."""
        if name == self.key:
            return self.selector
        chosen = value.get(self.key)
        section = self.sections.get(chosen) if isinstance(chosen, str) else None
        return section.find_in(value, name) if section is not None else None

    def with_options(self, options: Mapping[str, Option], **changes: Any) -> 'Variants':
        """Return these sections with more keys, each."""
        sections = {name: each.with_options(options, **changes) for name, each in self.sections.items()}
        return replace(self, sections=sections)

    def check(self, value: Any, key: KeyPath, problems: list[Problem]) -> Any:
        """Check by the section that the selecting key asks for; without it, what no section has is unknown."""
        chosen = value.get(self.key) if isinstance(value, dict) else None
        if isinstance(chosen, str) and chosen in self.sections:
            return self.sections[chosen].with_options({self.key: self.selector}).check(value, key, problems)
        optional = {name: replace(each, is_required=name == self.key) for name, each in self.options.items()}
        is_open = self.is_open and isinstance(value, dict) and self.key in value
        return Section(optional, is_open=is_open).check(value, key, problems)

    def json_schema(self, define: Define) -> JsonSchema:
        """Describe it, each section by a condition."""
        return define(self.name, lambda: self._conditions(define))

    def _conditions(self, define: Define) -> JsonSchema:
        conditions = []
        for name, section in self.sections.items():
            keys = section.with_options({self.key: Option(Anything())})
            conditions.append(
                {
                    'if': {'properties': {self.key: {'const': name}}, 'required': [self.key]},
                    'then': define(f'{self.name}.{name}', partial(keys.json_schema, define)),
                }
            )
        return {
            'type': 'object',
            'properties': _properties({self.key: self.selector}, define),
            'required': [self.key],
            'allOf': conditions,
        }


def section_in(value_type: ValueType) -> Section | Variants | None:
    """Return the section that a value of a type may be, among other things; None where it is no section."""
    types = value_type.types if isinstance(value_type, OneOf) else (value_type,)
    return next((each for each in types if isinstance(each, (Section, Variants))), None)


def _properties(options: Mapping[str, Option], define: Define) -> JsonSchema:
    properties = {}
    for name, option in options.items():
        schema = option.type.json_schema(define)
        if option.doc:
            schema = {'description': option.doc, **schema}
        properties[name] = schema
    return properties
