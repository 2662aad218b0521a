"""Changes of option files: by keys of any depth, dotted or nested, each with the place that asked for it."""

import copy
import re
from collections.abc import Mapping
from typing import Any

from dlvr_plugin.core.names import nearest
from dlvr_plugin.options.problems import KeyPath, OptionsError, dotted
from dlvr_plugin.options.yaml_reader import Document

_RUN_BEFORE = re.compile(r'\{([^{}:]+)\}')  # ``{}`` and ``{:08d}`` are templates of names of frames


class ChangedOptions:
    """Options of a file, to be changed by what a sweep says.

    Args:
        base: Options as they were read; they stay as they are.
        name: What errors call the result.
        folders: Folders of experiments of the runs before, by name, for ``{NAME}`` in values.

    Attributes:
        document: The options, with the place of each key in the file that has said it last.
        awaited: Keys of values with folders of runs before, and the names of these runs.
    """

    def __init__(self, base: Document, name: str, folders: Mapping[str, str]) -> None:
        self.document = Document(name, copy.deepcopy(base.value), dict(base.places))
        self.awaited: list[tuple[KeyPath, str]] = []
        self._folders = folders

    @property
    def needs(self) -> list[str]:
        """Names of the runs before that values name."""
        return list(dict.fromkeys(name for _, name in self.awaited))

    def find(self, key: KeyPath) -> Any:
        """Return the value of a key, None where there is none."""
        value = self.document.value
        for part in key:
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def set(self, key: KeyPath, value: Any, place: str) -> None:
        """Set one option, whatever stood there; sections around it are made.

        Raises:
            OptionsError: The key leads through a value that is no section.
        """
        section = self.document.value
        for depth, part in enumerate(key[:-1], 1):
            section = section.setdefault(part, {})
            if not isinstance(section, dict):
                raise OptionsError(
                    f'{place}: {dotted(key)}: {dotted(key[:depth])} is no section, so it has no {key[depth]}.'
                )
        section[key[-1]] = value
        places = self.document.places
        for known in [each for each in places if each[: len(key)] == key]:
            del places[known]
        for length in range(1, len(key) + 1):
            places.setdefault(key[:length], place)
        self.awaited = [each for each in self.awaited if each[0][: len(key)] != key]

    def remove(self, key: KeyPath) -> None:
        """Remove one option, if it is there."""
        section = self.find(key[:-1])
        if isinstance(section, dict):
            section.pop(key[-1], None)

    def apply(self, changes: Mapping[Any, Any] | None, source: Document, where: KeyPath, into: KeyPath = ()) -> None:
        """Make changes.

        A section is merged into the one that is there, unless it asks for another ``type``: then it replaces that.

        Args:
            changes: Values by key, nested or dotted.
            source: The file of the sweep.
            where: Key of the changes in it.
            into: Section of the options that they concern.

        Raises:
            OptionsError: A key or a value that cannot be used.
        """
        for name, value in (changes or {}).items():
            at, key = (*where, name), (*into, *str(name).split('.'))
            if not all(key):
                raise OptionsError(f'{source.place(at)}: {dotted(at)}: {name!r} is no key of an option.')
            old = self.find(key)
            if (
                isinstance(value, dict)
                and isinstance(old, dict)
                and value.get('type', old.get('type')) == old.get('type')
            ):
                self.apply(value, source, at, key)
            else:
                self.assign(key, value, source, at)

    def assign(self, key: KeyPath, value: Any, source: Document, at: KeyPath) -> None:
        """Set one option to what stands at a key of the file of the sweep, with the folders of the runs before.

        Raises:
            OptionsError: A key or a value that cannot be used.
        """
        awaited: list[tuple[KeyPath, str]] = []
        self.set(key, self._fill(value, source, at, key, awaited), source.place(at))
        self.awaited += awaited

    def _fill(self, value: Any, source: Document, at: KeyPath, key: KeyPath, awaited: list[tuple[KeyPath, str]]) -> Any:
        """Return a copy of a value with the folders of the runs before."""
        if isinstance(value, dict):
            return {name: self._fill(each, source, (*at, name), (*key, name), awaited) for name, each in value.items()}
        if isinstance(value, list):
            entries = enumerate(value)
            return [self._fill(each, source, (*at, index), (*key, index), awaited) for index, each in entries]
        if not isinstance(value, str):
            return value

        def folder_of(match: re.Match[str]) -> str:
            name = match[1]
            if name not in self._folders:
                known = f' The runs before that it may name: {", ".join(self._folders) or "none"}.'
                hint = nearest(name, self._folders) or known
                raise OptionsError(f'{source.place(at)}: {dotted(at)}: there is no run before {match[0]}.{hint}')
            awaited.append((key, name))
            return self._folders[name]

        return _RUN_BEFORE.sub(folder_of, value)
