"""What is wrong with options, and the report of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dlvr_plugin.core.errors import UserError

KeyPath = tuple[str | int, ...]

_MOST_SHOWN = 20


class OptionsError(UserError, ValueError):
    """Options that cannot be used; the message is a report of one line a problem.

    Attributes:
        problems: The problems with the keys that they concern; empty where a file cannot be read at all.
    """

    def __init__(self, message: str, problems: Sequence['Problem'] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        key: The key that it concerns; a missing one is named, too.
        message: What was expected, what came, and how to mend it.
        is_missing: Whether the key is not there.
    """

    key: KeyPath
    message: str
    is_missing: bool = False

    @classmethod
    def from_error(cls, key: KeyPath, error: Exception) -> 'Problem':
        """Make a problem of an error, whose message may begin with a longer key, as in 'train.optim_g.lr must be 1'."""
        message = ' '.join(str(error).split())
        match = re.match(rf'({re.escape(dotted(key))}(?:\.\w+)*)(?::| (?=must|is|has|names))\s*(.*)', message)
        if match is None:
            return cls(key, message)
        rest = match[1][len(dotted(key)) :].split('.')[1:]
        return cls((*key, *rest), match[2])


def dotted(key: KeyPath) -> str:
    """Return a key as it is written in text, ``datasets.train.gt_size``; entries of lists as ``betas[1]``."""
    text = ''
    for part in key:
        text += f'[{part}]' if isinstance(part, int) else f'.{part}'
    return text.removeprefix('.')


def format_report(title: str, lines: Sequence[str]) -> str:
    """Return a report of one line a problem, of one screen at most."""
    number = len(lines)
    shown = [*lines[:_MOST_SHOWN], *([f'... and {number - _MOST_SHOWN} more.'] if number > _MOST_SHOWN else [])]
    return '\n'.join([f'{number} problem{"s" * (number > 1)} in {title}:', *shown])
