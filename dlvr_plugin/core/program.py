"""Which program this process was started as."""

import sys
from pathlib import Path

_NAMES = ('dlvr', 'dlvr.exe')
_MODULE = 'dlvr_plugin.cli'


def is_dlvr_command() -> bool:
    """Tell whether Python was started as the console script ``dlvr`` or as ``python -m dlvr_plugin.cli``.

    Workers that such a process has spawned are not the command.
    """
    words = iter(sys.orig_argv[1:])
    for word in words:
        if word == '-m':
            return next(words, '') == _MODULE
        if word in ('-W', '-X'):
            next(words, None)
        elif word == '-c' or not word.startswith('-'):
            return Path(word).name in _NAMES
    return False
