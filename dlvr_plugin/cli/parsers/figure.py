"""What ``dlvr figure`` takes."""

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr``."""
    parser = commands.add_parser(
        'figure',
        help='draw figures for publications',
        description='Draw figures as wide as the page of a paper, as PNG and PDF.',
    )
    kinds = parser.add_subparsers(dest='kind', metavar='KIND', required=True)
    for kind in (*_add_frames(kinds), *_add_numbers(kinds)):
        kind.add_argument(
            '--out', type=Path, help='.png or .pdf; both without extension (default: both, in the current folder)'
        )
        kind.add_argument('--dpi', type=int, default=300, metavar='N', help='pixels an inch (default: 300)')
        kind.set_defaults(module='dlvr_plugin.cli.figure')


def _add_frames(kinds: Any) -> list[argparse.ArgumentParser]:
    """Add the kinds to those of ``dlvr figure``, and return their parsers."""
    crops = _add_kind(kinds, 'crops', 'compare crops of one frame')
    crops.add_argument('--frame', type=int, required=True, metavar='N', help='number of the frame, from 0')
    crops.add_argument(
        '--box',
        type=int,
        nargs=4,
        action='append',
        required=True,
        metavar=('TOP', 'LEFT', 'HEIGHT', 'WIDTH'),
        help='what is enlarged, in pixels; may be repeated',
    )
    crops.add_argument('--profile-row', type=int, metavar='Y', help='add temporal profiles of row Y of the boxes')
    crops.add_argument('--zoom', choices=('nearest', 'bicubic'), default='nearest', help='(default: nearest)')

    profile = _add_kind(kinds, 'profile', 'compare temporal profiles')
    place = profile.add_mutually_exclusive_group(required=True)
    place.add_argument('--row', type=int, metavar='Y', help='show x against t in this row')
    place.add_argument('--column', type=int, metavar='X', help='show y against t in this column')
    profile.add_argument(
        '--range', type=int, nargs=2, metavar=('A', 'B'), help='pixels A to B - 1 of the row or column (default: all)'
    )

    flow = _add_kind(kinds, 'flow', 'compare optical flow')
    flow.add_argument('--frame', type=int, required=True, metavar='N', help='flow from frame N - 1 to N')
    flow.add_argument('--max-length', type=float, metavar='L', help='pixels that get full colours (default: by the GT)')
    return [crops, profile, flow]


def _add_kind(kinds: Any, name: str, what: str) -> argparse.ArgumentParser:
    parser = kinds.add_parser(name, help=what, description=f'{what[0].upper()}{what[1:]}.')
    parser.add_argument('--gt', type=Path, metavar='DIR', help='ground truth: folder of clips, LMDB, or of videos')
    parser.add_argument('--results', nargs='+', action='extend', metavar='NAME=DIR', help='methods and their clips')
    parser.add_argument(
        '--evaluation', type=Path, metavar='DIR', help='output of dlvr evaluate: gives --gt and --results where missing'
    )
    parser.add_argument('--clip', required=True, metavar='C')
    return parser


def add_smooth_argument(parser: argparse.ArgumentParser) -> None:
    """Add the smoothing of curves to a parser."""
    parser.add_argument(
        '--smooth',
        type=float,
        default=0.9,
        metavar='S',
        help='weight of the past in averages, in [0, 1) (default: 0.9)',
    )


def _add_numbers(kinds: Any) -> list[argparse.ArgumentParser]:
    """Add the kinds to those of ``dlvr figure``, and return their parsers."""
    curves = kinds.add_parser('curves', help='draw training curves', description='Draw training curves.')
    curves.add_argument('runs', type=Path, nargs='+', metavar='RUN', help='TensorBoard folder: tb_logger/NAME')
    curves.add_argument('--tags', nargs='+', metavar='TAG', help='such as l_g_pix (default: all losses and accuracies)')
    add_smooth_argument(curves)
    curves.add_argument('--labels', nargs='+', metavar='NAME', help='names of the runs (default: their folders)')

    tradeoff = kinds.add_parser(
        'tradeoff',
        help='plot perception against distortion',
        description='Plot methods by two metrics. Those of names NAME@ITER are joined as checkpoints of one run.',
    )
    tradeoff.add_argument('evaluations', type=Path, nargs='*', metavar='EVALUATION', help='output of dlvr evaluate')
    tradeoff.add_argument(
        '--evaluation',
        type=Path,
        nargs='+',
        action='extend',
        default=[],
        metavar='DIR',
        help='the same, as the figures of frames take it',
    )
    tradeoff.add_argument('--x', default='psnr', metavar='METRIC', help='horizontal axis (default: psnr)')
    tradeoff.add_argument(
        '--y',
        metavar='METRIC',
        help='vertical axis (default: a metric of perception or motion that all evaluations have)',
    )
    return [curves, tradeoff]
