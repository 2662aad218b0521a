"""``dlvr options schema``: the description of all options, for editors."""

import argparse
import sys

from dlvr_plugin.options.json_schema import format_json_schema


def run(args: argparse.Namespace) -> None:
    """Print or write the schema.

    Raises:
        OSError: The file cannot be written.
    """
    if args.out is None:
        sys.stdout.write(format_json_schema())
    else:
        args.out.write_text(format_json_schema(), encoding='utf-8')
