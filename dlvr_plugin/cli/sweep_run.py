"""``dlvr sweep run``: train, restore and measure all cases of a file."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

import torch
from basicsr.utils import get_root_logger

from dlvr_plugin.cli.named_sweep import find_sweep
from dlvr_plugin.core.command import project_root
from dlvr_plugin.core.errors import InvalidValueError, StopRequested
from dlvr_plugin.core.folder_lock import FolderLock, lock_inside
from dlvr_plugin.core.names import nearest
from dlvr_plugin.options.consistency.findings import Processes
from dlvr_plugin.report.text_table import format_table
from dlvr_plugin.sweep.cases import Plan, make_plan
from dlvr_plugin.sweep.check_plan import check_plan
from dlvr_plugin.sweep.cluster import ClusterJobs
from dlvr_plugin.sweep.live_table import LiveTable
from dlvr_plugin.sweep.recorded_runs import join_recorded
from dlvr_plugin.sweep.reuse import find_reusable, reuse
from dlvr_plugin.sweep.run_log import last_error
from dlvr_plugin.sweep.run_process import RunProcess
from dlvr_plugin.sweep.run_state import next_step, write_option_file
from dlvr_plugin.sweep.scheduler import RunStatus, Scheduler, StartRun
from dlvr_plugin.sweep.shared_machine import Share, find_gpus, slot_environment
from dlvr_plugin.sweep.sweep_file import read_sweep_file
from dlvr_plugin.sweep.sweep_folder import Case, Run, Sweep, write_sweep

_MANY_GPUS = 64  # whatever the machine has from which jobs are sent to a cluster


def run(args: argparse.Namespace) -> int:
    """Check the file, do what is left to do, and return 1 where a run failed.

    Raises:
        UserError: A file or an argument that cannot be used. InUseError: Another process does this sweep. OSError: A
            folder cannot be written. StopRequested: Ctrl-C or SIGTERM; the runs have saved.
    """
    if args.cluster == 'slurm' and args.gpus is not None:
        raise InvalidValueError('--gpus shares those of this machine. Jobs ask for theirs: --slurm gpus_per_node=1.')
    gpus = find_gpus(args.gpus)
    num_slots = args.jobs if args.jobs is not None else max(len(gpus), 1)
    if num_slots < 1:
        raise InvalidValueError(f'--jobs must be at least 1, got {args.jobs}.')
    if args.cluster is None and args.slurm:
        raise InvalidValueError('--slurm says what jobs of a cluster ask for. Add --cluster slurm.')
    jobs = ClusterJobs(args.cluster, args.slurm) if args.cluster else None
    others = [find_sweep(text) for text in args.reuse]
    plan = make_plan(
        read_sweep_file(args.file, args.force_yml), project_root(), lpips_random_weights=args.lpips_random_weights
    )
    chosen = _choose(plan, args.only)
    num_gpu = _MANY_GPUS if jobs is not None else 1 if gpus else torch.cuda.device_count()
    check_plan(plan, [run.name for _, run in chosen], Processes(num_gpu=num_gpu))
    if args.dry_run:
        _show_plan(join_recorded(plan.sweep), chosen, others)
        return 0
    folder = plan.sweep.folder
    with FolderLock(lock_inside(folder), folder, 'Wait until it ends, or stop it.'):
        sweep = join_recorded(plan.sweep)
        write_sweep(sweep)
        _reuse(sweep, chosen, others)
        for _, each in chosen:
            if each.trains:
                write_option_file(sweep.option_file(each), each.options)
        share = partial(slot_environment, num_slots=num_slots, gpus=gpus)
        start: StartRun = jobs.starter(sweep, share) if jobs is not None else partial(_start_here, sweep, share)
        table = LiveTable(sweep, sys.stdout)
        try:
            statuses = Scheduler(sweep, chosen, num_slots=num_slots, start=start, show=table.show).run()
        except StopRequested:
            sys.stdout.write('Stopped. The same command goes on from here.\n')
            raise
        return _sum_up(sweep, statuses)


def _start_here(sweep: Sweep, share: Share, case: Case, run: Run, slot: int) -> RunProcess:
    return RunProcess(sweep, case, run, share(slot))


def _choose(plan: Plan, names: Sequence[str] | None) -> list[tuple[Case, Run]]:
    """Return the runs of some cases, None for all, and what these need, in the order in which they can be done."""
    runs = list(plan.sweep.runs())
    if names is None:
        return runs
    known = [case.name for case in plan.sweep.cases]
    for name in names:
        if name not in known:
            raise InvalidValueError(
                f'--only: there is no case {name!r}.{nearest(name, known) or " There are " + ", ".join(known) + "."}'
            )
    wanted = {run.name for case in plan.sweep.cases if case.name in names for run in case.runs.values()}
    for _, run in reversed(runs):
        if run.name in wanted:
            wanted.update(run.needs)
    return [(case, run) for case, run in runs if run.name in wanted]


def _reuse(sweep: Sweep, runs: Sequence[tuple[Case, Run]], others: Sequence[Sweep]) -> None:
    """Take the trainings of some runs from other sweeps."""
    chosen = {run.name for _, run in runs}
    used = set()
    for run, other, source in find_reusable(sweep, others):
        if run.name in chosen:
            reuse(sweep, run, other, source)
            used.add(other.folder)
            get_root_logger().info(f'{run.name}: trained as {source.name} in {other.folder}, and copied from there.')
    for other in others:
        if other.folder not in used:
            get_root_logger().info(f'--reuse: of {other.folder}, no training is one that is left to do.')


def _show_plan(sweep: Sweep, runs: Sequence[tuple[Case, Run]], others: Sequence[Sweep]) -> None:
    """Print what would be done."""
    rows, iterations = [], 0
    reusable = {run.name: source.name for run, _, source in find_reusable(sweep, others)}
    for case, run in runs:
        step = next_step(sweep, case, run)
        total = int(run.options['train']['total_iter']) if run.trains else 0
        if step is None:
            state = 'finished'
        elif run.name in reusable:
            state = f'next: copy {reusable[run.name]}'
        else:
            state = f'next: {step.action}'
            iterations += total if step.action == 'training' else 0
        rows.append([run.name, case.name, state, str(total or ''), ', '.join(run.needs)])
    sys.stdout.write(format_table(('run', 'case', 'state', 'iterations', 'needs'), rows) + '\n')
    left = sum(row[2] != 'finished' for row in rows)
    sys.stdout.write(
        f'{len(sweep.cases)} cases, {len(sweep.seeds)} seeds, compared with {sweep.reference}. {left} of {len(rows)} '
        f'runs are left to do, with {iterations} iterations at most. All is checked; nothing was written.\n'
    )


def _sum_up(sweep: Sweep, statuses: Sequence[RunStatus]) -> int:
    """Say what failed, and return the exit code."""
    failed = [status for status in statuses if status.state == 'failed']
    for status in failed:
        log = sweep.log_file(status.run)
        get_root_logger().error(f'{status.run.name} failed with exit code {status.exit_code}: {last_error(log)}\n{log}')
    left_out = [status.run.name for status in statuses if status.state == 'left out']
    if left_out:
        get_root_logger().error(f'Left out, because they need what failed: {", ".join(left_out)}.')
    if failed:
        get_root_logger().error('The other runs are finished. The same command tries again what failed.')
        return 1
    if sweep.measure.lpips_random_weights:
        get_root_logger().warning('LPIPS was measured with random weights: its values are no LPIPS.')
    elif sweep.measure.lpips_weights is not None:
        get_root_logger().info(f'LPIPS was measured with the weights of {sweep.measure.lpips_weights}.')
    sys.stdout.write(f'{len(statuses)} runs are finished: {sweep.folder}\n')
    return 0
