"""What ``dlvr evaluate`` takes."""

import os
import re
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_type_hints

from dlvr_plugin.core.choices import Match, MissingPolicy, WeightedNetwork
from dlvr_plugin.evaluation.protocol import Protocol

DEFAULT_METRICS = ('psnr', 'ssim', 'tof')
"""What is measured where there is ground truth."""

_NETWORKS: dict[WeightedNetwork, tuple[str, str]] = {
    'lpips': ('LPIPS', 'weights of the trunk of LPIPS'),
    'dists': ('DISTS', 'weights of VGG16, the trunk of DISTS'),
    'raft': ('flow of RAFT', 'weights of RAFT, for --warping-flow raft'),
}


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr``."""
    parser = commands.add_parser(
        'evaluate',
        help='compare restored clips, with their ground truth or without one',
        description='Compare the results of any number of methods with the ground truth or, without --gt, by what can '
        'be measured of them alone. A result is a folder of clip folders with frames (8-bit RGB), an LMDB, or a folder '
        'of video files. With --out, a run that was stopped goes on where it was.',
    )
    parser.add_argument('--gt', type=Path, metavar='DIR', help='ground truth')
    parser.add_argument(
        '--input',
        type=Path,
        metavar='DIR',
        help='low-quality clips that all results were made of: to measure consistency, and to be seen beside them',
    )
    parser.add_argument('--results', nargs='+', required=True, metavar='NAME=DIR', help='clips of each method')
    parser.add_argument('--clips', nargs='+', metavar='CLIP', help='clips to compare (default: all)')
    parser.add_argument(
        '--match',
        choices=get_args(Match),
        default='name',
        help='which frames belong together: those of one name, or of one place in their order (default: name)',
    )
    parser.add_argument(
        '--metrics',
        nargs='+',
        metavar='METRIC',
        help=f'some of those below (default: {" ".join(DEFAULT_METRICS)}; without --gt all that need no ground truth)',
    )
    parser.add_argument(
        '--missing',
        choices=get_args(MissingPolicy),
        default='error',
        help='what becomes of a metric whose weights or program cannot be had: an error, or the others are measured, '
        'and the tables say what is missing (default: error)',
    )
    parser.add_argument('--out', type=Path, metavar='DIR', help='folder for metrics.json, .csv, table.md and table.tex')
    parser.add_argument('--jobs', type=int, default=os.cpu_count() or 1, metavar='N', help='processes (default: cores)')
    parser.add_argument(
        '--allow-cut-videos', action='store_true', help='compare what can be read of a video that is cut off'
    )
    parser.add_argument('--device', help='cpu or cuda (default: cuda where there is one)')
    parser.set_defaults(module='dlvr_plugin.cli.evaluate')
    parser.format_help = partial(_with_metrics, parser.format_help)
    _add_protocol(parser.add_argument_group('protocol', 'The defaults are those of the paper.'))
    weights = parser.add_argument_group('weights', 'By default the published ones, from the cache or by download.')
    for name, (label, content) in _NETWORKS.items():
        weights.add_argument(f'--{name}-weights', type=Path, metavar='FILE', help=f'{content}, as torchvision has them')
        weights.add_argument(
            f'--{name}-random-weights', action='store_true', help=f'take random ones; the result is no {label}'
        )


def _with_metrics(format_help: Callable[[], str]) -> str:
    """Return a help page with a table of all metrics, which take seconds to load."""
    from dlvr_plugin.registration import register

    register()
    from dlvr_plugin.metrics import METRICS

    width = max(map(len, METRICS)) + 2
    rows = (f'  {name:{width}}{spec.direction + " is better":19}{spec.summary}\n' for name, spec in METRICS.items())
    return f'{format_help()}\nmetrics:\n{"".join(rows)}'


def _add_protocol(group: Any) -> None:
    """Add an argument for each field of the protocol, as its annotation, default and line of documentation say."""
    for field in fields(Protocol):
        annotation = get_type_hints(Protocol)[field.name]
        found = re.search(rf'^ +{field.name}: (.*(?:\n {{12,}}.*)*)', Protocol.__doc__ or '', re.MULTILINE)
        doc = ' '.join(found[1].split()) if found else ''
        kind = {'choices': get_args(annotation)} if get_args(annotation) else {'type': annotation, 'metavar': 'N'}
        group.add_argument(
            f'--{field.name.replace("_", "-")}',
            default=field.default,
            help=f'{doc} (default: {field.default})'.replace('%', '%%'),
            **kind,
        )
