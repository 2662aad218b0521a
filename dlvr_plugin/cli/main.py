"""The ``dlvr`` command: it reads its arguments first, and loads what does the work when there is work."""

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from dlvr_plugin.cli.command_parser import CommandParser
from dlvr_plugin.cli.parsers import (
    convert,
    data_check,
    data_prepare,
    data_show,
    evaluate,
    export,
    figure,
    options_check,
    options_new,
    options_schema,
    options_table,
    report,
    restore,
    survey,
    sweep_measure,
    sweep_results,
    sweep_run,
    train_and_test,
)
from dlvr_plugin.core.version import __version__

_INTERRUPTED = 130  # as shells have it for Ctrl-C
_EPILOG = """
start here:
  bash scripts/demo.sh                   in a checkout: the whole job on built-in clips, in minutes
  dlvr options check FILE.yml            what is wrong with an option file, before a run
  dlvr train -opt FILE.yml               options/demo and options/train have files that run as they stand
  dlvr test -opt FILE.yml
  dlvr restore VIDEO --model CHECKPOINT
  dlvr evaluate --gt DIR --results ours=DIR --out DIR    then: dlvr report DIR

Results go to experiments/ and results/ in the checkout, else in the current folder, or below $DLVR_ROOT.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        argv: Arguments; None for those of the command line.

    Returns:
        Exit code: 0, 1 after an error that was printed, or what the subcommand says; 2 for wrong arguments, 130 when
        it was interrupted.
    """
    args = parse(argv)
    try:
        return _run(args)
    except KeyboardInterrupt:  # while modules load; later, exit_code_of takes it
        sys.stderr.write('Interrupted.\n')
        return _INTERRUPTED


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse arguments.

    Args:
        argv: Arguments; None for those of the command line.

    Returns:
        The arguments; ``module`` names the module whose function ``run`` takes them, ``words`` are those after the
        name of the command.

    Raises:
        SystemExit: With code 2 after arguments that are wrong, or 0 after help.
    """
    parser = CommandParser(
        prog='dlvr',
        description='Train video restoration networks in a discriminative space, restore, and compare the results.',
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action='version', version=f'dlvr_plugin {__version__}')
    commands = parser.add_subparsers(metavar='COMMAND')
    train_and_test.add_parsers(commands)
    for module in (restore, evaluate, report, figure, survey):
        module.add_parser(commands)
    data = commands.add_parser('data', help='prepare, check and look at training data')
    data_commands = data.add_subparsers(metavar='COMMAND')
    for module in (data_prepare, data_check, data_show):
        module.add_parser(data_commands)
    options = commands.add_parser('options', help='start, check and describe option files')
    options_commands = options.add_subparsers(metavar='COMMAND')
    for module in (options_new, options_check, options_table, options_schema):
        module.add_parser(options_commands)
    sweep = commands.add_parser('sweep', help='train and compare many cases of one file')
    sweep_commands = sweep.add_subparsers(metavar='COMMAND')
    for module in (sweep_run, sweep_measure):
        module.add_parser(sweep_commands)
    sweep_results.add_parsers(sweep_commands)
    convert.add_parser(commands)
    export.add_parser(commands)
    words = sys.argv[1:] if argv is None else list(argv)
    args = parser.parse_command(words)
    args.words = words[1:]
    return args


def _run(args: argparse.Namespace) -> int:
    """Load what does the work, and let it."""
    from dlvr_plugin.registration import register

    register()
    from basicsr.utils import get_root_logger

    from dlvr_plugin.core.command import exit_code_of

    work = importlib.import_module(args.module)
    if args.module.startswith('dlvr_plugin.cli.'):  # runs of several processes set up their logs themselves
        get_root_logger().setLevel(logging.INFO)
    return exit_code_of(lambda: work.run(args))
