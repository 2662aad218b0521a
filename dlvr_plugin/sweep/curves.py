"""Losses of a sweep's cases over iterations, and perception against distortion of their checkpoints."""

import functools
import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from basicsr.utils import get_root_logger

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.evaluation.evaluation_file import Evaluation
from dlvr_plugin.report.training_log import Series, read_scalars, short_name
from dlvr_plugin.sweep.results import check_alike, read_measured, result_of
from dlvr_plugin.sweep.sweep_folder import Case, Sweep

_TOTALS = ('l_g', 'l_d', 'l_t')  # of the generator, of the host's discriminator, of T: beginnings of their terms


def read_curves(sweep: Sweep, cases: Sequence[Case], *, totals: bool = False) -> dict[str, dict[str, Series]]:
    """Read the scalars of cases; of several runs, those iterations that all of them have logged.

    Args:
        sweep: The sweep.
        cases: Which cases.
        totals: Take the sums of all losses of a network instead of each: ``l_g``, ``l_d`` and ``l_t``. The log holds
            weighted losses, so these are what was minimised.

    Returns:
        Series by tag, with a row a run, by case; cases without any are left out, with a warning.

    Raises:
        DataError: No run has logged anything.
    """
    curves = {}
    for case in cases:
        runs: dict[str, dict[str, Series]] = {}
        for name, run in {each.name: each for each in case.runs.values()}.items():
            folder = sweep.tb_folder(run)
            if any(folder.glob('*.tfevents.*')):
                runs[name] = add_up(read_scalars(folder)) if totals else read_scalars(folder)
            else:
                get_root_logger().warning(f'{name} has logged no losses yet, and is not drawn.')
        if runs:
            curves[case.name] = stack(runs)
    if not curves:
        raise DataError(
            f'No run of the sweep {sweep.name} has logged losses below {sweep.root / "tb_logger"}: none has begun, or '
            'their option files have use_tb_logger: false.'
        )
    return curves


def stack(runs: Mapping[str, Mapping[str, Series]]) -> dict[str, Series]:
    """Return the series of runs that differ in their seeds as one, with a row a run.

    A run that has not come as far as the others ends the series, with a warning: a mean over fewer runs from there on
    would be another one.
    """
    stacked, is_short = {}, set()
    for tag in sorted({tag for series in runs.values() for tag in series}):
        series = {run: each[tag] for run, each in runs.items() if tag in each}
        steps = functools.reduce(np.intersect1d, [each.steps for each in series.values()])
        farthest = max(each.steps[-1] for each in series.values())
        is_short |= {run for run, each in series.items() if each.steps[-1] < farthest}
        if len(steps):
            rows = [each.values[np.isin(each.steps, steps)] for each in series.values()]
            stacked[tag] = Series(steps, np.stack(rows))
    for run in sorted(is_short):
        get_root_logger().warning(f'{run} has not come as far as other seeds; the lines of its case end there.')
    return stacked


def add_up(series: Mapping[str, Series]) -> dict[str, Series]:
    """Return the sums of all losses of a network, where all of them were logged."""
    sums = {}
    for total in _TOTALS:
        terms = [each for tag, each in series.items() if short_name(tag).startswith(f'{total}_')]
        if terms:
            steps = functools.reduce(np.intersect1d, [term.steps for term in terms])
            values = np.sum([term.values[np.isin(term.steps, steps)] for term in terms], axis=0)
            sums[f'losses/{total}'] = Series(steps, values)
    return {tag: total for tag, total in sums.items() if len(total.steps)}


def read_checkpoints(sweep: Sweep, cases: Sequence[Case]) -> dict[str, list[Evaluation]]:
    """Read the evaluations of checkpoints.

    Args:
        sweep: The sweep.
        cases: Which cases.

    Returns:
        Evaluations, one a run, by ``CASE@ITERATION``: those iterations that all runs of the case that are measured
        have. Of a case without numbered checkpoints, the last ones by its name. Empty where nothing is measured.

    Raises:
        DataError: An evaluation cannot be used, or two were not measured alike.
    """
    found: dict[str, list[Evaluation]] = {}
    names: dict[str, Evaluation] = {}
    for case in cases:
        runs = list({run.name: run for run in case.runs.values()}.values())
        iterations = [set(sweep.measured_iterations(run)) for run in runs]
        shared: Collection[int] = set.intersection(*(each for each in iterations if each)) if any(iterations) else ()
        for iteration in sorted(shared):
            of_runs = {
                f'{run.name}/{iteration}': read_measured(sweep.metrics_file(run, iteration))
                for run, each in zip(runs, iterations, strict=True)
                if each
            }
            found[f'{case.name}@{iteration}'] = list(of_runs.values())
            names |= of_runs
        last = {run.name: sweep.metrics_file(run) for run in runs if not shared and sweep.metrics_file(run).exists()}
        if last:
            of_runs = {run: read_measured(file) for run, file in last.items()}
            found[case.name] = list(of_runs.values())
            names |= of_runs
    if names:
        check_alike(sweep, names)
    return found


def points_of(checkpoints: Mapping[str, Sequence[Evaluation]], x: str, y: str) -> dict[str, tuple[float, float]]:
    """Return the means over runs of two metrics; those that are not finite are left out, with a warning."""
    points = {}
    for name, evaluations in checkpoints.items():
        means = [np.mean([result_of(each)['mean'][metric] for each in evaluations]) for metric in (x, y)]
        if all(map(math.isfinite, means)):
            points[name] = (float(means[0]), float(means[1]))
        else:
            get_root_logger().warning(f'{name} is left out: {x}, {y} are {means[0]}, {means[1]}.')
    return points
