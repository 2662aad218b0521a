"""The folder of a run: locked while the run lives, taken only when it can begin, and never at the cost of another run.

What lies in the place of a new run's folder is kept as ``NAME_archived_TIME``.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch.distributed as dist
from basicsr.utils import get_root_logger, get_time_str

from dlvr_plugin.core.files import make_folder, make_partial_folder, remove, remove_made
from dlvr_plugin.core.folder_lock import FolderLock, lock_beside

_SUBFOLDERS = ('models', 'training_states', 'visualization')
_ADVICE = 'Wait until it ends, stop it, or give this run another name.'


class RunFolder:
    """The folder of a training run or a test, locked while it is entered; the first of several processes sees to it.

    Args:
        opt: Options, parsed and checked.
        tb_folder: Folder of TensorBoard's files, which shares the fate of the run's; None for none.

    Attributes:
        path: The folder.
        goes_on: Whether the run goes on in a folder that was there, once it is taken.

    Raises:
        InUseError: When it is entered: another run is at work in it. OSError: The lock's file cannot be made.
    """

    def __init__(self, opt: Mapping[str, Any], tb_folder: Path | None = None) -> None:
        self.path = Path(opt['path']['experiments_root' if opt['is_train'] else 'results_root'])
        self.goes_on = False
        self._folders: dict[Path, Sequence[str]] = {
            self.path: [Path(opt['path'][name]).name for name in _SUBFOLDERS if name in opt['path']]
        }
        if tb_folder is not None:
            self._folders[tb_folder] = ()
        self._rank, self._is_distributed = opt['rank'], opt['dist']
        self._lock = FolderLock(lock_beside(self.path), self.path, _ADVICE)

    def __enter__(self) -> 'RunFolder':
        self._in_first_process(self._lock.acquire)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def take(self, *, resumes: bool) -> None:
        """Make the folder the run's: as it is for one that resumes, else a new one, and what was there is kept.

        A folder that holds neither checkpoints nor pictures, such as that of a run that ended before its first
        checkpoint, is used again, with the logs in it.

        Args:
            resumes: Whether the run goes on from a state.

        Raises:
            OSError: It cannot be made; then all is where it was.
        """
        self._in_first_process(lambda: self._take(resumes))

    def _take(self, resumes: bool) -> None:
        self.goes_on = resumes or (self.path.is_dir() and not _holds_results(self.path))
        if not self.goes_on:
            _replace_folders(self._folders)
            return
        for folder, names in self._folders.items():
            for path in (folder, *(folder / name for name in names)):
                path.mkdir(parents=True, exist_ok=True)

    def _in_first_process(self, action: Callable[[], object]) -> None:
        """Let the first process do something, and all of them end with its error where it fails."""
        outcome: list[Exception | None] = [None]
        if self._rank == 0:
            try:
                action()
            except Exception as error:
                outcome = [error]
        if self._is_distributed:
            dist.broadcast_object_list(outcome)
        if outcome[0] is not None:
            raise outcome[0]


def _holds_results(folder: Path) -> bool:
    """Tell whether a file that is complete lies in one of the subfolders."""
    subfolders = [path for path in folder.iterdir() if path.is_dir()]
    files = (path for subfolder in subfolders for path in subfolder.rglob('*') if not path.is_dir())
    return any(not path.name.endswith('.partial') for path in files)


def _replace_folders(folders: Mapping[Path, Sequence[str]]) -> None:
    """Put new folders, with subfolders of these names, in the place of what is there: all of them, or none."""
    made: list[Path] = []
    partials: list[Path] = []
    moved: list[tuple[Path, Path]] = []

    def move(path: Path, target: Path) -> None:
        path.rename(target)
        moved.append((path, target))

    try:
        for folder, names in folders.items():
            made += make_folder(folder.parent)
            partials.append(make_partial_folder(folder))
            for name in names:
                (partials[-1] / name).mkdir()
        for folder, partial in zip(folders, partials, strict=True):
            if os.path.lexists(folder):
                archive = _archive_of(folder)
                move(folder, archive)
                get_root_logger().info(f'{folder} was there before: it is kept as {archive}.')
            move(partial, folder)
    except BaseException:
        for path, target in reversed(moved):
            target.rename(path)
        for partial in partials:
            remove(partial)
        remove_made(made)
        raise


def _archive_of(folder: Path) -> Path:
    """Return the name under which a folder is kept, one that is free."""
    name = f'{folder.name}_archived_{get_time_str()}'
    archive, number = folder.with_name(name), 2
    while os.path.lexists(archive):
        archive, number = folder.with_name(f'{name}_{number}'), number + 1
    return archive
