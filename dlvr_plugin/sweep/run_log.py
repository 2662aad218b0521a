"""What the log of a run says: how far its training is, and why it failed."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.regular_files import open_regular

_MOST_BYTES = 2**16  # of the end, in which the last line of the progress stands
_PROGRESS = re.compile(r'iter: *([\d,]+), lr: [^|]*\| ([^|]*?) \| .* samples/s, (.+) left$', re.MULTILINE)
_OTHERS = ('grad_norm', 'dcn_offset')
_LONGEST_LINE = 600


@dataclass(frozen=True)
class Progress:
    """The last line that a training has logged about its progress.

    Attributes:
        iteration: Iteration.
        left: Time that is left, as the log says it.
        losses: Losses and accuracies, as the log says them.
    """

    iteration: int
    left: str
    losses: str


def read_progress(log: Path) -> Progress | None:
    """Return how far a training is, None where its log does not say it (yet)."""
    found = _PROGRESS.findall(_end_of(log))
    if not found:
        return None
    iteration, values, left = found[-1]
    pairs = re.findall(r'(\S+): (\S+)', values)
    losses = ' '.join(f'{name} {value}' for name, value in pairs if not name.startswith(_OTHERS))
    return Progress(int(iteration.replace(',', '')), left, losses)


def last_error(log: Path) -> str:
    """Return the last error in a log, with the first of its problems, else its last line; empty for none."""
    lines = [line.strip() for line in _end_of(log).splitlines() if line.strip()]
    errors = [number for number, line in enumerate(lines) if 'Error: ' in line]
    number = errors[-1] if errors else len(lines) - 1
    num_shown = 2 if errors and lines[number].endswith(':') else 1
    line = ' '.join(lines[number : number + num_shown])
    return line if len(line) <= _LONGEST_LINE else f'{line[: _LONGEST_LINE - 3]}...'


def _end_of(log: Path) -> str:
    try:
        with open_regular(log) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _MOST_BYTES))
            return file.read().decode(errors='replace')
    except (DataError, OSError):
        return ''
