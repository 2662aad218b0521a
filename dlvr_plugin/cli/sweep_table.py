"""``dlvr sweep table``: the cases of a sweep compared, with intervals over seeds and clips."""

import argparse
import sys

from basicsr.utils import get_root_logger

from dlvr_plugin.cli.named_sweep import check_case, find_sweep
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.files import make_folder, write_atomic
from dlvr_plugin.sweep.results import different_versions, read_results
from dlvr_plugin.sweep.tables import FORMATS, collect_table, format_terminal


def run(args: argparse.Namespace) -> None:
    """Print the table in a format, or write it to files.

    Raises:
        ValueError: Arguments that cannot be used, or runs that cannot be compared. OSError: A file cannot be written.
    """
    if args.format == 'all' and not args.out:
        raise InvalidValueError('--format all writes a file of each format: give their folder with --out DIR.')
    sweep = find_sweep(args.sweep)
    reference = check_case(sweep, args.reference or sweep.reference, '--reference')
    results = read_results(sweep)
    evaluations = (each for case in results.cases.values() for each in case.evaluations.values())
    if differing := different_versions(evaluations):
        get_root_logger().warning(f'Not all runs were measured with the same versions: {", ".join(differing)}.')
    content = collect_table(
        results, metrics=args.metrics, reference=reference, per_clip=args.per_clip, at_equal=args.at_equal
    )
    is_for_people = args.format in ('text', 'all')
    sys.stdout.write(
        format_terminal(content, styled=sys.stdout.isatty()) if is_for_people else FORMATS[args.format][1](content)
    )
    if args.out:
        make_folder(args.out)
        names = list(FORMATS) if args.format == 'all' else [args.format]
        for file, form in (FORMATS[name] for name in names):
            write_atomic(args.out / file, form(content).encode())
            get_root_logger().info(f'{args.out / file} is written.')
