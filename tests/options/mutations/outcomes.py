"""What became of a run: by its exit code, by what it wrote to the screen, and by the files before and after."""

import enum
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

Listing = Mapping[str, str]
_LARGE = 2**20  # bytes; larger files are told apart by size and time
_FOLDER = 'folder'
_LMDB_LOCK = 'lock.mdb'  # which io_backend.lock: true asks for
_ITERATION = re.compile(r'\biter:\s*([\d,]+),|saved at iteration ([\d,]+)|DivergenceError: Iteration ([\d,]+)')
_DEFECT = re.compile(r'Traceback \(most recent call last\)|This is a defect, not a mistake')
_RUNS = ('experiments', 'results', 'tb_logger')
_ENDED, _STOPPED, _FAILED = 0, 128 + 15, 1


class Outcome(enum.Enum):
    """Kinds of ends, the good ones first."""

    REFUSED = 'refused: a named error, and nothing was changed'
    RAN = 'ran to the end, or until it was stopped after its second iteration'
    FAILED = 'began to train, and ended by a named error'
    CHANGED = 'failed before it trained, and created, moved or changed something; or touched what is not its own'
    TRACEBACK = 'ended with a traceback'
    HANG = 'did not end in time'
    KILLED = 'was ended by a signal, or by an exit code that is none of those documented'

    @property
    def is_good(self) -> bool:
        """Whether a program may end so whatever the options are."""
        return self in (Outcome.REFUSED, Outcome.RAN, Outcome.FAILED)


def listing(folder: Path) -> dict[str, str]:
    """Return what lies below a folder: paths, and the content of each as text to compare."""
    found = {}
    for path in sorted(folder.rglob('*')):
        if path.name == _LMDB_LOCK:
            continue
        status = path.lstat()
        if path.is_dir() and not path.is_symlink():
            content = _FOLDER
        elif not path.is_file() or path.is_symlink():
            content = f'special {status.st_mode}'
        elif status.st_size > _LARGE:
            content = f'{status.st_size} {status.st_mtime_ns}'
        else:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        found[path.relative_to(folder).as_posix()] = content
    return found


def last_iteration(log: str) -> int:
    """Return the last iteration that a log tells of, 0 for none."""
    numbers = (number for found in _ITERATION.findall(log) for number in found if number)
    return max((int(number.replace(',', '')) for number in numbers), default=0)


def outcome_of(
    exit_code: int | None, log: str, before: Listing, after: Listing, *, root: str, name: str
) -> tuple[Outcome, list[str]]:
    """Tell the outcome of a run.

    Args:
        exit_code: Of its process, None where it did not end.
        log: What it wrote to the screen.
        before: Files before the run.
        after: Files after it.
        root: Folder of ``experiments`` among them.
        name: Name of the run.

    Returns:
        The outcome, and what the run changed that it had to leave alone.
    """
    has_started = exit_code == _ENDED or last_iteration(log) > 0
    changes = changes_beyond(before, after, root=root, name=name) if has_started else all_changes(before, after)
    if exit_code is None or (exit_code == _STOPPED and last_iteration(log) < 2):
        return Outcome.HANG, changes
    if _DEFECT.search(log):
        return Outcome.TRACEBACK, changes
    if exit_code not in (_ENDED, _STOPPED, _FAILED) or (exit_code == _FAILED and 'error: ' not in log.lower()):
        return Outcome.KILLED, changes
    if changes:
        return Outcome.CHANGED, changes
    if exit_code == _FAILED:
        return Outcome.FAILED if has_started else Outcome.REFUSED, changes
    return Outcome.RAN, changes


def all_changes(before: Listing, after: Listing) -> list[str]:
    """Return a line for each file and folder that came, went or is another now."""
    gone = [f'gone: {path}' for path in before if path not in after]
    changed = [f'changed: {path}' for path in before if path in after and before[path] != after[path]]
    return gone + changed + [f'new: {path}' for path in after if path not in before]


def changes_beyond(before: Listing, after: Listing, *, root: str, name: str) -> list[str]:
    """Return the changes that a run may not make that has begun.

    It may write to folders of its own name, and put a finished run aside: all of its files, under its name with
    ``_archived_`` and the time.
    """
    own = re.compile(rf'{re.escape(root)}/({"|".join(_RUNS)})(/[^/]*{re.escape(name)}[^/]*(/.*)?)?')
    new = [path for path in after if path not in before]
    found = [f'new: {path}' for path in new if not own.fullmatch(path)]
    for path, content in before.items():
        if content == _FOLDER or after.get(path) == content:
            continue
        if not any(_is_archived(path, each) and after[each] == content for each in new):
            found.append(f'changed or gone: {path}')
    return found


def _is_archived(path: str, new: str) -> bool:
    """Tell whether a new path is that of a file in a run that was put aside."""
    pattern = re.fullmatch(r'(.*/(?:experiments|results|tb_logger)/[^/]+)(/.*)', path)
    return (
        pattern is not None
        and re.fullmatch(rf'{re.escape(pattern[1])}_archived_[^/]+{re.escape(pattern[2])}', new) is not None
    )
