"""Atomic writes: files and folders that are whole as soon as they have their name."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
    try:
        with partial.open('wb') as file:
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
    """Yield a folder to fill, which gets its name only when it is complete.

    Raises:
        FileExistsError: The target exists.
    """
    if target.exists():
        raise FileExistsError(f'{target} exists already. Remove it, or choose another name.')
    partial = partial_path(target)
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    yield partial
    partial.rename(target)
