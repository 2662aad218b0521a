"""Classes of users: modules that register archs, datasets, losses, metrics or models of their own.

They are named on the command line (``--import``), in an option file (``imports``), or by an installed package
(the group of entry points ``dlvr_plugin.classes``). Loading a module runs it: name those alone that you trust.
"""

import argparse
import importlib
import importlib.util
import inspect
import logging
import os
import re
import sys
import traceback
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType, TracebackType

from dlvr_plugin.core.errors import UserError
from dlvr_plugin.core.names import nearest

ENTRY_POINT_GROUP = 'dlvr_plugin.classes'
_MOST_FRAMES = 8  # of a traceback that is shown


class UserModuleError(UserError, ImportError):
    """A module of a user that is not there, or cannot be imported."""


def add_import_flag(parser: argparse.ArgumentParser) -> None:
    """Let a command take ``--import MODULE``, several times; the values are ``args.imports``."""
    parser.add_argument(
        '--import',
        dest='imports',
        action='append',
        default=[],
        metavar='MODULE',
        help='module, or path of a file, that registers classes of your own; may be given several times',
    )


def load_user_classes(names: Sequence[str] = ()) -> None:
    """Load what installed packages offer, then modules by name or by path.

    A module that is loaded already is left as it is. The folder of a file, and for names the current folder, are put at
    the end of ``sys.path``, so that worker processes find the module, too.

    Args:
        names: Names of modules (``my_archs``, ``package.archs``), or paths of files (``folder/my_archs.py``).

    Raises:
        UserModuleError: A module that is not there, fails while it is imported, or registers a name that is taken.
    """
    for entry_point in metadata.entry_points(group=ENTRY_POINT_GROUP):
        _load_entry_point(entry_point)
    for name in names:
        module = _load_file(Path(name).expanduser()) if _is_path(name) else _load_module(name)
        logging.getLogger('basicsr').info(f'{name} is loaded from {getattr(module, "__file__", None)}.')


def _is_path(name: str) -> bool:
    return name.endswith('.py') or os.sep in name or name.startswith('~')


def _load_entry_point(entry_point: metadata.EntryPoint) -> None:
    package = entry_point.dist.name if entry_point.dist is not None else 'an installed package'
    what = f'{entry_point.value}, which {package} offers as {ENTRY_POINT_GROUP},'
    try:
        entry_point.load()
    except Exception as error:
        raise _explained(error, what) from error


def _load_module(name: str) -> ModuleType:
    if not re.fullmatch(r'[^\W\d]\w*(\.[^\W\d]\w*)*', name):
        raise UserModuleError(f'{name!r} is no name of a module. Give a name such as my_archs, or the path of a file.')
    _let_workers_find(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f'{name}.'.startswith(f'{error.name}.'):
            raise _explained(error, name) from error  # the module is there, and needs another one
        raise UserModuleError(
            f'There is no module {name}: {error}.{nearest(name, [each.stem for each in Path.cwd().glob("*.py")])} It '
            f'must be installed, in the current folder {Path.cwd()}, or on PYTHONPATH. For a file elsewhere give its '
            f'path, folder/{name.rpartition(".")[-1]}.py.'
        ) from error
    except Exception as error:
        raise _explained(error, name) from error


def _load_file(path: Path) -> ModuleType:
    file = path.resolve()
    if file.is_dir() and (file / '__init__.py').is_file():
        file = file / '__init__.py'
    if not file.is_file() or file.suffix != '.py':
        what = 'is no Python file (.py)' if path.exists() else 'does not exist'
        raise UserModuleError(f'{path} {what}. Relative paths count from the current folder, {Path.cwd()}.')
    for module in list(sys.modules.values()):
        known = Path(getattr(module, '__file__', None) or '')
        if known.name == file.name and known.resolve() == file:
            return module
    is_package = file.name == '__init__.py'
    name, folder = (file.parent.name, file.parent.parent) if is_package else (file.stem, file.parent)
    if not name.isidentifier():
        raise UserModuleError(f'{path}: {name} is no name of a module. Rename it: letters, digits and underscores.')
    _let_workers_find(folder)
    # Python finds modules by their name, in this process and in its workers: nothing else may have the name.
    spec = importlib.util.find_spec(name) if name != '__main__' else None
    if spec is None or spec.origin is None or Path(spec.origin).resolve() != file:
        other = f', {spec.origin}' if spec is not None else ''
        raise UserModuleError(f'{path}: Python has another module {name}{other}. Rename your file.')
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise _explained(error, str(path)) from error


def _let_workers_find(folder: Path) -> None:
    """Put a folder at the end of the search path, which worker processes inherit."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
        importlib.invalidate_caches()


def _explained(error: Exception, what: str) -> UserModuleError:
    """Return the error of a module with the part of its traceback that lies in it."""
    own = _skip_importing(error.__traceback__)
    if (taken := _name_taken(error)) is not None:
        return UserModuleError(f'{what} cannot be imported: {taken}')
    text = ''.join(traceback.format_exception(type(error), error, own, limit=-_MOST_FRAMES)).rstrip()
    return UserModuleError(f'{what} cannot be imported:\n{text}')


def _skip_importing(found: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the first frame on that is none of this file or of Python's import."""
    ours = (__file__, importlib.__file__, metadata.__file__)
    while found is not None:
        file = found.tb_frame.f_code.co_filename
        if file not in ours and not file.startswith('<frozen importlib'):
            return found
        found = found.tb_next
    return None


def _name_taken(error: Exception) -> str | None:
    """Tell where a name was registered before, if that is what the error is about."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    lines = [number for _, number in traceback.walk_tb(error.__traceback__)]
    if not isinstance(error, AssertionError) or not frames or frames[-1].f_code.co_name != '_do_register':
        return None
    registry, name = (frames[-1].f_locals.get(each) for each in ('self', 'name'))
    known = getattr(registry, '_obj_map', {})
    if name not in known:
        return None
    asking = [frame.f_code.co_filename != frames[-1].f_code.co_filename for frame in frames]
    last = max(index for index, is_outside in enumerate(asking) if is_outside)
    return (
        f'the name {name} is registered already, by {_place(known[name])}; '
        f'{frames[last].f_code.co_filename}:{lines[last]} registers it again. Rename one of the two.'
    )


def _place(made: object) -> str:
    """Return FILE:LINE of a class or function."""
    try:
        return f'{inspect.getsourcefile(made)}:{inspect.getsourcelines(made)[1]}'  # type: ignore[arg-type]
    except (OSError, TypeError):  # its file is gone, or it has none
        return f'{getattr(made, "__module__", "?")}.{getattr(made, "__name__", made)}'
