"""What ``dlvr data check`` takes."""

import os
from pathlib import Path
from typing import Any

from dlvr_plugin.core.user_modules import add_import_flag


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr data``."""
    parser = commands.add_parser(
        'check',
        help='check stores, folders of clips, or the data of an option file',
        description='Check every frame of stores or folders of clips. The exit code is 1 where there are errors.',
    )
    parser.add_argument('source', type=Path, help='LMDB, folder of clip folders, or option file (.yml)')
    parser.add_argument('--lq', type=Path, help='low-quality clips that belong to SOURCE')
    parser.add_argument('--scale', type=int, help='factor between the two (default: by their sizes)')
    parser.add_argument('--meta-info', type=Path, help='meta file of SOURCE (default: that of an LMDB)')
    parser.add_argument('--jobs', type=int, default=os.cpu_count() or 1, metavar='N', help='processes (default: cores)')
    parser.add_argument(
        '--fix',
        type=Path,
        metavar='FILE',
        help='write a meta file of the clips without errors; sources stay as they are',
    )
    add_import_flag(parser)
    parser.set_defaults(module='dlvr_plugin.cli.data_check')
