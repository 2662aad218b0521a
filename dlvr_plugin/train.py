"""Train with BasicSR and the plugin: ``python -m dlvr_plugin.train -opt FILE``."""

import argparse
import sys
from collections.abc import Sequence

from dlvr_plugin import host
from dlvr_plugin.core.command import exit_code_of, project_root
from dlvr_plugin.core.memory import keep_freed_memory
from dlvr_plugin.data import framework_datasets
from dlvr_plugin.options.parse import parse_options, process_group
from dlvr_plugin.training import step_features
from dlvr_plugin.training.loop import train


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the option file says; takes the flags of the framework's train script.

    Args:
        argv: Arguments; None for those of the command line.

    Returns:
        Exit code.
    """
    return exit_code_of(lambda: _run(argv))


def run(args: argparse.Namespace) -> None:
    """Train for ``dlvr train``, whose parser has checked the arguments and left them in ``words``.

    Raises:
        UserError: What a person can mend. OSError: A file cannot be read or written.
    """
    _run(args.words)


def _run(argv: Sequence[str] | None) -> None:
    host.apply()
    framework_datasets.install()
    step_features.install()
    keep_freed_memory()
    with process_group():
        root = project_root()
        opt, args = parse_options(root, is_train=True, argv=argv)
        train({**opt, 'root_path': str(root)}, args.opt, args.given)


if __name__ == '__main__':
    sys.exit(main())
