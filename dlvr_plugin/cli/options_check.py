"""``dlvr options check``: say what is wrong with option files, without running them."""

import argparse
import sys

import torch

from dlvr_plugin.core.command import project_root
from dlvr_plugin.options.consistency.findings import Processes
from dlvr_plugin.options.find_problems import check_options, is_training
from dlvr_plugin.options.output_paths import resolve_output_paths
from dlvr_plugin.options.problems import OptionsError
from dlvr_plugin.options.user_classes import load_classes_of
from dlvr_plugin.options.yaml_reader import force, read_file


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
            resolve_output_paths(document.value, project_root())
            is_train = is_training(document.value)
            check_options(document, is_train=is_train, with_files=not args.no_files, processes=processes)
        except OptionsError as error:
            sys.stdout.write(f'{error}\n')
            code = 1
        else:
            sys.stdout.write(f'{path}: no problems\n')
    return code
