"""The evaluations of the cases of a sweep as one evaluation with the cases as its methods."""

from basicsr.utils import get_root_logger

from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.evaluation.evaluation_file import GROUND_TRUTH, Evaluation
from dlvr_plugin.sweep.results import SweepResults, check_alike, result_of


def combine(results: SweepResults, seed: int) -> Evaluation:
    """Return what the runs of one seed reached as one evaluation, the cases as its methods.

    Cases without a measured run of that seed are left out, with a warning.

    Raises:
        InvalidValueError: The sweep has no such seed. DataError: No run of it is measured, two were not measured alike
            (other packages included), or a case has the name of the ground truth.
    """
    sweep = results.sweep
    if seed not in sweep.seeds:
        raise InvalidValueError(
            f'The sweep {sweep.name} has no seed {seed}; expected one of {", ".join(map(str, sweep.seeds))}.'
        )
    if GROUND_TRUTH in results.cases:
        raise DataError(f'A case is called {GROUND_TRUTH}, as the ground truth is in a report. Rename the case.')
    of_cases: dict[str, Evaluation] = {}
    for name, case in results.cases.items():
        if (evaluation := case.of_seed(seed)) is None:
            get_root_logger().warning(f'Case {name} is left out: its run of seed {seed} is not measured yet.')
        else:
            of_cases[name] = evaluation
    if not of_cases:
        raise DataError(f'No run of seed {seed} of the sweep {sweep.name} is measured yet. Take another one.')
    runs = {results.cases[name].case.runs[seed].name: evaluation for name, evaluation in of_cases.items()}
    check_alike(sweep, runs, versions=True)
    first = next(iter(of_cases.values()))
    return {**first, 'methods': {name: result_of(evaluation) for name, evaluation in of_cases.items()}}
