"""``dlvr options check``: say what is wrong with option files, without running them."""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from dlvr_plugin.core.user_modules import add_import_flag
from dlvr_plugin.options.consistency.findings import Processes
from dlvr_plugin.options.find_problems import check_options, is_training
from dlvr_plugin.options.problems import OptionsError
from dlvr_plugin.options.user_classes import load_classes_of
from dlvr_plugin.options.yaml_reader import force, read_file


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr options``."""
    parser = commands.add_parser(
        'check',
        help='check option files without running them',
        description='Check option files, of training runs and tests. The exit code is 1 where there are problems.',
    )
    parser.add_argument('files', nargs='+', type=Path, metavar='FILE', help='option file (.yml)')
    parser.add_argument(
        '--force_yml', nargs='+', default=[], metavar='SECTION:KEY=VALUE', help='set options, as for a run'
    )
    parser.add_argument('--no-files', action='store_true', help='leave out checks that look at data and weights')
    add_import_flag(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check each file, print what is wrong, and return 1 where something is.

    Raises:
        OSError: A file cannot be opened. UserModuleError: a module of ``--import`` cannot be loaded.
    """
    processes = Processes(num_gpu=torch.cuda.device_count())
    code = 0
    for path in args.files:
        try:
            document = read_file(path)
            force(document, args.force_yml)
            load_classes_of(document, args.imports)
            is_train = is_training(document.value)
            check_options(document, is_train=is_train, with_files=not args.no_files, processes=processes)
        except OptionsError as error:
            sys.stdout.write(f'{error}\n')
            code = 1
        else:
            sys.stdout.write(f'{path}: no problems\n')
    return code
