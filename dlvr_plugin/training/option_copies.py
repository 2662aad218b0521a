"""The copies of option files that an experiment keeps: what it began with, and each that it went on with."""

import re
import sys
import time
from pathlib import Path

from dlvr_plugin.core.files import write_atomic

# As the framework heads its copies, once for each start.
_HEADS = re.compile(rb'\A(# GENERATE TIME: .*\n# CMD:\n# .*\n\n)*')


def keep_option_file(content: bytes, target: Path, last_iter: int) -> None:
    """Copy an option file to an experiment, headed by the time and the command.

    A copy of the same text gets one more head. One of another text goes on under a name that says until which iteration
    it counted, ``NAME_until_1200.yml``.

    Args:
        content: The file; it may be a copy with heads itself.
        target: Where the copy is to be.
        last_iter: Iteration from which the run goes on.

    Raises:
        OSError: It cannot be written.
    """
    command = ' '.join(' '.join(sys.argv).split())
    head = f'# GENERATE TIME: {time.asctime()}\n# CMD:\n# {command}\n\n'.encode(errors='surrogateescape')
    text = _HEADS.sub(b'', content)
    if target.exists():
        old = target.read_bytes()
        if _HEADS.sub(b'', old) == text:
            text = old
        else:
            target.rename(_free_name(target, f'_until_{last_iter}'))
    write_atomic(target, head + text)


def _free_name(target: Path, addition: str) -> Path:
    path, number = target.with_stem(target.stem + addition), 1
    while path.exists():
        number += 1
        path = target.with_stem(f'{target.stem}{addition}_{number}')
    return path
