"""What ``dlvr options schema`` takes."""

from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr options``."""
    parser = commands.add_parser(
        'schema',
        help='print the JSON Schema of option files',
        description='Print the JSON Schema of option files, by which editors complete and check them.',
    )
    parser.add_argument('--out', type=Path, metavar='FILE', help='write it to a file instead')
    parser.set_defaults(module='dlvr_plugin.cli.options_schema')
