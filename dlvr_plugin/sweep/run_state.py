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

Stage = Literal['restoring', 'restored', 'measured']

_STAGES = 'stages.json'


@dataclass(frozen=True)
class Step:
    """The next command of a run.

    Attributes:
        action: What it does.
        command: Its words.
        lock: File that is locked while such a command works.
    """

    action: Literal['training', 'measuring']
    command: tuple[str, ...]
    lock: Path


def next_step(sweep: Sweep, case: Case, run: Run) -> Step | None:
    """Return what is to be done next for a run, None where nothing is left."""
    python = (sys.executable, '-m')
    if run.trains and not is_trained(sweep, run):
        train = (*python, 'dlvr_plugin.train', '-opt', str(sweep.option_file(run)), '--auto_resume')
        return Step('training', train, lock_beside(sweep.experiment_folder(run)))
    checkpoints = checkpoints_to_measure(sweep, run)
    if all(has_stage(sweep, case, run, each, 'measured') for each in checkpoints):
        return None
    measure = (*python, 'dlvr_plugin.cli', 'sweep', 'measure', str(sweep.folder), run.name)
    return Step('measuring', measure, lock_inside(sweep.metrics_file(run).parent))


def is_trained(sweep: Sweep, run: Run) -> bool:
    """Tell whether a training has reached its last iteration and left its last networks."""
    folder = sweep.experiment_folder(run)
    total = int(run.options['train']['total_iter'])
    names = [f'models/net_{letter}_latest.pth' for letter in ('g', 't') if f'network_{letter}' in run.options]
    return all((folder / name).is_file() for name in (f'training_states/{total}.state', *names))


def checkpoints_to_measure(sweep: Sweep, run: Run) -> list[int | None]:
    """Return the iterations of the checkpoints that are measured, None for the last one, which comes first."""
    if run.test is None:
        return []
    if not sweep.measure.all_checkpoints:
        return [None]
    paths = (sweep.experiment_folder(run) / 'models').glob('net_g_*.pth')
    numbers = (path.stem.removeprefix('net_g_') for path in paths)
    return [None, *sorted(int(number) for number in numbers if number.isdecimal())]


def has_stage(sweep: Sweep, case: Case, run: Run, iteration: int | None, stage: Stage) -> bool:
    """Tell whether something was done to a checkpoint, in the way that is asked for now, and its result is there.

    Args:
        sweep: The sweep.
        case: Case of the run.
        run: The run.
        iteration: Iteration of the checkpoint, None for the last one.
        stage: 'restoring' is begun, 'restored' and 'measured' are done.
    """
    result = {'measured': sweep.metrics_file(run, iteration), 'restored': results_folder(sweep, run, iteration)}
    is_there = stage not in result or result[stage].exists()
    return is_there and _read_stages(sweep, run, iteration).get(stage) == _how(sweep, case, run, iteration, stage)


def mark_stage(sweep: Sweep, case: Case, run: Run, iteration: int | None, stage: Stage) -> None:
    """Remember what was done to a checkpoint, and how; arguments as those of ``has_stage``.

    Raises:
        OSError: It cannot be written.
    """
    stages = {**_read_stages(sweep, run, iteration), stage: _how(sweep, case, run, iteration, stage)}
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
        options['name'] = f'{run.name}_{iteration}'
    return options


def results_folder(sweep: Sweep, run: Run, iteration: int | None) -> Path:
    """Return where the test of a checkpoint leaves its frames."""
    return sweep.root / 'results' / test_options(sweep, run, iteration)['name']


def write_option_file(path: Path, options: Any) -> None:
    """Write an option file, if it does not say the same already.

    Raises:
        OSError: It cannot be written.
    """
    text = yaml.safe_dump(dict(options), sort_keys=False, allow_unicode=True).encode()
    if not path.is_file() or path.read_bytes() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text)


def _how(sweep: Sweep, case: Case, run: Run, iteration: int | None, stage: Stage) -> str:
    """Return a digest of all that the result of a stage depends on."""
    options = test_options(sweep, run, iteration)
    if stage != 'measured':
        return digest_of(options)
    measure = {name: value for name, value in vars(sweep.measure).items() if name != 'all_checkpoints'}
    return digest_of([options, measure, case.name])


def _read_stages(sweep: Sweep, run: Run, iteration: int | None) -> dict[str, Any]:
    """Return what was done to a checkpoint; a file that is damaged is as good as none."""
    path = sweep.metrics_file(run, iteration).with_name(_STAGES)
    try:
        content = read_json(path) if path.exists() else {}
    except DataError:
        return {}
    return content if isinstance(content, dict) else {}
