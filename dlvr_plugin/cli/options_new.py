"""``dlvr options new``: option files to start from, for clips of one's own."""

import argparse
import sys
from pathlib import Path
from typing import Any

from dlvr_plugin.options.new_files import write_new_files


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr options``."""
    parser = commands.add_parser(
        'new',
        help='write option files for your own clips: pretraining, discriminative space, test',
        description='Write three commented option files for your own clips, with validation and test sets.',
    )
    parser.add_argument('folder', type=Path, metavar='DIR', help='folder to write them to')
    parser.add_argument('--gt', type=Path, required=True, metavar='FOLDER', help='your clips, a folder of frames each')
    parser.add_argument(
        '--lq',
        type=Path,
        metavar='FOLDER',
        help='low-quality frames of the same names (default: what dlvr data prepare made beside them)',
    )
    parser.add_argument('--scale', type=int, choices=(4, 1), default=4, help='1 for deblurring (default: 4)')
    parser.add_argument('--name', help='what the names of the runs begin with (default: that of DIR)')
    parser.add_argument(
        '--val-clips', nargs='+', default=[], metavar='CLIP', help='clips kept for validation (default: the last one)'
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the files, and say what to do with them.

    Raises:
        DataError: Clips that cannot be used. InvalidValueError: a name that cannot be one. OSError: files exist, or
            cannot be written.
    """
    name = args.name or args.folder.resolve().name
    paths = write_new_files(args.folder, args.gt, args.lq, name=name, scale=args.scale, val_clips=args.val_clips)
    commands = ['dlvr options check', *['python -m dlvr_plugin.train -opt'] * 2, 'python -m dlvr_plugin.test -opt']
    steps = [f'{command} {path}' for command, path in zip(commands, [paths[0], *paths], strict=True)]
    sys.stdout.write('\n'.join([f'{len(paths)} option files are in {args.folder}. One after the other:', *steps, '']))
