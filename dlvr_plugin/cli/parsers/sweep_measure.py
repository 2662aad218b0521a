"""What ``dlvr sweep measure`` takes."""

from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr sweep``."""
    parser = commands.add_parser(
        'measure',
        help='restore and measure one run',
        description='Restore the test set with the checkpoints of one run that are not measured yet, and measure them, '
        'as dlvr sweep run does after each training.',
    )
    parser.add_argument('folder', type=Path, metavar='DIR', help='folder of the sweep, sweeps/NAME')
    parser.add_argument('run', metavar='RUN', help='name of the run, as dlvr sweep run --dry-run shows it')
    parser.set_defaults(module='dlvr_plugin.cli.sweep_measure')
