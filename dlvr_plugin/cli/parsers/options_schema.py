"""What ``dlvr options schema`` takes."""

from typing import Any

from dlvr_plugin.core.user_modules import add_import_flag


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr options``."""
    parser = commands.add_parser(
        'schema',
        help='write the JSON Schema of option files',
        description='Write the JSON Schema of option files, by which editors complete and check them.',
    )
    parser.add_argument(
        '--out', default='schema.json', metavar='FILE', help='file to write (default: schema.json); - prints it'
    )
    add_import_flag(parser)
    parser.set_defaults(module='dlvr_plugin.cli.options_schema')
