"""The numbers of a sweep's table: means of cases, and their differences from the reference, with intervals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.evaluation.evaluation_file import Evaluation
from dlvr_plugin.report.checkpoint_names import parse_checkpoint
from dlvr_plugin.sweep.results import CaseResults, SweepResults, scores_of
from dlvr_plugin.sweep.statistics import Estimate, estimate_at_equal, estimate_difference, estimate_mean


@dataclass(frozen=True)
class CaseSummary:
    """The numbers of a case, by metric.

    Attributes:
        num_runs: Different runs that are measured.
        num_wanted: Different runs that it is to have.
        means: Empty where no run is measured.
        differences: From the reference, over the seeds that both have; empty where they have none in common, and for
            the reference itself.
    """

    num_runs: int
    num_wanted: int
    means: Mapping[str, Estimate]
    differences: Mapping[str, Estimate]

    @property
    def is_whole(self) -> bool:
        """Whether all its runs are measured."""
        return self.num_runs == self.num_wanted


def summarise(
    results: SweepResults, metrics: Iterable[str], reference: str, clips: Sequence[str] | None = None
) -> dict[str, CaseSummary]:
    """Return the numbers of each case.

    Args:
        results: What was measured.
        metrics: Which metrics.
        reference: Name of the case that the others are compared with.
        clips: Clips that count, None for all.
    """
    chosen, names = list(results.clips if clips is None else clips), list(metrics)
    summaries = {}
    for name, case in results.cases.items():
        runs = list(case.evaluations.values())
        pairs = [] if name == reference else _of_shared_seeds(results, [case, results.cases[reference]])
        summaries[name] = CaseSummary(
            num_runs=len(runs),
            num_wanted=case.num_wanted,
            means={metric: estimate_mean(scores_of(results, metric, runs, chosen)) for metric in names if runs},
            differences={
                metric: estimate_difference(
                    *(scores_of(results, metric, each, chosen) for each in zip(*pairs, strict=True))
                )
                for metric in names
                if pairs
            },
        )
    return summaries


def compare_series(
    results: SweepResults, equal: str, metrics: Iterable[str], reference: str
) -> dict[str, dict[str, Estimate]]:
    """Return by how much series of cases differ from the reference where one metric has the value that it has there.

    A series are two or more cases named ``NAME@NUMBER``, such as the same loss with several weights.

    Args:
        results: What was measured.
        equal: The metric that is equal.
        metrics: Those that are compared, beside it.
        reference: Name of the case that the series are compared with; the series that it is in is left out.

    Returns:
        Differences by series and metric.

    Raises:
        InvalidValueError: There is no series that is measured for a seed of the reference.
    """
    series: dict[str, list[CaseResults]] = {}
    for name, case in results.cases.items():
        run, number = parse_checkpoint(name)
        if number is not None and run != parse_checkpoint(reference).run and case.evaluations:
            series.setdefault(run, []).append(case)
    compared: dict[str, dict[str, Estimate]] = {}
    for name, cases in series.items():
        runs = _of_shared_seeds(results, [results.cases[reference], *cases]) if len(cases) > 1 else []
        if not runs:
            continue
        columns = list(zip(*runs, strict=True))  # of the reference, and of each member
        levels = [scores_of(results, equal, each, results.clips) for each in columns]
        compared[name] = {}
        for metric in (each for each in metrics if each != equal):
            values = [scores_of(results, metric, each, results.clips) for each in columns]
            own, *members = zip(levels, values, strict=True)
            compared[name][metric] = estimate_at_equal(members, own)
    if not compared:
        raise InvalidValueError(
            f'--at-equal: there is no series of cases to compare {reference} with: two or more that are named '
            'NAME@NUMBER, with another NAME than it has, and measured for one of its seeds.'
        )
    return compared


def _of_shared_seeds(results: SweepResults, cases: Sequence[CaseResults]) -> list[tuple[Evaluation, ...]]:
    """Return the evaluations of cases, by seeds that all have; where all share their runs, they count once."""
    found = {}
    for seed in results.sweep.seeds:
        evaluations = tuple(each for case in cases if (each := case.of_seed(seed)) is not None)
        if len(evaluations) == len(cases):
            found[tuple(case.case.runs[seed].name for case in cases)] = evaluations
    return list(found.values())
