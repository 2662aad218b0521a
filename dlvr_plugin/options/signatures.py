"""Sections of options that classes and functions take, by their signatures and docstrings.

Types and ranges come from annotations (``core.declarations``); where the host has none, types from its Google-style
docstrings (``num_feat (int): ...``), and last from default values.
"""

import dataclasses
import inspect
import re
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from dlvr_plugin.core.declarations import FieldsOf, Length, NoOption, OnResume, Range, annotations_of, markers_of
from dlvr_plugin.options.sections import Option, Section, Variants
from dlvr_plugin.options.value_types import (
    Anything,
    Bool,
    Choice,
    Integer,
    ListOf,
    Null,
    Number,
    OneOf,
    Text,
    ValueType,
    nullable,
)

_KNOWN_PACKAGES = ('basicsr', 'dlvr_plugin', 'torch')  # whose **kwargs only swallow misspelt keys
_PLAIN = {
    bool: Bool(),
    int: Integer(),
    float: Number(),
    str: Text(),
    Path: Text(),
    type(None): Null(),
}
_DOC_PLAIN = {'bool': Bool(), 'int': Integer(), 'float': Number(), 'str': Text(), 'list': ListOf(Anything())}
# An argument in a docstring: its name, its type in parentheses, its text until the next argument of this indentation.
_DOC_ARGUMENT = re.compile(r'^( +)(\w+)(?: \(([^:]*)\))?: *(.*(?:\n\1 +.*)*)', re.MULTILINE)


def section_of(
    function: Callable[..., Any],
    *,
    skip: Collection[str] = (),
    types_of: Mapping[str, ValueType] | None = None,
) -> Section:
    """Return the section of the arguments of a class or function.

    Args:
        function: What is called with the section's keys; a dataclass that declares them, too.
        skip: Arguments that do not come from the options.
        types_of: Types of arguments that say less about themselves than is known.
    """
    parameters = inspect.signature(function).parameters
    annotations = _annotations(function)
    docs = _docs(function)
    options: dict[str, Option] = {}
    takes_any = False
    for name, parameter in parameters.items():
        annotation = annotations.get(name)
        markers = markers_of(annotation)
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            fields = [marker.declared for marker in markers if isinstance(marker, FieldsOf)]
            for declared in fields:
                options.update(section_of(declared, skip=skip, types_of=types_of).options)
            takes_any = takes_any or (parameter.kind is parameter.VAR_KEYWORD and not fields)
        elif name not in skip and not any(isinstance(marker, NoOption) for marker in markers):
            doc_type, doc = docs.get(name, ('', ''))
            value_type = (types_of or {}).get(name) or _type_of(annotation, doc_type, parameter.default)
            is_required = parameter.default is parameter.empty
            on_resume = next((marker for marker in markers if isinstance(marker, OnResume)), None)
            options[name] = Option(value_type, doc, is_required, _default_of(function, name, parameter), on_resume)
    package = (inspect.getmodule(function) or inspect).__name__.partition('.')[0]
    return Section(options, is_open=takes_any and package not in _KNOWN_PACKAGES)


def declared_by(owner: Any, attribute: str) -> type[Any] | None:
    """Return the dataclass of options that a class itself has as an attribute; None where it has none.

    That of a base class does not count: a class that reads more declares all of it, in a dataclass that may derive from
    the other.
    """
    declared = vars(owner).get(attribute) if isinstance(owner, type) else None
    return declared if isinstance(declared, type) and dataclasses.is_dataclass(declared) else None


