"""``dlvr options schema``: the description of all options, for editors."""

import argparse
import sys
from pathlib import Path
from typing import Any

from dlvr_plugin.options.json_schema import format_json_schema


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr options``."""
    parser = commands.add_parser(
        'schema',
        help='print the JSON Schema of option files',
        description='Print the JSON Schema of option files, by which editors complete and check them.',
    )
    parser.add_argument('--out', type=Path, metavar='FILE', help='write it to a file instead')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print or write the schema.

    Raises:
        OSError: The file cannot be written.
    """
    if args.out is None:
        sys.stdout.write(format_json_schema())
    else:
        args.out.write_text(format_json_schema(), encoding='utf-8')
