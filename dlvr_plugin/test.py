"""Test with BasicSR and the plugin: ``python -m dlvr_plugin.test -opt FILE``."""

import argparse
import sys
from collections.abc import Sequence

from dlvr_plugin import host
from dlvr_plugin.core.command import exit_code_of, project_root
from dlvr_plugin.core.memory import keep_freed_memory
from dlvr_plugin.data import framework_datasets
from dlvr_plugin.evaluation.test_run import test
from dlvr_plugin.options.parse import parse_options, process_group


def main(argv: Sequence[str] | None = None) -> int:
    """Test as the option file says; takes the flags of the framework's test script.

    Args:
        argv: Arguments; None for those of the command line.

    Returns:
        Exit code.
    """
    return exit_code_of(lambda: _run(argv))


def run(args: argparse.Namespace) -> None:
    """Test for ``dlvr test``, whose parser has checked the arguments and left them in ``words``.

    Raises:
        UserError: What a person can mend. OSError: A file cannot be read or written.
    """
    _run(args.words)


def _run(argv: Sequence[str] | None) -> None:
    host.apply()
    framework_datasets.install()
    keep_freed_memory()
    with process_group():
        opt, _ = parse_options(project_root(), is_train=False, argv=argv)
        test(opt)


if __name__ == '__main__':
    sys.exit(main())
