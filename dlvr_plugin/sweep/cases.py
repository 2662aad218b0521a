"""Cases and runs out of the file of a sweep: each with its options, and the place that said each of them."""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlvr_plugin.core.names import LONGEST_NAME, nearest
from dlvr_plugin.evaluation.evaluation_file import GROUND_TRUTH
from dlvr_plugin.options.problems import KeyPath, OptionsError
from dlvr_plugin.options.value_types import as_yaml
from dlvr_plugin.options.yaml_reader import Document, read_file
from dlvr_plugin.sweep.option_changes import ChangedOptions
from dlvr_plugin.sweep.sweep_file import SweepFile
from dlvr_plugin.sweep.sweep_folder import Case, Measure, Run, Sweep

_LONGEST_SLUG = 60
Changes = tuple[KeyPath, KeyPath]
"""Key of the options that are changed, () for changes of many, and key in the file of the sweep."""


@dataclass(frozen=True)
class PlannedRun:
    """A run with the documents that its options come from, for checks.

    Attributes:
        run: The run.
        case: Name of its case.
        training: Options of its training; None where it is the result of a run before.
        test: Options of its test; None where it is not measured.
    """

    run: Run
    case: str
    training: ChangedOptions | None
    test: ChangedOptions | None


@dataclass
class Plan:
    """A sweep as its file asks for it.

    Attributes:
        file: The file.
        sweep: Its cases and runs.
        runs: The runs by name, those first that others need.
    """

    file: SweepFile
    sweep: Sweep
    runs: dict[str, PlannedRun] = field(default_factory=dict)


@dataclass(frozen=True)
class _CaseSource:
    """Where a case comes from: what is changed, in this order."""

    name: str
    base: str
    changes: tuple[Changes, ...]
    test: str
    result_of: str | None = None


def make_plan(file: SweepFile, root: Path, *, lpips_random_weights: bool = False) -> Plan:
    """Return the cases and runs that the file of a sweep asks for.

    Args:
        file: The file.
        root: Folder of ``experiments``, ``results`` and ``sweeps``.
        lpips_random_weights: Whether LPIPS has random weights, for tests.

    Raises:
        OptionsError: A base that cannot be read, two cases of one name, or a change that cannot be made.
    """
    return _Planner(file, root, lpips_random_weights).plan()


