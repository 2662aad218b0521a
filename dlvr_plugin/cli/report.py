"""``dlvr report``: a page that shows what an evaluation found."""

import argparse
from pathlib import Path

from basicsr.utils import get_root_logger

from dlvr_plugin.evaluation.evaluation_file import Evaluation
from dlvr_plugin.report.report_page import ReportOptions, write_report

_LARGE = 50e6  # bytes that a browser, and a mail, take badly


def run(args: argparse.Namespace) -> None:
    """Write the report.

    Raises:
        ValueError: Arguments or data that cannot be used. OSError: The report cannot be written.
    """
    folder = args.evaluation if args.evaluation.is_dir() else args.evaluation.parent
    write_page(args.evaluation, args.out or folder / 'report', args)


def write_page(source: Path | Evaluation, out: Path, args: argparse.Namespace, *, title: str | None = None) -> None:
    """Write the page of an evaluation as arguments say, and tell where and how large it is.

    Args:
        source: Folder of the evaluation, or what it says.
        out: Folder to write to.
        args: Those of ``parsers.report.add_page_arguments``.
        title: Of the page where the arguments have none.

    Raises:
        ValueError: Arguments or data that cannot be used. OSError: The report cannot be written.
    """
    options = ReportOptions(
        embed=args.embed,
        image_format=args.image_format,
        quality=args.quality,
        frame_rate=args.frame_rate,
        clips=args.clips,
        title=args.title or title,
        pairs=args.pairs,
    )
    report = write_report(source, out, options)
    get_root_logger().info(f'{report.page}: {report.num_frames} frames, {report.num_bytes / 1e6:.1f} MB.')
    if args.image_format == 'png' and report.num_bytes > _LARGE:
        get_root_logger().info(
            'That is large. --image-format webp takes about a fifth of it, compressed so that it can hardly be seen; '
            '--clips shows some of the clips.'
        )
