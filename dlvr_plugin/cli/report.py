"""``dlvr report``: a page that shows what an evaluation found."""

import argparse
from pathlib import Path
from typing import Any

from basicsr.utils import get_root_logger

from dlvr_plugin.report.report_page import IMAGE_FORMATS, ReportOptions, write_report

_LARGE = 50e6  # bytes that a browser, and a mail, take badly


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
    parser.add_argument('--embed', action='store_true', help='put the frames into the page, which is then one file')
    parser.add_argument(
        '--image-format',
        choices=IMAGE_FORMATS,
        default='png',
        help='of the frames (default: png, every pixel; webp takes about a fifth)',
    )
    parser.add_argument('--quality', type=int, default=95, metavar='N', help='of jpg and webp, 1-100 (default: 95)')
    parser.add_argument(
        '--frame-rate', type=float, default=24.0, metavar='F', help='of clips that do not say theirs (default: 24)'
    )
    parser.add_argument('--clips', nargs='+', metavar='CLIP', help='clips to show (default: all)')
    parser.add_argument('--title', help='of the page (default: made of the name of the folder)')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the report.

    Raises:
        ValueError: Arguments or data that cannot be used. OSError: The report cannot be written.
    """
    options = ReportOptions(
        embed=args.embed,
        image_format=args.image_format,
        quality=args.quality,
        frame_rate=args.frame_rate,
        clips=args.clips,
        title=args.title,
    )
    folder = args.evaluation if args.evaluation.is_dir() else args.evaluation.parent
    report = write_report(args.evaluation, args.out or folder / 'report', options)
    get_root_logger().info(f'{report.page}: {report.num_frames} frames, {report.num_bytes / 1e6:.1f} MB.')
    if args.image_format == 'png' and report.num_bytes > _LARGE:
        get_root_logger().info(
            'That is large. --image-format webp takes about a fifth of it, compressed so that it can hardly be seen; '
            '--clips shows some of the clips.'
        )
