"""The file of a sweep: its keys, their types, and what it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlvr_plugin.evaluation.protocol import Protocol
from dlvr_plugin.metrics import METRICS
from dlvr_plugin.options.find_problems import refuse
from dlvr_plugin.options.problems import Problem
from dlvr_plugin.options.sections import Option, Section
from dlvr_plugin.options.signatures import section_of
from dlvr_plugin.options.value_types import Anything, Choice, FolderName, Integer, ListOf, OneOf, Text, nullable
from dlvr_plugin.options.yaml_reader import Document, force, read_file

_ANY_NAME = r'(?s).+'
_CHANGES = nullable(Section({}, is_open=True))
_CHANGES_DOC = 'changes of it: option keys, dotted or nested, and their values'


@dataclass(frozen=True)
class SweepFile:
    """What the file of a sweep says, with the right types.

    Attributes:
        document: What was read, with the place of each key.
        value: Its value, checked; sections that may be left out are there, empty.
    """

    document: Document
    value: dict[str, Any]


def read_sweep_file(path: Path, forced: Sequence[str] = ()) -> SweepFile:
    """Read the file of a sweep.

    Args:
        path: The file.
        forced: Entries ``section:key=value`` of ``--force_yml``.

    Raises:
        OptionsError: It cannot be read, or it has keys that are unknown or missing, or values of the wrong type; the
            message names all of them with their lines.
    """
    document = read_file(path)
    force(document, list(forced))
    problems: list[Problem] = []
    value = _section().check(document.value, (), problems)
    if not problems:
        problems = _find_contradictions(value)
    refuse(document, problems)
    for name in ('before', 'options', 'cases', 'axes'):
        value[name] = value.get(name) or {}
    for group in ('before', 'cases'):
        value[group] = {str(name): each or {} for name, each in value[group].items()}
    return SweepFile(document, value)


def _section() -> Section:
    """Return the description of the file."""
    before = Section(
        {
            'base': Option(Text(), 'option file', is_required=True),
            'seeds': Option(Choice(('each', 'shared')), 'one run a seed, or one for all'),
            'options': Option(_CHANGES, _CHANGES_DOC),
        }
    )
    case = Section(
        {
            'base': Option(Text(), 'option file, if another one'),
            'options': Option(_CHANGES, _CHANGES_DOC),
            'result_of': Option(Text(), 'the run before whose result this is'),
            'test': Option(Text(), 'test option file, if another one'),
        }
    )
    axis = OneOf((ListOf(Anything(), minimum=1), Section({}, {_ANY_NAME: Option(_CHANGES)})))
    return Section(
        {
            'name': Option(FolderName(), 'name of the sweep and of its folder', is_required=True),
            'base': Option(Text(), 'option file that all cases are made of', is_required=True),
            'seeds': Option(ListOf(Integer(minimum=0), minimum=1), 'manual_seed of the runs', is_required=True),
            'reference': Option(Text(), 'case that the others are compared with'),
            'before': Option(nullable(Section({}, {_ANY_NAME: Option(before)})), 'shared runs'),
            'options': Option(_CHANGES, 'changes for all cases'),
            'cases': Option(nullable(Section({}, {_ANY_NAME: Option(nullable(case))})), 'named cases'),
            'axes': Option(nullable(Section({}, {_ANY_NAME: Option(axis)})), 'options whose values are tried'),
            'measure': Option(_measure(), 'how results are measured', is_required=True),
        }
    )


def _measure() -> Section:
    measurable = tuple(name for name, spec in METRICS.items() if not spec.needs_input)
    return Section(
        {
            'test': Option(Text(), 'test option file', is_required=True),
            'options': Option(_CHANGES, _CHANGES_DOC),
            'metrics': Option(ListOf(Choice(measurable), minimum=1), 'metrics', is_required=True),
            'protocol': Option(nullable(section_of(Protocol)), 'how it departs from the protocol of the paper'),
            'lpips_weights': Option(nullable(Text()), "file of the weights of LPIPS' trunk"),
            'checkpoints': Option(Choice(('last', 'all')), 'which checkpoints are measured'),
        }
    )


def _find_contradictions(value: dict[str, Any]) -> list[Problem]:
    """Find what is wrong between keys that are right by themselves."""
    problems: list[Problem] = []
    for key in (('seeds',), ('measure', 'metrics')):
        entries = value[key[0]] if len(key) == 1 else value[key[0]][key[1]]
        twice = next((each for each in entries if entries.count(each) > 1), None)
        if twice is not None:
            problems.append(Problem(key, f'names {twice} twice.'))
    if not value.get('cases') and not value.get('axes'):
        problems.append(Problem(('cases',), 'is missing, and so is axes: there is nothing to compare.', True))
    for group in ('before', 'cases'):
        names = [str(name) for name in value.get(group) or {}]
        for name in {each for each in names if names.count(each) > 1}:
            problems.append(Problem((group, name), f'{group} has two entries of the name {name}.'))
    for name, case in (value.get('cases') or {}).items():
        others = [key for key in ('base', 'options', 'test') if key in (case or {})]
        if case and 'result_of' in case and others and others != ['test']:
            problems.append(
                Problem(('cases', name, others[0]), 'has no effect beside result_of, which trains nothing. Remove one.')
            )
    return problems
