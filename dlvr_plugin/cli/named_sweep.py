"""How commands take a sweep that is there: its folder, its file, or its name."""

from pathlib import Path

from dlvr_plugin.core.command import project_root
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.names import nearest, why_not_a_folder
from dlvr_plugin.options.yaml_reader import read_file
from dlvr_plugin.sweep.sweep_folder import FILE_NAME, Sweep, read_sweep


def find_sweep(text: str) -> Sweep:
    """Read a sweep.

    Args:
        text: Folder ``sweeps/NAME``, a file that ``dlvr sweep run`` takes, or the name in that.

    Raises:
        DataError: There is no such sweep, or it is not begun. OptionsError: The file cannot be read.
    """
    path = Path(text)
    if path.is_dir() and (path / FILE_NAME).exists():
        return read_sweep(path)
    if not path.is_file():
        return _read_named(text)
    if path.name == FILE_NAME:
        return read_sweep(path.parent)
    name = read_file(path).value.get('name')
    if not isinstance(name, str):
        raise DataError(f'{path} has no name, and is no file of a sweep. Give one that dlvr sweep run takes.')
    return _read_named(name)


def check_case(sweep: Sweep, name: str, argument: str) -> str:
    """Return the name of a case of a sweep.

    Raises:
        InvalidValueError: There is no such case.
    """
    names = [case.name for case in sweep.cases]
    if name not in names:
        raise InvalidValueError(
            f'{argument}: the sweep {sweep.name} has no case {name!r}; expected one of {", ".join(names)}.'
            f'{nearest(name, names)}'
        )
    return name


def _read_named(name: str) -> Sweep:
    sweeps = project_root() / 'sweeps'
    folder = sweeps / name
    if why_not_a_folder(name) or not (folder / FILE_NAME).exists():
        known = [path.parent.name for path in sorted(sweeps.glob(f'*/{FILE_NAME}'))]
        there = f'In {sweeps} there are {", ".join(known)}.{nearest(name, known)}' if known else f'{sweeps} has none.'
        raise DataError(
            f'There is no sweep {name!r} that is begun. {there} Give the folder of a sweep (sweeps/NAME), its file, or '
            'its name; dlvr sweep run FILE begins one.'
        )
    return read_sweep(folder)
