"""Restore the test set with the checkpoints of a run, and measure the frames by the core of ``dlvr evaluate``."""

import copy
from collections.abc import Callable
from pathlib import Path

import torch
from basicsr.utils import get_root_logger

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.files import remove, write_atomic
from dlvr_plugin.core.folder_lock import FolderLock, lock_inside
from dlvr_plugin.evaluation.evaluation_file import Evaluation, format_json
from dlvr_plugin.evaluation.evaluation_run import EvaluationRun
from dlvr_plugin.evaluation.protocol import Protocol
from dlvr_plugin.metrics import METRICS
from dlvr_plugin.metrics.weights import MetricNetwork
from dlvr_plugin.options.output_paths import resolve_output_paths
from dlvr_plugin.sweep.check_plan import load_network
from dlvr_plugin.sweep.run_state import (
    checkpoints_to_measure,
    has_stage,
    mark_stage,
    results_folder,
    test_options,
    write_option_file,
)
from dlvr_plugin.sweep.sweep_folder import Case, Run, Sweep

_JOURNAL = '.measured.jsonl'


def measure_run(sweep: Sweep, name: str, restore: Callable[[Path], object]) -> None:
    """Restore and measure what is not measured of a run.

    Args:
        sweep: The sweep.
        name: Name of the run.
        restore: Does what ``dlvr test`` does with an option file.

    Raises:
        InvalidValueError: There is no such run. InUseError: Another process does the same. UserError: Frames, weights
            or a protocol that cannot be used. OSError: A folder cannot be written.
    """
    found = [(case, run) for case, run in sweep.runs() if run.name == name and run.test is not None]
    if not found:
        raise InvalidValueError(f'{sweep.folder} has no run {name!r} that is measured.')
    case, run = found[0]
    folder = sweep.metrics_file(run).parent
    with FolderLock(lock_inside(folder), folder):
        for iteration in checkpoints_to_measure(sweep, run):
            if not has_stage(sweep, case, run, iteration, 'measured'):
                _restore(sweep, case, run, iteration, restore)
                _measure(sweep, case, run, iteration)


def _restore(sweep: Sweep, case: Case, run: Run, iteration: int | None, restore: Callable[[Path], object]) -> None:
    if has_stage(sweep, case, run, iteration, 'restored'):
        return
    frames = results_folder(sweep, run, iteration)
    if has_stage(sweep, case, run, iteration, 'restoring'):  # what is there was cut off; else it is kept as archive
        remove(frames)
    options = test_options(sweep, run, iteration)
    file = sweep.test_file(options['name'])
    write_option_file(file, options)
    mark_stage(sweep, case, run, iteration, 'restoring')
    restore(file)
    mark_stage(sweep, case, run, iteration, 'restored')


def _measure(sweep: Sweep, case: Case, run: Run, iteration: int | None) -> None:
    """Measure restored frames; those of a numbered checkpoint are removed then, being many and shown by nothing."""
    target = sweep.metrics_file(run, iteration)
    evaluation = _evaluate(sweep, case, run, iteration)
    write_atomic(target, format_json(evaluation).encode())
    mark_stage(sweep, case, run, iteration, 'measured')
    means = evaluation['methods'][case.name]['mean']
    values = ', '.join(f'{METRICS[name].label} {value:.{METRICS[name].decimals}f}' for name, value in means.items())
    get_root_logger().info(f'{target}: {values}')
    if iteration is not None:
        remove(results_folder(sweep, run, iteration))


def _evaluate(sweep: Sweep, case: Case, run: Run, iteration: int | None) -> Evaluation:
    options = copy.deepcopy(test_options(sweep, run, iteration))
    resolve_output_paths(options, sweep.root)
    (section,) = options['datasets'].values()
    measure, protocol = sweep.measure, Protocol(**sweep.measure.protocol)
    device = torch.device('cuda') if torch.cuda.is_available() else None
    networks: dict[str, MetricNetwork] = {}
    for name in measure.metrics:
        networks |= load_network(protocol.specify(METRICS[name]), measure, protocol, str(device or 'cpu'))
    truth = Path(section['dataroot_gt']).expanduser()
    restored = ClipReader(results_folder(sweep, run, iteration) / 'visualization' / section['name'])
    return EvaluationRun(
        ClipReader(truth, allow_cut_videos=bool(section.get('allow_cut_videos', False))),
        {case.name: restored},
        metrics=measure.metrics,
        protocol=protocol,
        networks=networks,
        clips=restored.names,
        device=device,
        num_workers=0,  # several runs are measured at once
        journal=sweep.metrics_file(run, iteration).with_name(_JOURNAL),
    ).run()
