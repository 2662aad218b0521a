"""What ``dlvr train`` and ``dlvr test`` take: the flags of ``python -m dlvr_plugin.train`` and ``.test``."""

from typing import Any

from dlvr_plugin.options.arguments import add_run_arguments


def add_parsers(commands: Any) -> None:
    """Add both subcommands to those of ``dlvr``."""
    for name, what in (
        ('train', 'train as an option file says'),
        ('test', 'restore the test sets of an option file, and measure them'),
    ):
        parser = commands.add_parser(name, help=what, description=f'{what[0].upper()}{what[1:]}.')
        parser.set_defaults(module=f'dlvr_plugin.{name}')
        add_run_arguments(parser)
