"""Names of methods that are points of one line: checkpoints of a run, or cases of a sweep that differ in a number."""

import re
from typing import NamedTuple


class Checkpoint(NamedTuple):
    """What the name of a method says: its run and, after an @, its iteration."""

    run: str
    iteration: int | None


def parse_checkpoint(name: str) -> Checkpoint:
    """Split ``NAME@ITER``; a name of another form is a run of its own."""
    match = re.fullmatch(r'(.+)@(\d+)', name)
    return Checkpoint(match[1], int(match[2])) if match else Checkpoint(name, None)
