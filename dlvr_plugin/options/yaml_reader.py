"""Read YAML without running what it says, and keep the line of every key.

YAML can name Python objects to make; nothing here does so. A file must be plain text, numbers, truth values, lists and
sections; anchors (``&name``), aliases (``*name``) and merge keys (``<<``) are fine.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dlvr_plugin.core.regular_files import read_regular
from dlvr_plugin.options.problems import KeyPath, OptionsError

_MOST_BYTES = 2**18  # the longest of ours has 3,000
_MOST_NODES = 5_000  # values and keys as they are written: reading them takes half a second
_MOST_VALUES = 20_000  # aliases written out; a file that says more is made to exhaust the memory
_DEEPEST = 50
_MOST_DIGITS = 100  # of a number; no float holds one of 310
_CORE = 'tag:yaml.org,2002:'
_TAGS = {_CORE + name for name in ('null', 'bool', 'int', 'float', 'str', 'seq', 'map', 'merge', 'timestamp')}


@dataclass
class Document:
    """What a YAML text says.

    Attributes:
        name: File, or what else the text is called.
        value: Its value; lists and sections are never shared between two places.
        places: Where each key path stands, ``FILE:LINE``, or an entry of ``--force_yml``.
    """

    name: str
    value: Any
    places: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, key: KeyPath) -> str:
        """Return where a key stands; for one that is not there, where the section around it begins."""
        while key not in self.places and key:
            key = key[:-1]
        return self.places.get(key, self.name)


def read_file(path: str | Path) -> Document:
    """Read an option file.

    Raises:
        OptionsError: It does not exist, is no regular file, cannot be read, is no YAML of plain values, or no section;
            the message names the line.
    """
    path = Path(path)
    if not path.exists():
        raise OptionsError(f'{path} does not exist. Relative paths count from the current folder, {Path.cwd()}.')
    if path.is_dir():
        raise OptionsError(f'{path} is a folder. Give an option file (.yml).')
    try:
        text = read_regular(path, most_bytes=_MOST_BYTES, error=OptionsError).decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise OptionsError(f'{path} is no option file: byte {error.start} is not UTF-8 text.') from error
    document = read_text(text, str(path))
    if document.value is None:
        raise OptionsError(f'{path} is empty. Expected sections like datasets, network_g and path.')
    if not isinstance(document.value, dict):
        raise OptionsError(f'{path} is no option file: expected lines "key: value", got {_shorten(document.value)}.')
    return document


def read_text(text: str, name: str, *, with_lines: bool = True) -> Document:
    """Read a YAML text.

    Args:
        text: The text.
        name: What errors call it, such as a file.
        with_lines: Whether they give line numbers, too.

    Raises:
        OptionsError: It is no YAML of plain values; the message names the line.
    """
    reader = _Reader(name, with_lines)
    try:
        loader = _Loader(text, reader)
        node = loader.get_single_node()
        value = None if node is None else reader.build(loader, node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = '. '.join(' '.join(part.split()) for part in (error.context, error.problem) if part)
        column = f', column {mark.column + 1}' if mark is not None else ''
        raise OptionsError(f'{reader.place(mark)}{column}: no YAML: {problem}.') from error
    except yaml.YAMLError as error:
        raise OptionsError(f'{name}: no YAML: {" ".join(str(error).split())}.') from error
    return Document(name, value, reader.places)


class _Loader(yaml.SafeLoader):
    """Makes nodes of a text, and stops at once where it goes deep or on and on."""

    def __init__(self, text: str, reader: '_Reader') -> None:
        super().__init__(text)
        self.reader, self.num_nodes, self.depth = reader, 0, 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.num_nodes, self.depth = self.num_nodes + 1, self.depth + 1
        if self.num_nodes > _MOST_NODES or self.depth > _DEEPEST:
            place = self.reader.place(self.peek_event().start_mark)
            if self.depth > _DEEPEST:
                raise OptionsError(f'{place}: sections and lists are nested more than {_DEEPEST} deep.')
            raise OptionsError(f'{place}: no option file says so much: more than {_MOST_NODES} keys and values.')
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Reader:
    """Makes plain values of YAML's nodes."""

    def __init__(self, name: str, with_lines: bool) -> None:
        self.name, self.with_lines = name, with_lines
        self.places: dict[KeyPath, str] = {}
        self.num_values = 0
        self.merging: list[yaml.Node] = []

    def place(self, mark: yaml.Mark | None) -> str:
        return f'{self.name}:{mark.line + 1}' if mark is not None and self.with_lines else self.name

    def build(self, loader: yaml.SafeLoader, node: yaml.Node, key: KeyPath) -> Any:
        """Return the value of a node."""
        self._count_value(node)
        if len(key) > _DEEPEST:
            raise OptionsError(
                f'{self.place(node.start_mark)}: aliases make sections of this text that are nested more than '
                f'{_DEEPEST} deep. Nothing was executed.'
            )
        if node.tag not in _TAGS:
            tag = node.tag.replace(_CORE, '!!')
            raise OptionsError(
                f'{self.place(node.start_mark)}: the tag {tag} is not allowed; options are plain text, numbers, truth '
                'values, lists and sections. Nothing was executed.'
            )
        if isinstance(node, yaml.MappingNode):
            return self._build_section(loader, node, key)
        if isinstance(node, yaml.SequenceNode):
            return [self._build_entry(loader, each, (*key, index), each) for index, each in enumerate(node.value)]
        return self._build_scalar(loader, node)

    def _count_value(self, node: yaml.Node) -> None:
        self.num_values += 1
        if self.num_values > _MOST_VALUES:
            raise OptionsError(
                f'{self.place(node.start_mark)}: aliases make more of this text than {_MOST_VALUES} values. Nothing '
                'was executed.'
            )

    def _build_entry(self, loader: yaml.SafeLoader, node: yaml.Node, key: KeyPath, at: yaml.Node) -> Any:
        self.places[key] = self.place(at.start_mark)
        return self.build(loader, node, key)

    def _build_scalar(self, loader: yaml.SafeLoader, node: yaml.Node) -> Any:
        tag = node.tag.replace(_CORE, '!!')
        if tag in ('!!int', '!!float') and len(node.value) > _MOST_DIGITS:
            raise OptionsError(
                f'{self.place(node.start_mark)}: {_shorten(node.value)} has {len(node.value)} characters, too many for '
                f'a number; expected at most {_MOST_DIGITS}. Quote it where it is text.'
            )
        try:
            value = loader.construct_object(node)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, yaml.YAMLError) as error:
            raise OptionsError(
                f'{self.place(node.start_mark)}: {_shorten(node.value)} cannot be read as {tag}.'
            ) from error
        if isinstance(value, float) and math.isinf(value) and 'inf' not in node.value.lower():
            raise OptionsError(f'{self.place(node.start_mark)}: {_shorten(node.value)} is larger than any number here.')
        return value

    def _build_section(self, loader: yaml.SafeLoader, node: yaml.MappingNode, key: KeyPath) -> dict[str | int, Any]:
        section: dict[str | int, Any] = {}
        for name, (name_node, value_node) in self._entries(loader, node).items():
            section[name] = self._build_entry(loader, value_node, (*key, name), name_node)
        return section

    def _entries(self, loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[str | int, tuple[yaml.Node, yaml.Node]]:
        """Return the entries of a section, those of merged sections included, own ones first in rank."""
        own: dict[str | int, tuple[yaml.Node, yaml.Node]] = {}
        merged: dict[str | int, tuple[yaml.Node, yaml.Node]] = {}
        for name_node, value_node in node.value:
            if name_node.tag == _CORE + 'merge':
                for each in self._merged_sections(value_node):
                    self.merging.append(each)
                    for name, entry in self._entries(loader, each).items():
                        self._count_value(value_node)
                        merged.setdefault(name, entry)
                    self.merging.pop()
                continue
            name = self.build(loader, name_node, ())
            if isinstance(name, bool) or not isinstance(name, (str, int)):
                raise OptionsError(
                    f'{self.place(name_node.start_mark)}: a key must be text or a whole number, got '
                    f'{_shorten(name)}. Quote it.'
                )
            if name in own:
                first = self.place(own[name][0].start_mark)
                raise OptionsError(
                    f'{self.place(name_node.start_mark)}: the key {name} stands here for the second time; the first '
                    f'is at {first}. Remove one.'
                )
            own[name] = (name_node, value_node)
        return {**merged, **own}

    def _merged_sections(self, node: yaml.Node) -> Iterator[yaml.MappingNode]:
        for each in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            self._count_value(each)
            if not isinstance(each, yaml.MappingNode):
                raise OptionsError(f'{self.place(node.start_mark)}: << takes a section, or a list of sections.')
            if each in self.merging:
                raise OptionsError(f'{self.place(node.start_mark)}: << takes another section than its own.')
            yield each


def force(document: Document, entries: list[str]) -> None:
    """Set values in a document, by entries ``section:key=value`` of ``--force_yml``.

    The value is read as in a file. Sections that are not there are made.

    Raises:
        OptionsError: An entry of another form, or one that leads through a value that is no section.
    """
    for entry in entries:
        name = f'--force_yml {entry}'
        path, equals, text = entry.partition('=')
        key: KeyPath = tuple(part.strip() for part in path.split(':'))
        if not equals or not all(key):
            raise OptionsError(f'{name}: expected SECTION:KEY=VALUE, such as train:total_iter=1000.')
        value = read_text(text, name, with_lines=False).value
        section = document.value
        for part in key[:-1]:
            section = section.setdefault(part, {})
            if not isinstance(section, dict):
                raise OptionsError(f'{name}: {part} is no section, it is {_shorten(section)}.')
        section[key[-1]] = value
        for known in [each for each in document.places if each[: len(key)] == key]:
            del document.places[known]
        for length in range(1, len(key) + 1):
            document.places.setdefault(key[:length], name)


def _shorten(value: Any) -> str:
    text = repr(dict(value) if isinstance(value, Mapping) else value)
    return text if len(text) <= 60 else f'{text[:57]}...'
