"""The options that a run was given: what its training states keep, and how a run that goes on differs from them.

What becomes of a difference is said where the option is declared (``core.declarations.OnResume``). The differences are
found by the description of the options that checks them, so an option that is declared is compared.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlvr_plugin.core.declarations import OnResume
from dlvr_plugin.core.training_states import advise_new_run
from dlvr_plugin.options.problems import KeyPath, OptionsError, Problem, dotted, format_report
from dlvr_plugin.options.schema.run import run_options
from dlvr_plugin.options.sections import NOT_DECLARED, Option, section_in
from dlvr_plugin.options.value_types import Anything, ValueType, as_yaml
from dlvr_plugin.options.yaml_reader import Document

_NOT_DESCRIBED = Option(Anything())


class GivenOptions:
    """Options as a file and the command line give them, without what a run makes of them.

    Args:
        document: What was read.
        checked: Its value, as the check of the options returns it.

    Attributes:
        values: The options as text, numbers, truth values, lists and sections, nothing else.
    """

    def __init__(self, document: Document, checked: Mapping[str, Any]) -> None:
        self._document = document
        self.values: dict[str, Any] = plain(checked)

    def changes_since(self, state: Mapping[str, Any]) -> list[str] | None:
        """Return what is applied where a run goes on from a state, a line each; None where the state has no options."""
        before = _options_in(state)
        if before is None:
            return None
        first = f'from iteration {state["iter"] + 1}'
        return [
            f'{each}, {first}{f" ({each.on_resume.note})" if each.on_resume.note else ""}.'
            for each in find_differences(before, self.values)
            if each.on_resume.rule == 'applied'
        ]

    def check_resumable(self, state: Mapping[str, Any], file: Path) -> None:
        """Refuse to go on from a state with options that cannot be applied to it.

        Args:
            state: Training state.
            file: Its file.

        Raises:
            OptionsError: There are such; the message names each, with both values, and what to do.
        """
        found = [
            each
            for each in find_differences(_options_in(state) or self.values, self.values)
            if each.on_resume.rule == 'refused'
        ]
        if not found:
            return
        lines = [f'{self._document.place(each.key)}: {each}: {each.on_resume.note}.' for each in found]
        report = format_report(f'{self._document.name}, with which {file} cannot be resumed', lines)
        raise OptionsError(
            f'{report}\nSet these back to go on. Or {advise_new_run(file, state["iter"])}',
            [Problem(each.key, each.on_resume.note) for each in found],
        )


@dataclass(frozen=True)
class Difference:
    """One option that has another value.

    Attributes:
        key: The option.
        before: Its value, None for ``~``, and where there was none.
        after: Its new value.
        on_resume: What becomes of it where a run goes on.
    """

    key: KeyPath
    before: Any
    after: Any
    on_resume: OnResume

    def __str__(self) -> str:
        return f'{dotted(self.key)}: {as_yaml(self.before)} -> {as_yaml(self.after)}'


def find_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return the options of a training run that count in one way and another, in the order of the file.

    An option that is not there counts as its default, where the code declares one, and else as ``~``.

    Args:
        before: Options as ``GivenOptions.values`` has them.
        after: Others.
    """
    return list(_differences(run_options(True), before, after, (), OnResume()))


def _differences(
    value_type: ValueType, before: Any, after: Any, key: KeyPath, on_resume: OnResume
) -> Iterator[Difference]:
    section = section_in(value_type)
    kinds = {type(each) for each in (before, after)}
    if section is None or dict not in kinds or not kinds <= {dict, type(None)}:
        if before != after or (isinstance(before, bool) != isinstance(after, bool)):
            yield Difference(key, before, after, on_resume)
        return
    before, after = before or {}, after or {}
    for name in dict.fromkeys([*after, *before]):
        option_before, option_after = section.find_in(before, name), section.find_in(after, name)
        option = option_after or option_before or _NOT_DESCRIBED
        yield from _differences(
            option.type,
            _value(before, name, option_before),
            _value(after, name, option_after),
            (*key, name),
            option.on_resume or on_resume,
        )


def _value(section: Mapping[str, Any], name: str, option: Option | None) -> Any:
    if name in section or option is None or option.default is NOT_DECLARED:
        return section.get(name)
    return plain(option.default)


def _options_in(state: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the options that a state was saved with; None for one of the framework, or of an older version."""
    options = state.get('options')
    return plain(options) if isinstance(options, dict) else None


def plain(value: Any) -> Any:
    """Return a value as text, numbers, truth values, None, and lists and dictionaries of these.

    >>> plain({'periods': (1, 2), 'dataroot_gt': Path('GT')})
    {'periods': [1, 2], 'dataroot_gt': 'GT'}
    """
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(each) for each in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
