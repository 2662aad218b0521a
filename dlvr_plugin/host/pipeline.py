"""Run the host's training and test pipelines with the plugin loaded, and end them with readable errors."""

import functools
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch.distributed as dist
import yaml
from basicsr.utils import get_root_logger

OptionCheck = Callable[[dict[str, Any]], None]

# What a person can mend. Anything else is a defect, and is shown with its traceback.
_USER_ERRORS = (ValueError, TypeError, KeyError, OSError, yaml.YAMLError)


def project_root() -> Path:
    """Return where experiments and results go.

    The folder in the environment variable ``DLVR_ROOT``, else the checkout that holds the plugin, else the current
    folder.
    """
    if os.environ.get('DLVR_ROOT'):
        return Path(os.environ['DLVR_ROOT']).resolve()
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / 'setup.py').is_file() else Path.cwd()


def run_pipeline(
    module: ModuleType, pipeline: Callable[[str], None], check: OptionCheck, argv: Sequence[str] | None = None
) -> int:
    """Run a pipeline of the host.

    Args:
        module: The host's module that holds the pipeline, and that it takes ``parse_options`` from.
        pipeline: ``train_pipeline`` or ``test_pipeline``.
        check: Called with the parsed options before anything is created; raises what is wrong with them.
        argv: Arguments; None for those of the command line.

    Returns:
        Exit code: 0, or 1 behind an error that was printed.
    """

    def action() -> None:
        try:
            with _arguments(argv), _checked_options(module, check):
                pipeline(str(project_root()))
        finally:
            if dist.is_initialized():
                dist.destroy_process_group()

    return exit_code_of(action)


def exit_code_of(action: Callable[[], int | None]) -> int:
    """Run a command's work, and return what it returns, 0 for nothing, or 1 behind a readable error."""
    try:
        return action() or 0
    except _USER_ERRORS as error:
        _report(error)
        return 1


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
def _checked_options(module: ModuleType, check: OptionCheck) -> Iterator[None]:
    """Check the options as soon as the host has parsed them."""
    host_parse_options = module.parse_options

    @functools.wraps(host_parse_options)
    def parse_options(root_path: str, is_train: bool = True) -> tuple[dict[str, Any], Any]:
        opt, args = host_parse_options(root_path, is_train=is_train)
        check(opt)
        return opt, args

    module.parse_options = parse_options  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module.parse_options = host_parse_options  # type: ignore[attr-defined]


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
