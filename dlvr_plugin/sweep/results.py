"""What was measured of a sweep: the evaluations of its cases by seed, and whether they can be compared."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.names import nearest
from dlvr_plugin.evaluation.evaluation_file import Evaluation, MethodEntry, MetricEntry, read_evaluation
from dlvr_plugin.sweep.statistics import Scores
from dlvr_plugin.sweep.sweep_folder import Case, Sweep

_AGAIN = (
    'Give the command dlvr sweep run again: it measures anew what was measured otherwise. Where it finds nothing to '
    'do, remove the folder of the one that is wrong first.'
)


@dataclass(frozen=True)
class CaseResults:
    """What there is of a case.

    Attributes:
        case: The case.
        evaluations: By name of run, those that are measured; one run may serve several seeds.
    """

    case: Case
    evaluations: Mapping[str, Evaluation]

    @property
    def num_wanted(self) -> int:
        """How many different runs the case is to have."""
        return len({run.name for run in self.case.runs.values()})

    @property
    def is_whole(self) -> bool:
        """Whether all its runs are measured."""
        return len(self.evaluations) == self.num_wanted

    def of_seed(self, seed: int) -> Evaluation | None:
        """Return the evaluation of the run of a seed, None where there is none yet."""
        run = self.case.runs.get(seed)
        return self.evaluations.get(run.name) if run else None


@dataclass(frozen=True)
class SweepResults:
    """What was measured of a sweep, all of it in one way.

    Attributes:
        sweep: The sweep.
        cases: All its cases, in their order, by name.
        protocol: How it was measured.
        metrics: What was measured.
        clips: Names of the clips.
    """

    sweep: Sweep
    cases: Mapping[str, CaseResults]
    protocol: Mapping[str, Any]
    metrics: Mapping[str, MetricEntry]
    clips: Sequence[str]


def read_results(sweep: Sweep) -> SweepResults:
    """Read the evaluations of the last checkpoints of all runs that are measured.

    Raises:
        DataError: None is, one cannot be used, or two were not measured alike; the message names the files.
    """
    cases = {}
    for case in sweep.cases:
        files = {run.name: sweep.metrics_file(run) for run in case.runs.values()}
        cases[case.name] = CaseResults(case, {run: read_measured(file) for run, file in files.items() if file.exists()})
    evaluations = {run: each for case in cases.values() for run, each in case.evaluations.items()}
    if not evaluations:
        raise DataError(
            f'Nothing is measured yet of the sweep {sweep.name} in {sweep.folder}. Give the command dlvr sweep run '
            'again: it measures each run when it has ended.'
        )
    check_alike(sweep, evaluations)
    first = next(iter(evaluations.values()))
    return SweepResults(sweep, cases, first['protocol'], first['metrics'], list(first['clips']))


def read_measured(file: Path) -> Evaluation:
    """Read the evaluation of a run.

    Raises:
        DataError: It cannot be used.
    """
    try:
        return read_evaluation(file)
    except DataError as error:
        raise DataError(f'{error} It is of a sweep: remove it, and give dlvr sweep run again.') from error


def check_alike(sweep: Sweep, evaluations: Mapping[str, Evaluation], *, versions: bool = False) -> None:
    """Demand that the evaluations of runs can be compared: one result each, of the same clips, measured alike.

    Args:
        sweep: Whose runs they are.
        evaluations: By name of run.
        versions: Whether the versions of all packages must be the same, too.

    Raises:
        DataError: They are not; the message names the runs, and what they differ in.
    """
    first_run, first = next(iter(evaluations.items()))
    for run, evaluation in evaluations.items():
        folder = sweep.folder / 'measured' / run
        if len(evaluation['methods']) != 1:
            raise DataError(
                f'{folder} holds the evaluation of {len(evaluation["methods"])} methods; expected one. {_AGAIN}'
            )
        for what, found, expected in (
            ('protocol', evaluation['protocol'], first['protocol']),
            ('metrics', evaluation['metrics'], first['metrics']),
            ('ground truth', _truth_of(evaluation), _truth_of(first)),
            *([('versions', evaluation['versions'], first['versions'])] if versions else []),
        ):
            if found != expected:
                raise DataError(
                    f'The runs {first_run} and {run} were not measured alike: {what}, {_difference(expected, found)}. '
                    f'{_AGAIN} They are in {folder.parent}.'
                )


def different_versions(evaluations: Iterable[Evaluation]) -> list[str]:
    """Return the packages of which not all evaluations have the same version."""
    found: dict[str, set[str]] = {}
    for evaluation in evaluations:
        for package, version in evaluation['versions'].items():
            found.setdefault(package, set()).add(version)
    return [f'{package} ({", ".join(sorted(versions))})' for package, versions in found.items() if len(versions) > 1]


def _truth_of(evaluation: Evaluation) -> dict[str, Any]:
    """Return what the evaluations of one ground truth have in common; frame rates may be those of the results."""
    return {clip: (entry['size'], entry['frames'], entry['sha256']) for clip, entry in evaluation['clips'].items()}


def _difference(expected: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Return the first key in which two mappings differ, with both values where they are short."""
    key = next((key for key in (*expected, *found) if expected.get(key) != found.get(key)), None)
    if key is None:
        return 'in another order'
    if (key in expected) != (key in found):
        return f'only the {"first" if key in expected else "second"} has {key}'
    values = [repr(each[key]) for each in (expected, found)]
    return f'{key} is {values[0]} and {values[1]}' if len(''.join(values)) < 100 else f'{key} differs'


def result_of(evaluation: Evaluation) -> MethodEntry:
    """Return the one result of the evaluation of a run."""
    return next(iter(evaluation['methods'].values()))


def choose_metrics(
    results: SweepResults, wanted: Sequence[str] | None, *, argument: str = '--metrics'
) -> dict[str, MetricEntry]:
    """Return the metrics that ``argument`` asks for, in its order; all of them for None.

    Raises:
        InvalidValueError: One was not measured.
    """
    for name in wanted or ():
        if name not in results.metrics:
            raise InvalidValueError(
                f'{argument}: {name} was not measured; expected some of {", ".join(results.metrics)}.'
                f'{nearest(name, results.metrics)}'
            )
    return {name: results.metrics[name] for name in wanted or results.metrics}


def scores_of(results: SweepResults, metric: str, evaluations: Sequence[Evaluation], clips: Sequence[str]) -> Scores:
    """Return a metric of some evaluations, a row each, by clip."""
    values, weights = np.empty((2, len(evaluations), len(clips)))
    for row, evaluation in enumerate(evaluations):
        for column, clip in enumerate(clips):
            result = result_of(evaluation)['clips'][clip]
            values[row, column] = result['mean'][metric]
            num_frames = sum(value is not None for value in result['frames'][metric])
            weights[row, column] = num_frames if results.protocol.get('average') == 'frame' else 1
    return Scores(values, weights)
