"""``dlvr options new``: option files to start from, for clips of one's own."""

import argparse
import sys

from dlvr_plugin.options.new_files import write_new_files


def run(args: argparse.Namespace) -> None:
    """Write the files, and say what to do with them.

    Raises:
        DataError: Clips that cannot be used. InvalidValueError: a name that cannot be one. OSError: files exist, or
            cannot be written.
    """
    name = args.name or args.folder.resolve().name
    paths = write_new_files(args.folder, args.gt, args.lq, name=name, scale=args.scale, val_clips=args.val_clips)
    commands = ['dlvr options check', 'dlvr train -opt', 'dlvr train -opt', 'dlvr test -opt']
    steps = [f'{command} {path}' for command, path in zip(commands, [paths[0], *paths], strict=True)]
    sys.stdout.write('\n'.join([f'{len(paths)} option files are in {args.folder}. One after the other:', *steps, '']))
