"""One process at a time in a folder: a lock that the system frees, however its holder ends.

It is one of ``flock`` on a file, so that machines that share a disk see each other's where that disk has locks.
Processes that the holder forks do not inherit it: a worker that outlives a killed run keeps nobody out.
"""

import contextlib
import errno
import os
import socket
import time
from pathlib import Path
from types import TracebackType

from basicsr.utils import get_root_logger

from dlvr_plugin.core.errors import InUseError
from dlvr_plugin.core.files import make_folder, remove_made

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

_GRACE_SECONDS = 0.5  # a process that was just killed is not gone at once
_NOT_OFFERED = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_held: set[int] = set()  # descriptors


def _leave_to_parent() -> None:
    """Close the descriptors in a process that was forked: the lock lives as long as any of its copies is open."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_leave_to_parent)


def lock_beside(target: Path) -> Path:
    """Return the file that locks a folder which may be renamed or replaced.

    >>> lock_beside(Path('experiments/my_run')).as_posix()
    'experiments/.my_run.lock'
    """
    return target.with_name(f'.{target.name}.lock')


def lock_inside(folder: Path) -> Path:
    """Return the file that locks a folder which stays where it is.

    >>> lock_inside(Path('results/comparison')).as_posix()
    'results/comparison/.lock'
    """
    return folder / '.lock'


class FolderLock:
    """A lock, held while it is entered.

    Args:
        file: Its file. It is removed at the end, and with it the folders that were made for it and are empty; it stays
            after a kill, which frees the lock all the same.
        what: What is locked, for errors.
        advice: What to do where another process holds it.

    Raises:
        InUseError: When it is entered: another process holds it; its number, machine and start are named. OSError: The
            file cannot be made. Where the disk has no locks, a warning is logged instead.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root, FolderLock(lock_inside(Path(root) / 'out'), 'out') as lock:
    ...     lock.file.is_file()
    True
    """

    def __init__(self, file: Path, what: object, advice: str = 'Wait until it ends, or stop it.') -> None:
        self.file, self.what, self.advice = file, what, advice
        self._descriptor: int | None = None
        self._made: list[Path] = []

    def __enter__(self) -> 'FolderLock':
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock; see the class for what may be raised."""
        deadline = time.monotonic() + _GRACE_SECONDS
        while self._descriptor is None:
            descriptor = self._open()
            try:
                is_mine = self._try(descriptor)
                # Its last holder may have removed the file after it was opened here: such a lock keeps nobody out.
                if is_mine and self._is_in_place(descriptor):
                    self._descriptor = descriptor
                elif not is_mine and time.monotonic() > deadline:
                    raise InUseError(f'{self.what} is in use: {_holder(descriptor)}. {self.advice}')
            finally:
                if self._descriptor is None:
                    os.close(descriptor)
            if not is_mine:
                time.sleep(_GRACE_SECONDS / 10)
        _held.add(self._descriptor)
        _write_holder(self._descriptor)

    def release(self) -> None:
        """Free the lock; without one, nothing happens."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor not in _held:  # never taken, or taken by the process that forked this one
            return
        with contextlib.suppress(OSError):
            if self._is_in_place(descriptor):
                self.file.unlink()
        _held.remove(descriptor)
        os.close(descriptor)
        remove_made(self._made)

    def _open(self) -> int:
        while True:
            try:
                self._made += make_folder(self.file.parent)
                return os.open(self.file, os.O_RDWR | os.O_CREAT | getattr(os, 'O_NOFOLLOW', 0), 0o666)
            except FileNotFoundError:  # whoever had made the folder has just removed it
                continue
            except PermissionError as error:
                raise PermissionError(f'{self.what} cannot be written: {error.filename} may not be made.') from error

    def _try(self, descriptor: int) -> bool:
        """Lock the open file, and tell whether it is this process that holds the lock now."""
        try:
            if fcntl is None:
                raise OSError(errno.ENOSYS, 'this system has no flock')
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _NOT_OFFERED:
                raise OSError(error.errno, error.strerror, str(self.file)) from error
            get_root_logger().warning(
                f'{self.what} cannot be locked ({error.strerror}): make sure that no other process uses it now.'
            )
        return True

    def _is_in_place(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.lstat(self.file))
        except FileNotFoundError:
            return False


def _write_holder(descriptor: int) -> None:
    """Write who holds a lock into its file; a full disk does not matter to the lock."""
    text = f'process {os.getpid()} on {socket.gethostname()}, since {time.strftime("%Y-%m-%d %H:%M:%S")}\n'
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)


def _holder(descriptor: int) -> str:
    """Return who holds a lock, as its file says."""
    line = os.pread(descriptor, 300, 0).decode(errors='replace').partition('\n')[0]
    return ''.join(filter(str.isprintable, line)) or 'by a process that has not told its name yet'
