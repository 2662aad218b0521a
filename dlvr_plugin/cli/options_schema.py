"""``dlvr options schema``: the description of all options, for editors."""

import argparse
import sys
from pathlib import Path

from basicsr.utils import get_root_logger

from dlvr_plugin.core.user_modules import load_user_classes
from dlvr_plugin.options.json_schema import format_json_schema

_STANDARD_OUTPUT = '-'


def run(args: argparse.Namespace) -> None:
    """Write or print the schema.

    Raises:
        OSError: The file cannot be written. UserModuleError: a module of ``--import`` cannot be loaded.
    """
    load_user_classes(args.imports)
    if args.out == _STANDARD_OUTPUT:
        sys.stdout.write(format_json_schema())
        return
    Path(args.out).write_text(format_json_schema(), encoding='utf-8')
    get_root_logger().info(f'{args.out} is written. The first line of an option file names it to editors:')
    get_root_logger().info(f'# yaml-language-server: $schema={args.out}')
