"""Run the host's training and test pipelines with the plugin loaded, and end them with readable errors."""

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch.distributed as dist
from basicsr.utils import get_root_logger

from dlvr_plugin.errors import DataError, DivergenceError, StopRequested
from dlvr_plugin.options.parse import parse_options

# What a person can mend. Anything else is a defect, and is shown with its traceback.
_USER_ERRORS = (ValueError, TypeError, KeyError, OSError, DivergenceError)
_INTERRUPTED = 130  # as shells have it for Ctrl-C


def project_root() -> Path:
    """Return where experiments and results go.

    The folder in the environment variable ``DLVR_ROOT``, else the checkout that holds the plugin, else the current
    folder.
    """
    if os.environ.get('DLVR_ROOT'):
        return Path(os.environ['DLVR_ROOT']).resolve()
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / 'setup.py').is_file() else Path.cwd()


def run_pipeline(module: ModuleType, pipeline: Callable[[str], None], argv: Sequence[str] | None = None) -> int:
    """Run a pipeline with the plugin's ``parse_options``, which checks the options before anything is created.

    Args:
        module: The module that the pipeline takes ``parse_options`` from.
        pipeline: ``train_pipeline`` or ``test_pipeline``.
        argv: Arguments; None for those of the command line.

    Returns:
        Exit code: 0, or 1 behind an error that was printed.
    """

    def action() -> None:
        # Networks and losses of the host load files of their own; nothing in a file is ever executed.
        os.environ.pop('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', None)
        os.environ['TORCH_FORCE_WEIGHTS_ONLY_LOAD'] = '1'
        try:
            with _arguments(argv), _own_parser(module):
                pipeline(str(project_root()))
        except RuntimeError as error:  # raised wherever the run is when the worker dies
            if 'DataLoader worker' not in str(error):
                raise
            raise DataError(
                f'A process that reads data has died: {error} Most often the memory is short: lower num_worker_per_gpu '
                'or batch_size_per_gpu. Training goes on with --auto_resume.'
            ) from error
        finally:
            if dist.is_initialized():
                dist.destroy_process_group()

    return exit_code_of(action)


def exit_code_of(action: Callable[[], int | None]) -> int:
    """Run a command's work, and return what it returns, 0 for nothing, or 1 behind a readable error.

    Ctrl-C gives 130, and a signal that a run obeyed 128 and its number.
    """
    try:
        return action() or 0
    except _USER_ERRORS as error:
        _report(error)
        return 1
    except StopRequested as stop:
        return stop.exit_code
    except KeyboardInterrupt:
        get_root_logger().warning('Interrupted.')
        return _INTERRUPTED


@contextmanager
def _arguments(argv: Sequence[str] | None) -> Iterator[None]:
    """Let the host, which reads ``sys.argv``, see other arguments."""
    original = sys.argv
    if argv is not None:
        sys.argv = [original[0], *argv]
    try:
        yield
    finally:
        sys.argv = original


@contextmanager
def _own_parser(module: ModuleType) -> Iterator[None]:
    """Let a pipeline parse options as the plugin does: without running what they say, and checked."""
    original = module.parse_options
    module.parse_options = parse_options  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module.parse_options = original  # type: ignore[attr-defined]


def _report(error: Exception) -> None:
    """Log an error on one screen; behind ``DLVR_TRACEBACK=1`` with where it was raised."""
    name = type(error).__name__
    # An error of a worker process carries the worker's traceback as text; its last part is the message.
    message = str(error).rsplit(f'{name}: ', 1)[-1]
    if isinstance(error, KeyError):
        key = str(error.args[0])
        message = key if ' ' in key else f'{key} is missing; most likely in the option file.'
    if os.environ.get('DLVR_TRACEBACK') == '1':
        message = ''.join(traceback.format_exception(error))
    get_root_logger().error(f'{name}: {message.strip()}\n(DLVR_TRACEBACK=1 shows where this was raised.)')
