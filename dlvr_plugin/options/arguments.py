"""Flags of training and tests, those of the framework's scripts; importing it costs nothing."""

import argparse

from dlvr_plugin.core.user_modules import add_import_flag

DEBUG_FREQ = 8
"""Iterations between validations, and between checkpoints, with ``--debug``."""


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of training and tests to a parser."""
    parser.add_argument('-opt', required=True, metavar='FILE', help='option file (YAML)')
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm'], default='none', help='what started the processes'
    )
    parser.add_argument('--auto_resume', action='store_true', help='go on from the newest checkpoint of this run')
    parser.add_argument(
        '--debug', action='store_true', help=f'validate and save every {DEBUG_FREQ} iterations, no TensorBoard'
    )
    parser.add_argument('--local_rank', type=int, default=0, help='set by older launchers; not used')
    parser.add_argument(
        '--force_yml',
        nargs='+',
        metavar='SECTION:KEY=VALUE',
        help='set options, with values as in a file: train:total_iter=1000 datasets:train:interval_list=[1,2]',
    )
    add_import_flag(parser)
