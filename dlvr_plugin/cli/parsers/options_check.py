"""What ``dlvr options check`` takes."""

from pathlib import Path
from typing import Any

from dlvr_plugin.core.user_modules import add_import_flag


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr options``."""
    parser = commands.add_parser(
        'check',
        help='check option files without running them',
        description='Check option files, of training runs and tests. The exit code is 1 where there are problems.',
    )
    parser.add_argument('files', nargs='+', type=Path, metavar='FILE', help='option file (.yml)')
    parser.add_argument(
        '--force_yml', nargs='+', default=[], metavar='SECTION:KEY=VALUE', help='set options, as for a run'
    )
    parser.add_argument('--no-files', action='store_true', help='leave out checks that look at data and weights')
    add_import_flag(parser)
    parser.set_defaults(module='dlvr_plugin.cli.options_check')
