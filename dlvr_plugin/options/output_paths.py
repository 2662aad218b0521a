"""Paths of option files that lie in the folders which runs write: what one stage has made, the next one finds."""

import os
from pathlib import Path
from typing import Any

_FOLDERS = ('experiments', 'results', 'tb_logger')


def resolve_output_paths(opt: dict[Any, Any], root: Path) -> list[str]:
    """Let relative paths below ``experiments``, ``results`` and ``tb_logger`` begin at the root of the outputs.

    Stages of a chain name each other's outputs so, wherever these go and wherever the command is started. A path stays
    relative to the current folder where the root is that, or where the file is there alone.

    Args:
        opt: Options as they were read; changed in place.
        root: Folder that holds the outputs.

    Returns:
        What was changed, a line each, for the log.
    """
    notes: list[str] = []
    if root.resolve() != Path.cwd().resolve():
        _resolve(opt, root.resolve(), '', notes)
    return notes


def _resolve(part: Any, root: Path, key: str, notes: list[str]) -> None:
    for name, value in part.items() if isinstance(part, dict) else enumerate(part):
        place = f'{key}.{name}' if key else str(name)
        if isinstance(value, (dict, list)):
            _resolve(value, root, place, notes)
        elif isinstance(value, str) and len(Path(value).parts) > 1 and Path(value).parts[0] in _FOLDERS:
            resolved = root / value
            if os.path.exists(resolved) or not os.path.exists(value):  # unlike Path's, with any text
                part[name] = str(resolved)
                notes.append(f'{place}: {value} is {resolved}.')