class _Planner:
    def __init__(self, file: SweepFile, root: Path, lpips_random_weights: bool) -> None:
        self._file, self._root, self._value = file, root.resolve(), file.value
        self._name: str = self._value['name']
        self._seeds: list[int] = self._value['seeds']
        self._bases: dict[str, Document] = {}
        self._slugs: dict[str, str] = {}
        self._before: dict[str, Case] = {}
        self._runs: dict[str, PlannedRun] = {}
        measure = self._value['measure']
        self._measure = Measure(
            metrics=tuple(measure['metrics']),
            protocol=measure.get('protocol') or {},
            lpips_weights=measure.get('lpips_weights'),
            lpips_random_weights=lpips_random_weights,
            all_checkpoints=measure.get('checkpoints') == 'all',
        )

    def plan(self) -> Plan:
        self._refuse_debug(self._name, ('name',))
        for name in self._value['before']:
            self._before[name] = self._plan_before(name)
        sources = list(self._sources())
        cases = [self._plan_case(source) for source in sources]
        names = [case.name for case in cases]
        reference = self._value.get('reference') or names[0]
        if reference not in names:
            raise self._error(
                ('reference',),
                f'there is no case {reference!r}.{nearest(reference, names) or " There are " + ", ".join(names) + "."}',
            )
        sweep = Sweep(
            root=self._root,
            name=self._name,
            seeds=tuple(self._seeds),
            reference=reference,
            before=tuple(self._before.values()),
            cases=tuple(cases),
            measure=self._measure,
        )
        return Plan(self._file, sweep, self._runs)

    def _error(self, key: KeyPath, message: str) -> OptionsError:
        return OptionsError(f'{self._file.document.place(key)}: {".".join(map(str, key))}: {message}')

    def _refuse_debug(self, name: str, key: KeyPath) -> None:
        if 'debug' in name:
            raise self._error(key, 'debug in a name makes runs validate and save all the time. Choose another name.')

    def _slug(self, name: str, key: KeyPath) -> str:
        """Return a name as a part of names of files, no other case's."""
        if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME or name == GROUND_TRUTH:
            raise self._error(
                key, f'a name must be a line of 1 to {LONGEST_NAME} characters, and not {GROUND_TRUTH}; got {name!r}.'
            )
        self._refuse_debug(name, key)
        slug = re.sub(r'[^\w.]+', '-', name)[:_LONGEST_SLUG].strip('-.')
        if not slug:
            raise self._error(key, f'a name must have a letter or a digit, got {name!r}.')
        if slug in self._slugs:
            raise self._error(
                key, f'the names {self._slugs[slug]!r} and {name!r} are both {slug} in names of files. Change one.'
            )
        self._slugs[slug] = name
        return slug

    def _base(self, path: str, key: KeyPath) -> Document:
        """Return what an option file says that stands at a key."""
        if path not in self._bases:
            try:
                self._bases[path] = read_file(path)
            except OptionsError as error:
                raise self._error(key, str(error)) from error
        return self._bases[path]

    def _plan_before(self, name: str) -> Case:
        section, key = self._value['before'][name], ('before', name)
        slug = self._slug(name, key)
        changes: tuple[Changes, ...] = (((), (*key, 'options')),)
        if section.get('seeds', 'each') == 'each':
            runs = {
                seed: self._plan_run(name, f'{slug}_seed{seed}', seed, section['base'], changes) for seed in self._seeds
            }
            return Case(name=name, slug=slug, runs=runs)
        shared = {each: case for each, case in self._before.items() if len({r.name for r in case.runs.values()}) == 1}
        run = self._plan_run(name, f'{slug}_shared', self._seeds[0], section['base'], changes, shared)
        return Case(name=name, slug=slug, runs=dict.fromkeys(self._seeds, run))

    def _plan_run(
        self,
        case: str,
        suffix: str,
        seed: int,
        base: str,
        changes: tuple[Changes, ...],
        before: Mapping[str, Case] | None = None,
        test: str | None = None,
    ) -> Run:
        """Return a run with a training of its own, and keep it."""
        before, document = self._before if before is None else before, self._file.document
        folders = {name: f'experiments/{each.runs[seed].name}' for name, each in before.items()}
        key = ('before' if test is None else 'cases', case, 'base')
        training = ChangedOptions(
            self._base(base, key if self._at(key) else ('base',)), f'{document.name}, {case!r}', folders
        )
        for into, at in changes:
            value = self._at(at)
            if into:
                training.assign(into, value, document, at)
            else:
                training.apply(value, document, at)
        name = f'{self._name}_{suffix}'
        training.set(('manual_seed',), seed, document.place(('seeds', self._seeds.index(seed))))
        training.set(('name',), name, document.place(('name',)))
        needs = tuple(before[each].runs[seed].name for each in training.needs)
        changed_test = self._plan_test(test, case, name, name, training) if test else None
        run = Run(
            name=name,
            seed=seed,
            experiment=name,
            needs=needs,
            options=training.document.value,
            test=changed_test.document.value if changed_test else None,
        )
        self._runs[name] = PlannedRun(run, case, training, changed_test)
        return run

    def _plan_test(self, test: str, case: str, name: str, experiment: str, training: ChangedOptions) -> ChangedOptions:
        """Return the options that restore the test set with the last G of an experiment."""
        document = self._file.document
        changed = ChangedOptions(self._base(test, ('measure', 'test')), f'{document.name}, test of {case!r}', {})
        changed.apply(self._value['measure'].get('options'), document, ('measure', 'options'))
        place = document.place(('measure', 'test'))
        changed.set(('name',), name, place)
        changed.set(('path', 'pretrain_network_g'), f'experiments/{experiment}/models/net_g_latest.pth', place)
        changed.awaited.append((('path', 'pretrain_network_g'), case))
        changed.set(('network_g',), training.find(('network_g',)), place)
        changed.set(('val', 'save_img'), True, place)
        changed.remove(('val', 'metrics'))  # what is saved is measured, by the core of dlvr evaluate
        return changed

    def _at(self, key: KeyPath) -> Any:
        value: Any = self._value
        for part in key:
            value = value[int(part)] if isinstance(value, list) else (value or {}).get(part)
        return value

    def _plan_case(self, source: _CaseSource) -> Case:
        key: KeyPath = ('cases', source.name) if source.name in self._value['cases'] else ('axes',)
        slug = self._slug(source.name, key)
        if source.result_of is None:
            runs = {
                seed: self._plan_run(
                    source.name, f'{slug}_seed{seed}', seed, source.base, source.changes, test=source.test
                )
                for seed in self._seeds
            }
            return Case(name=source.name, slug=slug, runs=runs)
        if source.result_of not in self._before:
            known = nearest(source.result_of, self._before) or f' There are: {", ".join(self._before) or "none"}.'
            raise self._error((*key, 'result_of'), f'there is no run before {source.result_of}.{known}')
        before = self._before[source.result_of].runs
        is_shared = len({run.name for run in before.values()}) == 1
        results = {
            run.name: self._plan_result(source, f'{slug}_shared' if is_shared else f'{slug}_seed{seed}', run)
            for seed, run in before.items()
        }
        return Case(name=source.name, slug=slug, runs={seed: results[run.name] for seed, run in before.items()})

    def _plan_result(self, source: _CaseSource, suffix: str, before: Run) -> Run:
        name = f'{self._name}_{suffix}'
        training = self._runs[before.name].training
        assert training is not None
        test = self._plan_test(source.test, source.name, name, before.name, training)
        run = Run(
            name=name,
            seed=before.seed,
            experiment=before.name,
            needs=(before.name,),
            options=before.options,
            test=test.document.value,
        )
        self._runs[name] = PlannedRun(run, source.name, None, test)
        return run

    def _sources(self) -> Iterator[_CaseSource]:
        """Yield the cases: the named ones times the product of the axes."""
        cases, axes = self._value['cases'], self._value['axes']
        general: tuple[Changes, ...] = (((), ('options',)),)
        points = list(itertools.product(*(list(self._points(axis, values)) for axis, values in axes.items())))
        for name, case in (cases or {'': {}}).items():
            base, test = case.get('base', self._value['base']), case.get('test', self._value['measure']['test'])
            own: tuple[Changes, ...] = (*general, ((), ('cases', name, 'options'))) if name else general
            if case.get('result_of') is not None:
                yield _CaseSource(name, base, (), test, case['result_of'])
                continue
            for point in points:
                parts = [*([name] if name else []), *(label for label, _ in point)]
                yield _CaseSource(', '.join(parts), base, (*own, *(change for _, change in point)), test)

    def _points(self, axis: Any, values: Any) -> Iterator[tuple[str, Changes]]:
        """Yield name and change of each value of an axis."""
        if isinstance(values, dict):
            for name in values:
                yield str(name), ((), ('axes', axis, name))
            return
        key = tuple(str(axis).split('.'))
        last_parts = [str(each).rpartition('.')[2] for each in self._value['axes']]
        label = key[-1] if last_parts.count(key[-1]) == 1 else str(axis)
        for index, value in enumerate(values):
            yield f'{label}={as_yaml(value)}', (key, ('axes', axis, index))
