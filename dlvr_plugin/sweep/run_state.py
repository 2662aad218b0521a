"""How far a run has come, as its folders say, and the command that comes next."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.files import write_atomic
from dlvr_plugin.core.folder_lock import lock_beside, lock_inside
from dlvr_plugin.core.regular_files import read_json
from dlvr_plugin.evaluation.evaluation_file import format_json
from dlvr_plugin.evaluation.journal import digest_of
from dlvr_plugin.sweep.sweep_folder import Case, Run, Sweep

Action = Literal['training', 'restoring', 'measuring']

_STAGES = 'stages.json'


@dataclass(frozen=True)
class Step:
    """The next command of a run.

    Attributes:
        action: What it does.
        iteration: That of the checkpoint that is restored or measured, None for the last.
        command: Its words.
        lock: File that is locked while such a command works.
    """

    action: Action
    iteration: int | None
    command: tuple[str, ...]
    lock: Path


def next_step(sweep: Sweep, case: Case, run: Run) -> Step | None:
    """Return what is to be done next for a run, None where nothing is left."""
    if run.trains and not is_trained(sweep, run):
        command = (*_module('train'), '-opt', str(sweep.option_file(run)), '--auto_resume')
        return Step('training', None, command, lock_beside(sweep.experiment_folder(run)))
    if run.test is None:
        return None
    for iteration in (None, *_iterations_to_measure(sweep, run)):
        if is_measured(sweep, case, run, iteration):
            continue
        if not _is_restored(sweep, run, iteration):
            command = (*_module('test'), '-opt', str(sweep.test_file(run, iteration)))
            return Step('restoring', iteration, command, lock_beside(results_folder(sweep, run, iteration)))
        which = () if iteration is None else ('--iteration', str(iteration))
        command = (*_module('sweep.measure_run'), str(sweep.folder), run.name, *which)
        return Step('measuring', iteration, command, lock_inside(sweep.metrics_file(run, iteration).parent))
    return None


def is_trained(sweep: Sweep, run: Run) -> bool:
    """Tell whether a training has reached its last iteration and left its last networks."""
    folder = sweep.experiment_folder(run)
    total = int(run.options['train']['total_iter'])
    names = [f'models/net_{letter}_latest.pth' for letter in ('g', 't') if f'network_{letter}' in run.options]
    return all((folder / name).is_file() for name in (f'training_states/{total}.state', *names))


def is_measured(sweep: Sweep, case: Case, run: Run, iteration: int | None = None) -> bool:
    """Tell whether a checkpoint is measured, in the way that is asked for now."""
    stages = _read_stages(sweep, run, iteration)
    wanted = digest_of(how_measured(sweep, case, run, iteration))
    return sweep.metrics_file(run, iteration).is_file() and stages.get('measured') == wanted


def how_measured(sweep: Sweep, case: Case, run: Run, iteration: int | None) -> dict[str, Any]:
    """Return all that the content of a ``metrics.json`` depends on."""
    measure = {name: value for name, value in vars(sweep.measure).items() if name != 'all_checkpoints'}
    return {'test': test_options(sweep, run, iteration), 'measure': measure, 'name': case.name}


def mark_stage(sweep: Sweep, run: Run, iteration: int | None, stage: Literal['restored', 'measured'], how: Any) -> None:
    """Remember what was done to a checkpoint, and how."""
    stages = {**_read_stages(sweep, run, iteration), stage: digest_of(how)}
    path = sweep.metrics_file(run, iteration).with_name(_STAGES)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, format_json(stages).encode())


def test_options(sweep: Sweep, run: Run, iteration: int | None) -> dict[str, Any]:
    """Return the options of the test of a checkpoint."""
    assert run.test is not None
    options = dict(run.test)
    if iteration is not None:
        weights = f'experiments/{run.experiment}/models/net_g_{iteration}.pth'
        options['path'] = {**options['path'], 'pretrain_network_g': weights}
        options['name'] = sweep.test_name(run, iteration)
    return options


def results_folder(sweep: Sweep, run: Run, iteration: int | None) -> Path:
    """Return where the test of a checkpoint leaves its frames."""
    return sweep.root / 'results' / sweep.test_name(run, iteration)


def write_option_files(sweep: Sweep, run: Run) -> None:
    """Write the option files of a run, as far as they are not there already.

    Raises:
        OSError: One cannot be written.
    """
    files: list[tuple[Path, Any]] = [(sweep.option_file(run), run.options)] if run.trains else []
    if run.test is not None:
        files += [
            (sweep.test_file(run, each), test_options(sweep, run, each))
            for each in (None, *_iterations_to_measure(sweep, run))
        ]
    for path, options in files:
        text = yaml.safe_dump(dict(options), sort_keys=False, allow_unicode=True).encode()
        if not path.is_file() or path.read_bytes() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, text)


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, '-m', f'dlvr_plugin.{name}')


def _iterations_to_measure(sweep: Sweep, run: Run) -> list[int]:
    """Return the numbered checkpoints of G, rising, where all are to be measured."""
    if not sweep.measure.all_checkpoints:
        return []
    paths = (sweep.experiment_folder(run) / 'models').glob('net_g_*.pth')
    numbers = (path.stem.removeprefix('net_g_') for path in paths)
    return sorted(int(number) for number in numbers if number.isdecimal())


def _is_restored(sweep: Sweep, run: Run, iteration: int | None) -> bool:
    wanted = digest_of(test_options(sweep, run, iteration))
    is_marked = _read_stages(sweep, run, iteration).get('restored') == wanted
    return is_marked and (results_folder(sweep, run, iteration) / 'visualization').is_dir()


def _read_stages(sweep: Sweep, run: Run, iteration: int | None) -> dict[str, Any]:
    """Return what was done to a checkpoint; a file that is damaged is as good as none."""
    path = sweep.metrics_file(run, iteration).with_name(_STAGES)
    try:
        content = read_json(path) if path.exists() else {}
    except DataError:
        return {}
    return content if isinstance(content, dict) else {}
