"""``dlvr sweep measure``: restore and measure what one run of a sweep has trained."""

import argparse
from pathlib import Path

from dlvr_plugin import host
from dlvr_plugin.core.command import project_root
from dlvr_plugin.core.memory import keep_freed_memory
from dlvr_plugin.data import framework_datasets
from dlvr_plugin.evaluation.test_run import test
from dlvr_plugin.options.parse import parse_options, process_group
from dlvr_plugin.sweep.measure_run import measure_run
from dlvr_plugin.sweep.sweep_folder import read_sweep


def run(args: argparse.Namespace) -> None:
    """Restore and measure the checkpoints of a run that are not measured.

    Raises:
        UserError: Arguments, weights or frames that cannot be used. InUseError: Another process does the same.
            OSError: A folder cannot be written.
    """
    host.apply()
    framework_datasets.install()
    keep_freed_memory()
    measure_run(read_sweep(args.folder), args.run, _test)


def _test(option_file: Path) -> None:
    with process_group():
        opt, _ = parse_options(project_root(), is_train=False, argv=['-opt', str(option_file)])
        test(opt)
