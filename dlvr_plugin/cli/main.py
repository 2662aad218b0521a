"""The ``dlvr`` command."""

import argparse
import logging
from collections.abc import Sequence

from basicsr.utils import get_root_logger

from dlvr_plugin.cli import (
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
)
from dlvr_plugin.core.command import exit_code_of


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        argv: Arguments; None for those of the command line.

    Returns:
        Exit code: 0, 1 behind an error that was printed, or what the subcommand says; 2 for wrong arguments, 130 when
        it was interrupted.
    """
    parser = argparse.ArgumentParser(prog='dlvr', description='Tools around training in a discriminative space.')
    groups = parser.add_subparsers(metavar='GROUP', required=True)
    data = groups.add_parser('data', help='prepare, check and look at training data')
    commands = data.add_subparsers(metavar='COMMAND', required=True)
    for module in (data_prepare, data_check, data_show):
        module.add_parser(commands)
    options = groups.add_parser('options', help='start, check and describe option files')
    commands = options.add_subparsers(metavar='COMMAND', required=True)
    for module in (options_new, options_check, options_table, options_schema):
        module.add_parser(commands)
    for module in (evaluate, figure, report, export):
        module.add_parser(groups)
    args = parser.parse_args(argv)
    get_root_logger().setLevel(logging.INFO)
    return exit_code_of(lambda: args.run(args))
