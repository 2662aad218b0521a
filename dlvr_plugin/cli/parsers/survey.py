"""What ``dlvr survey make``, ``serve``, ``collect`` and ``table`` take."""

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the subcommands to those of ``dlvr``."""
    parser = commands.add_parser('survey', help='let people compare methods blindly, and count what they prefer')
    kinds = parser.add_subparsers(metavar='COMMAND')
    _add_make(kinds)
    _add_serve(kinds)
    collect = kinds.add_parser(
        'collect',
        help='merge answers that participants sent as files',
        description='Merge answers that participants of a study on plain files sent. A file that was changed, or that '
        'says something else than what is there, is refused; the others are merged.',
    )
    collect.add_argument('study', type=Path, help='folder that dlvr survey make wrote')
    collect.add_argument('files', type=Path, nargs='+', metavar='FILE', help='files of answers, or folders of them')
    collect.set_defaults(module='dlvr_plugin.cli.survey_collect')
    table = kinds.add_parser(
        'table',
        help='print and write what the answers say',
        description='Print preferences with intervals and tests, and write them as Markdown, LaTeX, CSV and a figure.',
    )
    table.add_argument('study', type=Path, help='folder that dlvr survey make wrote')
    table.add_argument('--out', type=Path, metavar='DIR', help='folder to write (default: STUDY/table)')
    table.set_defaults(module='dlvr_plugin.cli.survey_table')


def _add_make(kinds: Any) -> None:
    make = kinds.add_parser(
        'make',
        help='make a study from an evaluation',
        description='Make a study: pictures under names that tell nothing, what each participant is shown, the rules '
        'of exclusion, links and pages.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    make.add_argument('evaluation', type=Path, help='folder that dlvr evaluate --out wrote')
    make.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder to write; must not exist')
    make.add_argument(
        '--pairs', nargs='+', required=True, metavar='METHOD:OTHER', help='methods of the evaluation to compare'
    )
    make.add_argument(
        '--mode',
        choices=('toggle', 'side-by-side', 'both'),
        default='toggle',
        help='switch between two pictures in one place, or show them beside each other',
    )
    shown = make.add_mutually_exclusive_group()
    shown.add_argument('--frames', type=int, default=3, metavar='N', help='of each clip, at equal distances')
    shown.add_argument('--whole-clips', action='store_true', help='show whole clips, played in step, again and again')
    make.add_argument('--clips', nargs='+', metavar='CLIP', help='clips to show (default: all)')
    make.add_argument('--participants', type=int, default=40, metavar='N', help='how many take part')
    make.add_argument('--trials', type=int, metavar='N', help='comparisons of each participant (default: all)')
    make.add_argument(
        '--half-width',
        type=float,
        default=10.0,
        metavar='P',
        help='percent that an interval may reach to either side, to say how many answers that takes',
    )
    make.add_argument('--checks', type=int, default=1, metavar='N', help='attention checks of each of the two kinds')
    make.add_argument('--practice', type=int, default=2, metavar='N', help='comparisons that do not count, first')
    make.add_argument('--seed', type=int, default=0, metavar='N', help='of order and sides')
    make.add_argument('--min-switches', type=int, default=1, metavar='N', help='fewer: the answer does not count')
    make.add_argument('--min-seconds', type=float, default=1.0, metavar='S', help='less: the answer does not count')
    make.add_argument(
        '--max-failed-checks', type=int, default=0, metavar='N', help='more: no answer of the participant counts'
    )
    make.add_argument('--allow-no-difference', action='store_true', help='offer "I see no difference" as an answer')
    make.add_argument(
        '--texts', nargs='+', default=['en'], metavar='FILE', help='languages, en or de, or files with own texts'
    )
    make.add_argument('--image-format', choices=('png', 'webp'), default='png', help='png keeps every pixel')
    make.add_argument('--quality', type=int, default=95, metavar='N', help='of webp, 90-100')
    make.add_argument('--frame-rate', type=float, default=24.0, metavar='F', help='of clips that do not say theirs')
    make.set_defaults(module='dlvr_plugin.cli.survey_make')


def _add_serve(kinds: Any) -> None:
    serve = kinds.add_parser(
        'serve',
        help='serve the pages of a study, and take its answers',
        description='Serve the pages of a study by a small web server, and store answers as they come.',
    )
    serve.add_argument('study', type=Path, help='folder that dlvr survey make wrote')
    serve.add_argument('--host', default='127.0.0.1', metavar='ADDRESS', help='to listen at (default: 127.0.0.1)')
    serve.add_argument('--port', type=int, default=8000, metavar='N', help='(default: 8000; 0: any that is free)')
    serve.add_argument(
        '--proxy',
        metavar='ADDRESS',
        help='of a reverse proxy whose word for the address of participants is taken (default: nobody is)',
    )
    serve.set_defaults(module='dlvr_plugin.cli.survey_serve')
