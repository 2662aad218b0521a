"""``dlvr figure``: figures for publications."""

import argparse
import re
from pathlib import Path

from basicsr.utils import get_root_logger

from dlvr_plugin.cli import figure_curves, figure_frames
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.report.figure_style import check_suffix, save_figure

_KINDS = {**figure_frames.KINDS, **figure_curves.KINDS}


def run(args: argparse.Namespace) -> None:
    """Draw and write the figure of a kind.

    Raises:
        InvalidValueError: Arguments or data that cannot be used. OSError: A file cannot be written.
    """
    if args.dpi < 1:
        raise InvalidValueError(f'--dpi must be at least 1, got {args.dpi}.')
    if args.out:
        check_suffix(args.out)  # before the work
    default_name, figure = _KINDS[args.kind](args)
    out = args.out or Path(re.sub(r'[^\w-]+', '_', default_name))  # names of clips may hold dots and slashes
    for path in save_figure(figure, out, args.dpi):
        get_root_logger().info(f'{path} is written.')
