"""``dlvr figure curves`` and ``tradeoff``: figures of numbers."""

import argparse
import math
from collections.abc import Mapping
from pathlib import Path

from basicsr.utils import get_root_logger
from matplotlib.figure import Figure

from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.evaluation.evaluation_file import Evaluation, read_evaluation
from dlvr_plugin.report.curve_figures import draw_curves, draw_tradeoff
from dlvr_plugin.report.tradeoff import second_metrics
from dlvr_plugin.report.training_log import find_tags, read_scalars


def _draw_curves(args: argparse.Namespace) -> tuple[str, Figure]:
    if not 0 <= args.smooth < 1:
        raise InvalidValueError(f'--smooth must be in [0, 1), got {args.smooth}.')
    labels = args.labels or [folder.resolve().name for folder in args.runs]
    if len(labels) != len(args.runs):
        raise InvalidValueError(f'--labels must name every run: {len(args.runs)} runs, {len(labels)} names.')
    if len(set(labels)) < len(labels):
        raise InvalidValueError(f'The runs need different names, got {", ".join(labels)}. Give others with --labels.')
    runs = {label: read_scalars(folder) for label, folder in zip(labels, args.runs, strict=True)}
    known = sorted({tag for run in runs.values() for tag in run})
    try:
        tags = find_tags(known, args.tags)
    except ValueError as error:
        raise InvalidValueError(f'--tags: {error}') from error
    for label, run in runs.items():
        if not any(tag in run for tag in tags):
            get_root_logger().warning(f'Run {label} has none of {", ".join(tags)}, and is not drawn.')
    return 'curves', draw_curves(runs, tags, smoothing=args.smooth)


def _draw_tradeoff(args: argparse.Namespace) -> tuple[str, Figure]:
    folders = [*args.evaluations, *args.evaluation]
    if not folders:
        raise InvalidValueError('Give at least one output of dlvr evaluate: tradeoff EVALUATION ...')
    evaluations = {folder: read_evaluation(folder) for folder in folders}
    known = [set(evaluation['metrics']) for evaluation in evaluations.values()]
    shared = set.intersection(*known)
    y_name = args.y or next((name for name in second_metrics() if name in shared and name != args.x), None)
    if y_name is None:
        raise DataError(f'The evaluations share none of {", ".join(second_metrics())}. Choose another metric with --y.')
    for argument, metric in (('--x', args.x), ('--y', y_name)):
        for folder, evaluation in evaluations.items():
            if metric not in evaluation['metrics']:
                raise DataError(f'{argument}: {folder} has no metric {metric}, but {", ".join(evaluation["metrics"])}.')
    _warn_of_differences(evaluations)
    points = _collect_points(evaluations, args.x, y_name)
    metrics = next(iter(evaluations.values()))['metrics']
    return f'tradeoff_{args.x}_{y_name}', draw_tradeoff(points, metrics[args.x], metrics[y_name])


def _warn_of_differences(evaluations: Mapping[Path, Evaluation]) -> None:
    """Warn where evaluations were not made alike, so that their numbers cannot be compared."""
    (first_folder, first), *others = evaluations.items()
    for folder, evaluation in others:
        for what in ('protocol', 'clips'):
            if evaluation[what] != first[what]:  # type: ignore[literal-required]
                get_root_logger().warning(
                    f'{folder} and {first_folder} differ in "{what}"; their numbers may not be comparable.'
                )


def _collect_points(evaluations: Mapping[Path, Evaluation], x: str, y: str) -> dict[str, tuple[float, float]]:
    """Return two metrics of all methods. A method may be in several evaluations, if its values are the same."""
    points: dict[str, tuple[float, float]] = {}
    for folder, evaluation in evaluations.items():
        for name, method in evaluation['methods'].items():
            point = (method['mean'][x], method['mean'][y])
            if points.setdefault(name, point) != point:
                raise DataError(f'{folder} has other values of the method {name} than the evaluations before it.')
    finite = {name: point for name, point in points.items() if all(math.isfinite(value) for value in point)}
    for name in points.keys() - finite.keys():
        get_root_logger().warning(f'Method {name} is left out: {x}, {y} are {points[name]}.')
    if not finite:
        raise DataError('No method has finite values of both metrics.')
    return finite


KINDS = {'curves': _draw_curves, 'tradeoff': _draw_tradeoff}
