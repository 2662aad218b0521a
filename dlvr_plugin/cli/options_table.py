"""``dlvr options table``: the plugin's own options as tables for people."""

import argparse
import sys

from dlvr_plugin.options.reference import format_reference


def run(args: argparse.Namespace) -> None:
    """Print or write the tables.

    Raises:
        OSError: The file cannot be written.
    """
    if args.out is None:
        sys.stdout.write(format_reference())
    else:
        args.out.write_text(format_reference(), encoding='utf-8')
