"""Measure the restored frames of a run: ``python -m dlvr_plugin.sweep.measure_run sweeps/NAME RUN``."""

import argparse
import copy
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from basicsr.utils import get_root_logger

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.core.command import exit_code_of
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.files import remove, write_atomic
from dlvr_plugin.core.folder_lock import FolderLock, lock_inside
from dlvr_plugin.evaluation.evaluation_file import format_json
from dlvr_plugin.evaluation.evaluation_run import EvaluationRun
from dlvr_plugin.evaluation.protocol import Protocol
from dlvr_plugin.metrics import METRICS
from dlvr_plugin.options.output_paths import resolve_output_paths
from dlvr_plugin.sweep.check_plan import load_weights
from dlvr_plugin.sweep.run_state import how_measured, mark_stage, results_folder, test_options
from dlvr_plugin.sweep.sweep_folder import Case, Run, Sweep, read_sweep

_JOURNAL = '.measured.jsonl'


def main(argv: Sequence[str] | None = None) -> int:
    """Measure one run of a sweep, or one checkpoint of it.

    Args:
        argv: Arguments; None for those of the command line.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(description='Measure the restored frames of a run of a sweep.')
    parser.add_argument('folder', type=Path, help='sweeps/NAME')
    parser.add_argument('run', help='name of the run')
    parser.add_argument('--iteration', type=int, help='of the checkpoint; the last one without')
    args = parser.parse_args(argv)

    def work() -> None:
        sweep = read_sweep(args.folder)
        found = [(case, run) for case, run in sweep.runs() if run.name == args.run and run.test is not None]
        if not found:
            raise InvalidValueError(f'{args.folder} has no run {args.run} to measure.')
        measure_run(sweep, *found[0], args.iteration)

    return exit_code_of(work)


def measure_run(sweep: Sweep, case: Case, run: Run, iteration: int | None = None) -> None:
    """Measure what the test of a run has restored, by the core of ``dlvr evaluate``.

    The frames of a numbered checkpoint are removed then: they are many, and nothing shows them.

    Args:
        sweep: The sweep.
        case: Case of the run.
        run: The run.
        iteration: Iteration of the checkpoint, None for the last one.

    Raises:
        UserError: Frames, weights or a protocol that cannot be used. OSError: The folder cannot be written.
    """
    options = copy.deepcopy(test_options(sweep, run, iteration))
    resolve_output_paths(options, sweep.root)
    (section,) = options['datasets'].values()
    frames = results_folder(sweep, run, iteration) / 'visualization' / section['name']
    target = sweep.metrics_file(run, iteration)
    measure, protocol = sweep.measure, Protocol(**sweep.measure.protocol)
    device = torch.device('cuda') if torch.cuda.is_available() else None
    needs_lpips = any(METRICS[name].needs_lpips for name in measure.metrics)
    gt = ClipReader(
        Path(section['dataroot_gt']).expanduser(), allow_cut_videos=bool(section.get('allow_cut_videos', False))
    )
    restored = ClipReader(frames)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FolderLock(lock_inside(target.parent), target.parent):
        evaluation = EvaluationRun(
            gt,
            {case.name: restored},
            metrics=measure.metrics,
            protocol=protocol,
            lpips=load_weights(measure, protocol, str(device or 'cpu')) if needs_lpips else None,
            clips=restored.names,
            device=device,
            num_workers=0,  # several runs are measured at once
            journal=target.with_name(_JOURNAL),
        ).run()
        write_atomic(target, format_json(evaluation).encode())
        mark_stage(sweep, run, iteration, 'measured', how_measured(sweep, case, run, iteration))
        means = evaluation['methods'][case.name]['mean']
        values = ', '.join(f'{METRICS[name].label} {value:.{METRICS[name].decimals}f}' for name, value in means.items())
        get_root_logger().info(f'{target}: {values}')
        if iteration is not None:
            remove(results_folder(sweep, run, iteration))


if __name__ == '__main__':
    os.environ.setdefault('TQDM_DISABLE', '1')
    sys.exit(main())
