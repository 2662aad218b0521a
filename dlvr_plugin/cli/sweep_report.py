"""``dlvr sweep report``: the page of an evaluation with the cases of a sweep as its methods."""

import argparse

from dlvr_plugin.cli.named_sweep import find_sweep
from dlvr_plugin.cli.report import write_page
from dlvr_plugin.sweep.combined import combine
from dlvr_plugin.sweep.results import read_results


def run(args: argparse.Namespace) -> None:
    """Write the report.

    Raises:
        ValueError: Arguments or data that cannot be used. OSError: The report cannot be written.
    """
    sweep = find_sweep(args.sweep)
    seed = sweep.seeds[0] if args.seed is None else args.seed
    evaluation = combine(read_results(sweep), seed)
    out = args.out or sweep.folder / 'report'
    write_page(evaluation, out, args, title=f'Sweep {sweep.name}, seed {seed}')
