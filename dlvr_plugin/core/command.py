"""What all commands share: the root of what they leave, what those that they start get, and how they end.

They end with an exit code, readable errors for what a person can mend, and tracebacks for defects.
"""

import os
import traceback
from collections.abc import Callable
from pathlib import Path

from basicsr.utils import get_root_logger

from dlvr_plugin.core.errors import StopRequested, UserError

_INTERRUPTED = 130  # as shells have it for Ctrl-C
_WORKER_DIED = 'DataLoader worker'
_AROUND_PACKAGE = Path(__file__).resolve().parents[2]
_INSTALLED = ('site-packages', 'dist-packages')  # where pip installs; in Python's own path, behind its library


def project_root() -> Path:
    """Return where experiments and results go.

    The folder in the environment variable ``DLVR_ROOT``, else the checkout that holds the plugin, else the current
    folder.
    """
    if os.environ.get('DLVR_ROOT'):
        return Path(os.environ['DLVR_ROOT']).resolve()
    return _AROUND_PACKAGE if (_AROUND_PACKAGE / 'setup.py').is_file() else Path.cwd()


def environment_for_commands(root: Path) -> dict[str, str]:
    """Return variables with which ``python -m dlvr_plugin...`` is this package, whatever the current folder holds.

    Python puts the current folder in front of all others. (Python 3.10 does so in spite of these variables.)

    Args:
        root: Where the commands leave experiments and results.
    """
    paths = [str(_AROUND_PACKAGE)] if _AROUND_PACKAGE.name not in _INSTALLED else []
    if before := os.environ.get('PYTHONPATH'):
        paths.append(before)
    variables = {'DLVR_ROOT': str(root), 'PYTHONSAFEPATH': '1'}
    return {**variables, 'PYTHONPATH': os.pathsep.join(paths)} if paths else variables


def exit_code_of(action: Callable[[], int | None]) -> int:
    """Run a command's work, and return what it returns, 0 for nothing, or 1 after an error that was logged.

    What a person can mend (a ``UserError``, or an ``OSError``: files, rights, disks) is told on one screen. Anything
    else is a defect: its traceback goes to the log. Ctrl-C gives 130, a signal that a run obeyed 128 and its number.

    >>> exit_code_of(lambda: None)
    0
    """
    # Networks and losses of the framework load files of their own; nothing in a file is ever executed.
    os.environ.pop('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', None)
    os.environ['TORCH_FORCE_WEIGHTS_ONLY_LOAD'] = '1'
    try:
        return action() or 0
    except (UserError, OSError) as error:
        _report(error)
    except StopRequested as stop:
        return stop.exit_code
    except KeyboardInterrupt:
        get_root_logger().warning('Interrupted.')
        return _INTERRUPTED
    except Exception as error:
        if isinstance(error, RuntimeError) and _WORKER_DIED in str(error):  # raised wherever the command is then
            get_root_logger().error(
                f'A process that reads data has died: {error} Most often the memory is short: lower num_worker_per_gpu '
                'or batch_size_per_gpu. Training goes on with --auto_resume.'
            )
        else:
            get_root_logger().critical('This is a defect, not a mistake of yours:', exc_info=True)
    return 1


def _report(error: Exception) -> None:
    """Log an error on one screen; with ``DLVR_TRACEBACK=1`` with where it was raised."""
    name = type(error).__name__
    # An error of a worker process carries the worker's traceback as text; its last part is the message.
    message = str(error).rsplit(f'{name}: ', 1)[-1]
    if os.environ.get('DLVR_TRACEBACK') == '1':
        message = ''.join(traceback.format_exception(error))
    message = message.encode(errors='backslashreplace').decode()  # names of files may be no text
    get_root_logger().error(f'{name}: {message.strip()}\n(DLVR_TRACEBACK=1 shows where this was raised.)')
