"""``dlvr options table``: the plugin's own options as tables for people."""

import argparse
import sys
from pathlib import Path
from typing import Any

from dlvr_plugin.options.reference import format_reference


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr options``."""
    parser = commands.add_parser(
        'table',
        help="print tables of the plugin's own options",
        description="Print the plugin's own options in Markdown: key, default, what is expected, meaning.",
    )
    parser.add_argument('--out', type=Path, metavar='FILE', help='write them to a file instead')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print or write the tables.

    Raises:
        OSError: The file cannot be written.
    """
    if args.out is None:
        sys.stdout.write(format_reference())
    else:
        args.out.write_text(format_reference(), encoding='utf-8')
