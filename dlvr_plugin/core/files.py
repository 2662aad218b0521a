"""Atomic writes: files and folders that are whole as soon as they have their name."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def partial_path(target: Path) -> Path:
    """Return the hidden name under which a file or a folder is made until it is complete.

    It ends in ``.partial``, so that no search by extension finds it.

    >>> partial_path(Path('models/net_g.pth')).as_posix()
    'models/.net_g.pth.partial'
    """
    return target.with_name(f'.{target.name}.partial')


def what_is_wrong_with(path: Path, *, wanted: str) -> str:
    """Return why a path cannot be used, in words that go on after its name.

    >>> what_is_wrong_with(Path('nowhere'), wanted='a folder')
    'does not exist'
    """
    return f'is not {wanted}' if path.exists() else 'does not exist'


def remove(path: Path) -> None:
    """Remove a file, or a folder and all that is in it, where there is one; of a link the link alone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_folder(path: Path) -> list[Path]:
    """Make a folder, and those above it, where they are not there; return the new ones, the innermost first.

    Raises:
        FileExistsError: One of them is something else. OSError: One cannot be made.
    """
    made: list[Path] = []
    for folder in reversed([path, *path.parents]):
        if folder.is_dir():
            continue
        try:
            folder.mkdir()
            made.insert(0, folder)
        except FileExistsError as error:
            if not folder.is_dir():  # else another process has made it just now
                raise FileExistsError(f'{path} cannot be a folder: {folder} is none. Choose another place.') from error
    return made


def remove_made(folders: Sequence[Path]) -> None:
    """Remove what ``make_folder`` returned, as far as nothing was put into it."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let errors of the system name a file: that of a full disk names none, others that of a partial one.

    >>> with naming(Path('table.md')):
    ...     raise OSError(28, 'No space left on device')
    Traceback (most recent call last):
    ...
    OSError: [Errno 28] No space left on device: 'table.md'
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _open_partial(target: Path) -> BinaryIO:
    """Open the partial file of a target for writing, a new one always.

    What a killed process has left is removed. A link is never followed, and nothing that exists is written through.
    """
    partial = partial_path(target)
    partial.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, 'O_NOFOLLOW', 0) | getattr(os, 'O_BINARY', 0)
    return os.fdopen(os.open(partial, flags, 0o666), 'wb')


def write_atomic(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Write a file by way of another name, so that no stop leaves a part of it under its own.

    Args:
        path: File to write or to replace.
        content: All of it.
        sync: Wait until it is on the disk, so that it outlives the machine, too, not only the process.

    Raises:
        OSError: It cannot be written; what stood there before still stands there.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomic(Path(folder) / 'table.md', b'one')
    ...     write_atomic(Path(folder) / 'table.md', b'two')
    ...     [(path.name, path.read_bytes()) for path in Path(folder).iterdir()]
    [('table.md', b'two')]
    """
    partial = partial_path(path)
    with naming(path):
        file = _open_partial(path)
        try:
            with file:
                file.write(content)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder to fill, which gets its name only when it is complete.

    Raises:
        FileExistsError: The target exists.
    """
    if os.path.lexists(target):
        raise FileExistsError(f'{target} exists already. Remove it, or choose another name.')
    partial = make_partial_folder(target)
    yield partial
    partial.rename(target)


def make_partial_folder(target: Path) -> Path:
    """Make the partial folder of a target, an empty one always; a link in its place is removed, not followed."""
    partial = partial_path(target)
    remove(partial)
    partial.mkdir(parents=True)
    return partial
