"""Opening files that others wrote: regular ones alone, of a size that their kind may have, with names in errors.

A FIFO waits for ever, a device such as ``/dev/zero`` never ends. What counts is the file that was opened, not its name,
which may come to stand for another one in between.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from dlvr_plugin.core.errors import DataError, UserError

MOST_BYTES_OF_TEXT = 2**28
"""Of lists of clips and frames: a million frames take a quarter of it."""

MOST_BYTES_OF_IMAGE = 2**30
"""Of the file of a frame: without compression, one of 8K with 16 bits a channel takes a fifth of it."""

_MOST_BYTES_OF_JSON = 2**30
_KINDS = (
    (stat.S_ISDIR, 'a folder'),
    (stat.S_ISFIFO, 'a FIFO'),
    (stat.S_ISCHR, 'a device'),
    (stat.S_ISBLK, 'a device'),
    (stat.S_ISSOCK, 'a socket'),
)


@contextmanager
def open_regular(
    path: str | Path, *, most_bytes: int | None = None, error: type[UserError] = DataError
) -> Iterator[BinaryIO]:
    """Open a regular file for reading, at once, whatever stands under its name.

    Args:
        path: The file; links are followed.
        most_bytes: Size that it may have, None for any.
        error: Kind of the error.

    Raises:
        UserError: Of that kind; it is missing, no file, too large, or may not be read. The message names it.
    """
    try:
        # Without O_NONBLOCK, opening a FIFO waits for somebody to write. It changes nothing for regular files.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, 'O_NONBLOCK', 0) | getattr(os, 'O_BINARY', 0))
    except (OSError, ValueError) as problem:  # a name with a NUL is a ValueError
        raise error(_why_not_opened(path, problem)) from problem
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise error(f'{path} is {_kind_of(status.st_mode)}, not a file.')
    with os.fdopen(descriptor, 'rb') as file:
        if most_bytes is not None and status.st_size > most_bytes:
            raise error(f'{path} has {status.st_size} bytes, more than such a file may have ({most_bytes}).')
        yield file


def read_regular(path: str | Path, *, most_bytes: int | None = None, error: type[UserError] = DataError) -> bytes:
    """Return the content of a regular file; arguments and errors as those of ``open_regular``."""
    with open_regular(path, most_bytes=most_bytes, error=error) as file:
        try:
            content = file.read() if most_bytes is None else file.read(most_bytes + 1)
        except OSError as problem:
            raise error(f'{path} cannot be read: {problem.strerror}.') from problem
    if most_bytes is not None and len(content) > most_bytes:  # it grows while it is read
        raise error(f'{path} has more bytes than such a file may have ({most_bytes}).')
    return content


def read_lines(path: str | Path) -> list[str]:
    """Return the lines of a text file.

    Raises:
        DataError: As ``read_regular``; or it is not UTF-8.
    """
    try:
        return read_regular(path, most_bytes=MOST_BYTES_OF_TEXT).decode().splitlines()
    except UnicodeDecodeError as problem:
        raise DataError(f'{path}: byte {problem.start} is not UTF-8 text.') from problem


def read_json(path: str | Path) -> Any:
    """Return what a JSON file says.

    Raises:
        DataError: As ``read_regular``; or it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(read_regular(path, most_bytes=_MOST_BYTES_OF_JSON), parse_constant=_read_constant)
    except DataError:  # a ValueError, too
        raise
    except RecursionError as problem:
        raise DataError(f'{path} is damaged: lists or objects are nested too deeply.') from problem
    except ValueError as problem:
        raise DataError(f'{path} is damaged: {problem}.') from problem


def check_regular(path: str | Path, *, error: type[UserError] = DataError) -> None:
    """Demand a regular file, right before a library opens it by its name.

    Raises:
        UserError: As ``open_regular``.
    """
    with open_regular(path, error=error):
        pass


def hash_open(file: BinaryIO) -> str:
    """Return the SHA-256 of an open file, hexadecimal, and go back to its beginning."""
    digest = hashlib.sha256()
    while block := file.read(2**20):
        digest.update(block)
    file.seek(0)
    return digest.hexdigest()


def check_name(path: str | Path) -> None:
    """Demand a name that is UTF-8: no other can stand in lists, tables and pages.

    Raises:
        DataError: It is not.
    """
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError as problem:
        shown = os.fspath(path).encode(errors='backslashreplace').decode()
        raise DataError(f'{shown} has a name that is not UTF-8. Rename it.') from problem


def _read_constant(name: str) -> float:
    if name == 'NaN':  # nothing here writes it
        raise ValueError('NaN is no number')
    return float(name)


def _kind_of(mode: int) -> str:
    return next((name for is_kind, name in _KINDS if is_kind(mode)), 'something else')


def _why_not_opened(path: str | Path, problem: OSError | ValueError) -> str:
    if isinstance(problem, ValueError):
        return f'{str(path)!r} is no name of a file: {problem}.'
    if isinstance(problem, FileNotFoundError):
        return f'{path} does not exist.'
    try:
        mode = os.stat(path).st_mode
    except OSError:
        mode = stat.S_IFREG
    if not stat.S_ISREG(mode):  # a socket cannot be opened at all
        return f'{path} is {_kind_of(mode)}, not a file.'
    return f'{path} cannot be read: {problem.strerror}.'
