"""What ``dlvr report`` takes."""

import argparse
from pathlib import Path
from typing import Any, get_args

from dlvr_plugin.core.choices import ImageFormat


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr``."""
    parser = commands.add_parser(
        'report',
        help='make a page with the table, the frames and the curves of an evaluation',
        description='Make a page to look at an evaluation in a browser, offline: its table, the frames of all methods '
        'to compare, and its metrics over time.',
    )
    parser.add_argument('evaluation', type=Path, help='folder that dlvr evaluate --out wrote')
    parser.add_argument('--out', type=Path, metavar='DIR', help='folder to write (default: EVALUATION/report)')
    add_page_arguments(parser)
    parser.set_defaults(module='dlvr_plugin.cli.report')


def add_page_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says how the page of an evaluation is made."""
    parser.add_argument('--embed', action='store_true', help='put the frames into the page, which is then one file')
    parser.add_argument(
        '--image-format',
        choices=get_args(ImageFormat),
        default='png',
        help='of the frames (default: png, every pixel; webp takes about a fifth)',
    )
    parser.add_argument('--quality', type=int, default=95, metavar='N', help='of jpg and webp, 1-100 (default: 95)')
    parser.add_argument(
        '--frame-rate', type=float, default=24.0, metavar='F', help='of clips that do not say theirs (default: 24)'
    )
    parser.add_argument('--clips', nargs='+', metavar='CLIP', help='clips to show (default: all)')
    parser.add_argument('--title', help='of the page (default: made of the name of the folder)')
    parser.add_argument(
        '--pairs',
        nargs='+',
        default=[],
        metavar='METHOD:REFERENCE',
        help='begin the page with what one method gains on another and gives up for it, and show the first pair first',
    )
