"""What ``dlvr sweep table``, ``curves`` and ``report`` take."""

import argparse
from pathlib import Path
from typing import Any

from dlvr_plugin.cli.parsers.figure import add_smooth_argument
from dlvr_plugin.cli.parsers.report import add_page_arguments


def add_parsers(commands: Any) -> None:
    """Add the subcommands to those of ``dlvr sweep``."""
    _add_table(commands)
    _add_curves(commands)
    _add_report(commands)


def _add_table(commands: Any) -> None:
    table = _add_command(
        commands,
        'table',
        'compare the cases in a table',
        'Compare the cases of a sweep in the form of a paper: means over seeds and clips, 95 % intervals by bootstrap '
        'over both, and differences from a reference over the same seeds and clips. It shows what is measured so far.',
    )
    table.add_argument(
        '--format',
        choices=('text', 'markdown', 'latex', 'csv', 'all'),
        default='text',
        help='what is printed and, with --out, written (default: text); all writes each of them',
    )
    table.add_argument('--metrics', nargs='+', metavar='METRIC', help='columns (default: all that were measured)')
    table.add_argument('--reference', metavar='CASE', help="case to compare with (default: the sweep file's)")
    table.add_argument(
        '--at-equal',
        metavar='METRIC',
        help='compare series of cases, named NAME@NUMBER, with the reference where this metric has its value',
    )
    table.add_argument('--per-clip', action='store_true', help='show the means of each clip, too')
    table.add_argument('--out', type=Path, metavar='DIR', help='folder for table.txt, .md, .tex or .csv')


def _add_curves(commands: Any) -> None:
    curves = _add_command(
        commands,
        'curves',
        'draw the losses of the cases',
        'Draw losses over iterations: a line a case, the mean over seeds, with a band from the lowest to the highest '
        'seed. And draw perception against distortion of what they reach, and of every checkpoint that is measured.',
    )
    curves.add_argument(
        '--keys', nargs='+', metavar='KEY', help='such as l_g_pix l_t_real (default: all losses and accuracies)'
    )
    curves.add_argument(
        '--totals', action='store_true', help='draw the sums of the losses of the generator and of T instead of each'
    )
    curves.add_argument('--cases', nargs='+', metavar='CASE', help='cases to draw (default: all)')
    add_smooth_argument(curves)
    curves.add_argument('--x', metavar='METRIC', help='horizontal axis of what they reach (default: psnr)')
    curves.add_argument(
        '--y', metavar='METRIC', help='its vertical axis (default: a metric of perception or motion that is there)'
    )
    curves.add_argument('--dpi', type=int, default=300, metavar='N', help='pixels an inch (default: 300)')
    curves.add_argument('--out', type=Path, metavar='DIR', help='folder for the figures (default: SWEEP/figures)')


def _add_report(commands: Any) -> None:
    report = _add_command(
        commands,
        'report',
        'make a page with the cases as methods',
        'Make the page of an evaluation (dlvr report) with the cases of a sweep as its methods, all of one seed.',
    )
    report.add_argument('--seed', type=int, metavar='K', help='whose runs are shown (default: the first)')
    report.add_argument('--out', type=Path, metavar='DIR', help='folder to write (default: SWEEP/report)')
    add_page_arguments(report)


def _add_command(commands: Any, name: str, what: str, description: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=what, description=description)
    parser.add_argument('sweep', metavar='SWEEP', help='sweeps/NAME, the file of the sweep, or its name')
    parser.set_defaults(module=f'dlvr_plugin.cli.sweep_{name}')
    return parser
