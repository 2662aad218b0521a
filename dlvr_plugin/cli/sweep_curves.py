"""``dlvr sweep curves``: losses of the cases of a sweep, and perception against distortion of what they reach."""

import argparse

from basicsr.utils import get_root_logger
from matplotlib.figure import Figure

from dlvr_plugin.cli.named_sweep import check_case, find_sweep
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.files import make_folder
from dlvr_plugin.report.curve_figures import draw_curves, draw_tradeoff
from dlvr_plugin.report.figure_style import save_figure
from dlvr_plugin.report.tradeoff import second_metrics
from dlvr_plugin.report.training_log import find_tags
from dlvr_plugin.sweep.curves import points_of, read_checkpoints, read_curves
from dlvr_plugin.sweep.sweep_folder import Case, Sweep


def run(args: argparse.Namespace) -> None:
    """Draw and write the figures.

    Raises:
        ValueError: Arguments or data that cannot be used. OSError: A file cannot be written.
    """
    if not 0 <= args.smooth < 1:
        raise InvalidValueError(f'--smooth must be in [0, 1), got {args.smooth}.')
    if args.dpi < 1:
        raise InvalidValueError(f'--dpi must be at least 1, got {args.dpi}.')
    sweep = find_sweep(args.sweep)
    names = [check_case(sweep, name, '--cases') for name in args.cases or ()]
    cases = [case for case in sweep.cases if not names or case.name in names]
    figures = {'curves': _draw_losses(args, sweep, cases), **_draw_checkpoints(args, sweep, cases)}
    out = args.out or sweep.folder / 'figures'
    make_folder(out)
    for name, figure in figures.items():
        for path in save_figure(figure, out / name, args.dpi):
            get_root_logger().info(f'{path} is written.')


def _draw_losses(args: argparse.Namespace, sweep: Sweep, cases: list[Case]) -> Figure:
    # What is the result of a run before has no losses of its own; it is drawn where it is asked for.
    trained = [case for case in cases if args.cases or any(run.trains for run in case.runs.values())]
    curves = read_curves(sweep, trained, totals=args.totals)
    try:
        tags = find_tags(sorted({tag for case in curves.values() for tag in case}), args.keys)
    except InvalidValueError as error:
        raise InvalidValueError(f'--keys: {error}') from error
    drawn = {name: series for name, series in curves.items() if any(tag in series for tag in tags)}
    for name in curves.keys() - drawn.keys():
        get_root_logger().warning(f'Case {name} has none of {", ".join(tags)}, and is not drawn.')
    return draw_curves(drawn, tags, smoothing=args.smooth)


def _draw_checkpoints(args: argparse.Namespace, sweep: Sweep, cases: list[Case]) -> dict[str, Figure]:
    """Return the figure of what the cases reach by its name, nothing where none is measured."""
    if args.x is not None and args.x == args.y:
        raise InvalidValueError(f'--x and --y both name {args.x}. Choose two metrics.')
    try:
        checkpoints = read_checkpoints(sweep, cases)
    except DataError as error:
        if sweep.measure.all_checkpoints or args.x or args.y:
            raise
        get_root_logger().warning(f'What the cases reach is not drawn: {error}')  # losses can be, all the same
        return {}
    if not checkpoints:
        return {}
    metrics = next(iter(checkpoints.values()))[0]['metrics']
    for argument, metric in (('--x', args.x), ('--y', args.y)):
        if metric is not None and metric not in metrics:
            raise DataError(f'{argument}: {metric} was not measured; expected one of {", ".join(metrics)}.')
    x = args.x or ('psnr' if 'psnr' in metrics else None)
    y = args.y or next((name for name in second_metrics() if name in metrics and name != x), None)
    if x is None or y is None:
        get_root_logger().warning(
            'What the cases reach is not drawn: psnr and a metric of perception or motion were not both measured. '
            'Name two with --x and --y.'
        )
        return {}
    points = points_of(checkpoints, x, y)
    return {f'tradeoff_{x}_{y}': draw_tradeoff(points, metrics[x], metrics[y])} if points else {}
