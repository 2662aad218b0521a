"""The numbers of a sweep's table: means of cases, and their differences from the reference, with intervals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dlvr_plugin.evaluation.evaluation_file import Evaluation
from dlvr_plugin.sweep.results import CaseResults, SweepResults, scores_of
from dlvr_plugin.sweep.statistics import Estimate, estimate_difference, estimate_mean


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
        pairs = [] if name == reference else _pairs(results, case, results.cases[reference])
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


def _pairs(results: SweepResults, case: CaseResults, reference: CaseResults) -> list[tuple[Evaluation, Evaluation]]:
    """Return the evaluations of both cases by seed; where both share a run, it counts once."""
    pairs = {}
    for seed in results.sweep.seeds:
        of_case, of_reference = case.of_seed(seed), reference.of_seed(seed)
        if of_case is not None and of_reference is not None:
            pairs[case.case.runs[seed].name, reference.case.runs[seed].name] = (of_case, of_reference)
    return list(pairs.values())
