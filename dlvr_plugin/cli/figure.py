"""``dlvr figure``: figures for publications."""

import argparse
import re
from pathlib import Path
from typing import Any

from basicsr.utils import get_root_logger

from dlvr_plugin.cli import figure_curves, figure_frames
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.report.figure_style import check_suffix, save_figure


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr``."""
    parser = commands.add_parser(
        'figure',
        help='draw figures for publications',
        description='Draw figures as wide as the page of a paper, as PNG and PDF.',
    )
    kinds = parser.add_subparsers(metavar='KIND', required=True)
    for kind in (*figure_frames.add_parsers(kinds), *figure_curves.add_parsers(kinds)):
        kind.add_argument(
            '--out', type=Path, help='.png or .pdf; both without extension (default: both, in the current folder)'
        )
        kind.add_argument('--dpi', type=int, default=300, metavar='N', help='pixels an inch (default: 300)')
        kind.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Draw and write the figure of a kind, whose parser names its function ``draw``.

    Raises:
        InvalidValueError: Arguments or data that cannot be used. OSError: A file cannot be written.
    """
    if args.dpi < 1:
        raise InvalidValueError(f'--dpi must be at least 1, got {args.dpi}.')
    if args.out:
        check_suffix(args.out)  # before the work
    default_name, figure = args.draw(args)
    out = args.out or Path(re.sub(r'[^\w-]+', '_', default_name))  # names of clips may hold dots and slashes
    for path in save_figure(figure, out, args.dpi):
        get_root_logger().info(f'{path} is written.')
