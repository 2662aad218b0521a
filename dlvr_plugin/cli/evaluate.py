"""``dlvr evaluate``: compare restored clips of any methods with their ground truth."""

import argparse
import os
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch
from basicsr.utils import get_root_logger

from dlvr_plugin.cli.named_folders import parse_results
from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.files import write_atomic
from dlvr_plugin.evaluation.clip_matching import Match
from dlvr_plugin.evaluation.evaluation_file import FILE_NAME, Evaluation, format_json
from dlvr_plugin.evaluation.evaluation_run import EvaluationRun
from dlvr_plugin.evaluation.protocol import Protocol
from dlvr_plugin.metrics import METRICS
from dlvr_plugin.metrics.lpips_distance import load_lpips
from dlvr_plugin.report.evaluation_tables import format_csv, format_latex, format_markdown, format_terminal

_JOURNAL = '.measured.jsonl'


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr``."""
    parser = commands.add_parser(
        'evaluate',
        help='compare restored clips with their ground truth',
        description='Compare the results of any number of methods with the ground truth. A result is a folder of clip\n'
        'folders with frames (8-bit RGB), an LMDB, or a folder of video files. With --out, a run that was stopped\n'
        'goes on where it was.',
        epilog=_list_metrics(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--gt', type=Path, required=True, metavar='DIR', help='ground truth')
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
        default=['psnr', 'ssim', 'tof'],
        metavar='METRIC',
        help='some of those below (default: psnr ssim tof)',
    )
    parser.add_argument('--out', type=Path, metavar='DIR', help='folder for metrics.json, .csv, table.md and table.tex')
    parser.add_argument('--jobs', type=int, default=os.cpu_count() or 1, metavar='N', help='processes (default: cores)')
    parser.add_argument('--device', help='cpu or cuda (default: cuda where there is one)')
    parser.set_defaults(run=run)
    _add_protocol(parser.add_argument_group('protocol', 'The defaults are those of the paper.'))
    lpips = parser.add_argument_group('LPIPS')
    lpips.add_argument(
        '--lpips-weights', type=Path, metavar='FILE', help='weights of the trunk, as torchvision has them'
    )
    lpips.add_argument('--lpips-random-weights', action='store_true', help='take random ones; the result is no LPIPS')


def _list_metrics() -> str:
    """Return the metrics as a table for the help."""
    rows = [[name, f'{spec.direction} is better', spec.summary] for name, spec in METRICS.items()]
    return 'metrics:\n' + '\n'.join(f'  {name:8}{better:19}{summary}' for name, better, summary in rows)


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


def run(args: argparse.Namespace) -> None:
    """Measure, print the table, and write the files.

    Raises:
        InvalidValueError: Arguments or data that cannot be used. OSError: The folder of ``--out`` cannot be written.
    """
    if args.jobs < 1:
        raise InvalidValueError(f'--jobs must be at least 1, got {args.jobs}.')
    device = _find_device(args.device)
    protocol = Protocol(**{field.name: getattr(args, field.name) for field in fields(Protocol)})
    results = {name: ClipReader(folder) for name, folder in parse_results(args.results).items()}
    gt = ClipReader(args.gt)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / _JOURNAL).touch()  # what cannot be written is found before the work, not after it
    lpips = None
    if any(name in METRICS and METRICS[name].needs_lpips for name in args.metrics):
        lpips = load_lpips(args.lpips_net, args.lpips_weights, args.lpips_random_weights, str(device or 'cpu'))
    evaluation = EvaluationRun(
        gt,
        results,
        metrics=args.metrics,
        protocol=protocol,
        lpips=lpips,
        clips=args.clips,
        device=device,
        num_workers=args.jobs if args.jobs > 1 else 0,
        journal=args.out / _JOURNAL if args.out else None,
        match=args.match,
    ).run()
    sys.stdout.write(format_terminal(evaluation, styled=sys.stdout.isatty()))
    if args.out:
        _write(args.out, evaluation)


def _find_device(name: str | None) -> torch.device | None:
    """Return the GPU to use, None for the CPU."""
    if name not in (None, 'cpu', 'cuda'):
        raise InvalidValueError(f'--device must be cpu or cuda, got {name!r}.')
    if name == 'cuda' and not torch.cuda.is_available():
        raise InvalidValueError('--device cuda: no GPU can be used here. Leave it out for the CPU.')
    return torch.device('cuda') if name != 'cpu' and torch.cuda.is_available() else None


def _write(folder: Path, evaluation: Evaluation) -> None:
    for name, text in (
        ('metrics.csv', format_csv(evaluation)),
        ('table.md', format_markdown(evaluation)),
        ('table.tex', format_latex(evaluation)),
        (FILE_NAME, format_json(evaluation)),
    ):
        write_atomic(folder / name, text.encode())
    get_root_logger().info(f'{folder}: {FILE_NAME}, metrics.csv, table.md, table.tex. Next: dlvr report {folder}')
