"""What ``dlvr options table`` takes."""

from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr options``."""
    parser = commands.add_parser(
        'table',
        help="print tables of the plugin's own options",
        description="Print the plugin's own options in Markdown: key, default, what is expected, meaning.",
    )
    parser.add_argument('--out', type=Path, metavar='FILE', help='write them to a file instead')
    parser.set_defaults(module='dlvr_plugin.cli.options_table')
