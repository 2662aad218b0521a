"""Files that are whole as soon as they have their name."""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file by way of another name, so that no stop leaves a part of it under its own.

    Args:
        path: File to write or to replace.
        content: All of it.

    Raises:
        OSError: It cannot be written; what stood there before still stands there.
    """
    unfinished = path.with_name(f'.{path.name}.partial')
    try:
        with unfinished.open('wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