def _annotations(function: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return annotations_of(function)
    except (NameError, TypeError):  # of names that exist for the type checker only
        return {}


def _default_of(function: Callable[..., Any], name: str, parameter: inspect.Parameter) -> Any:
    """Return a default; of a section that a dataclass makes there is none to show."""
    if dataclasses.is_dataclass(function):
        (found,) = [each for each in dataclasses.fields(function) if each.name == name]
        return parameter.empty if found.default_factory is not dataclasses.MISSING else parameter.default
    return parameter.default


def _docs(function: Callable[..., Any]) -> dict[str, tuple[str, str]]:
    """Return type and first sentence of each argument, as docstrings of class and constructor say.

    Fields that a dataclass has of its base classes are described there.
    """
    found: dict[str, tuple[str, str]] = {}
    described: Sequence[Any] = (getattr(function, '__init__', None) if inspect.isclass(function) else None, function)
    if inspect.isclass(function) and dataclasses.is_dataclass(function):
        described = [each for each in reversed(function.__mro__) if dataclasses.is_dataclass(each)]
    for each in described:
        text = inspect.getdoc(each) if each is not None else None
        for part in re.findall(r'^(?:Args|Attributes):\n((?:(?: .*)?\n?)*)', text or '', re.MULTILINE):
            for _, name, doc_type, doc in _DOC_ARGUMENT.findall(part):
                found[name] = (doc_type, _first_sentence(doc))
    return found


def _first_sentence(text: str) -> str:
    """Return the first sentence, with YAML's word for nothing."""
    text = ' '.join(re.sub(r'\bDefaults?: .*', '', text, flags=re.DOTALL).split())
    text = re.split(r'(?<=\w[\w)\]])\.(?= [A-Z]|$)', text)[0].rstrip('.') if text else ''
    return re.sub(r'\bNone\b', '~', text)


def _type_of(annotation: Any, doc_type: str, default: Any) -> ValueType:
    """Return the type of an argument, by what says most about it."""
    if annotation is not None:
        value_type = _annotated(annotation)
        has_defaults = dataclasses.is_dataclass(annotation) and default is not inspect.Parameter.empty
        return nullable(value_type) if has_defaults else value_type
    documented = _documented(doc_type)
    if documented is None:
        return _typed_by(default)
    return nullable(documented) if default is None else documented


def _annotated(annotation: Any) -> ValueType:
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if dataclasses.is_dataclass(annotation):
        return section_of(annotation)  # type: ignore[arg-type]  # a class, not an instance
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _limited(_annotated(arguments[0]), arguments[1:])
    if origin is Literal:
        return Choice(arguments)
    if origin in (Union, types.UnionType):
        choices: list[ValueType] = []
        kinds = [each for each in arguments if dataclasses.is_dataclass(each)]
        for argument in arguments:
            is_one_of_kinds = len(kinds) > 1 and argument in kinds
            choice = _variants(kinds) if is_one_of_kinds else _annotated(argument)
            choices += [choice] if choice not in choices else []
        return choices[0] if len(choices) == 1 else OneOf(tuple(choices))
    if origin in (list, Sequence, tuple):
        has_length = origin is tuple and len(arguments) > 1 and arguments[1] is not Ellipsis
        return ListOf(_annotated(arguments[0]), length=len(arguments) if has_length else None)
    if origin in (dict, Mapping) or annotation in (dict, Mapping):
        return Section({}, is_open=True)
    return Anything()


def _variants(kinds: Sequence[Any]) -> Variants:
    """Return the sections of several dataclasses, each of which says by a field ``type`` which values ask for it."""
    sections: dict[str, Section] = {}
    for kind in kinds:
        section = section_of(kind)
        choice = section.options['type'].type
        assert isinstance(choice, Choice)
        rest = {name: option for name, option in section.options.items() if name != 'type'}
        sections.update(dict.fromkeys(choice.values, dataclasses.replace(section, options=rest)))
    name = ' or '.join(kind.__name__ for kind in kinds)
    return Variants(name, sections, section_of(kinds[0]).options['type'].doc)


def _limited(value_type: ValueType, markers: Sequence[Any]) -> ValueType:
    """Return a type with the limits that its annotation says."""
    for marker in markers:
        if isinstance(marker, Range) and isinstance(value_type, Number):
            value_type = dataclasses.replace(value_type, **vars(marker))
        elif isinstance(marker, Length) and isinstance(value_type, ListOf):
            value_type = dataclasses.replace(value_type, minimum=marker.minimum)
    return value_type


def _documented(doc_type: str) -> ValueType | None:
    """Return the type that a docstring gives in parentheses, None where it is none of those known."""
    parts = [part.strip() for part in re.split(r'[|,]| or ', doc_type) if part.strip() not in ('', 'optional')]
    found: list[ValueType] = []
    for part in parts:
        match = re.fullmatch(r'(?:list|tuple)[\[(](\w+)[\])]', part)
        if part in ('None', 'none'):
            found.append(Null())
        elif part in _DOC_PLAIN:
            found.append(_DOC_PLAIN[part])
        elif part in ('tuple', 'dict'):
            found.append(ListOf(Anything()) if part == 'tuple' else Section({}, is_open=True))
        elif match and match[1] in _DOC_PLAIN:
            found.append(ListOf(_DOC_PLAIN[match[1]]))
        else:
            return None
    if not found:
        return None
    return found[0] if len(found) == 1 else OneOf(tuple(found))


def _typed_by(default: Any) -> ValueType:
    if isinstance(default, str):
        return nullable(Text(may_be_empty=default == ''))
    if isinstance(default, (bool, int, float)):
        return _PLAIN[type(default)]
    if isinstance(default, (list, tuple)) and default and all(type(each) in _PLAIN for each in default):
        # 1 in a default may stand for any number
        numeric = all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in default)
        return ListOf(Number() if numeric else _PLAIN[type(default[0])])
    return Anything()
