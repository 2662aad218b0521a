"""``dlvr report``: a page that shows what an evaluation found."""

import argparse

from basicsr.utils import get_root_logger

from dlvr_plugin.report.report_page import ReportOptions, write_report

_LARGE = 50e6  # bytes that a browser, and a mail, take badly


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
        pairs=args.pairs,
    )
    folder = args.evaluation if args.evaluation.is_dir() else args.evaluation.parent
    report = write_report(args.evaluation, args.out or folder / 'report', options)
    get_root_logger().info(f'{report.page}: {report.num_frames} frames, {report.num_bytes / 1e6:.1f} MB.')
    if args.image_format == 'png' and report.num_bytes > _LARGE:
        get_root_logger().info(
            'That is large. --image-format webp takes about a fifth of it, compressed so that it can hardly be seen; '
            '--clips shows some of the clips.'
        )
