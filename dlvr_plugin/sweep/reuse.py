"""Trainings that other sweeps have finished with the same options: they are copied, not done again."""

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from dlvr_plugin.core.files import atomic_folder
from dlvr_plugin.core.folder_lock import FolderLock, lock_beside
from dlvr_plugin.evaluation.journal import digest_of
from dlvr_plugin.options.given_options import plain
from dlvr_plugin.sweep.run_state import is_trained
from dlvr_plugin.sweep.sweep_folder import Run, Sweep


def find_reusable(sweep: Sweep, others: Iterable[Sweep]) -> Iterator[tuple[Run, Sweep, Run]]:
    """Yield the runs that are not begun and that another sweep has finished, with that sweep and its run.

    Options must be the same in all but names: that of the run, and those of the runs before whose files it takes, which
    must be the same in turn.
    """
    finished = {recipe: (other, run) for other in others for run, recipe in _recipes(other) if is_trained(other, run)}
    for run, recipe in _recipes(sweep):
        if recipe in finished and not sweep.experiment_folder(run).exists():
            yield run, *finished[recipe]


def reuse(sweep: Sweep, run: Run, other: Sweep, source: Run) -> None:
    """Copy a finished training, checkpoints and losses, into the place of a run that is not begun.

    Raises:
        InUseError: Somebody begins the run. OSError: It cannot be copied; what was is removed when it is tried again.
    """
    target = sweep.experiment_folder(run)
    with FolderLock(lock_beside(target), target):
        losses = sweep.tb_folder(run)
        if other.tb_folder(source).is_dir() and not losses.exists():
            _copy(other.tb_folder(source), losses)
        _copy(other.experiment_folder(source), target)  # last, for it says that the run is finished


def _copy(source: Path, target: Path) -> None:
    with atomic_folder(target) as partial:
        shutil.copytree(source, partial, dirs_exist_ok=True)


def _recipes(sweep: Sweep) -> list[tuple[Run, str]]:
    """Return the trainings of a sweep, each with a digest of what shapes it: its options, and the runs before."""
    digests: dict[str, str] = {}
    runs = [run for _, run in sweep.runs() if run.trains]
    for run in runs:
        text = json.dumps(plain({key: value for key, value in run.options.items() if key != 'name'}))
        for need in sorted(run.needs, key=len, reverse=True):  # one name may begin as another does
            text = text.replace(f'experiments/{need}', f'experiments/{digests[need]}')
        digests[run.name] = digest_of(json.loads(text))
    return [(run, digests[run.name]) for run in runs]
