"""``dlvr evaluate``: compare restored clips of any methods with their ground truth."""

import argparse
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch
from basicsr.utils import get_root_logger

from dlvr_plugin.cli.named_folders import parse_results
from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.files import write_atomic
from dlvr_plugin.core.folder_lock import FolderLock, lock_inside
from dlvr_plugin.evaluation.evaluation_file import FILE_NAME, Evaluation, format_json
from dlvr_plugin.evaluation.evaluation_run import EvaluationRun
from dlvr_plugin.evaluation.protocol import Protocol
from dlvr_plugin.metrics import METRICS
from dlvr_plugin.metrics.lpips_distance import load_lpips
from dlvr_plugin.report.evaluation_tables import format_csv, format_latex, format_markdown, format_terminal

_JOURNAL = '.measured.jsonl'


def run(args: argparse.Namespace) -> None:
    """Measure, print the table, and write the files.

    Raises:
        InvalidValueError: Arguments or data that cannot be used. InUseError: Another process works in the
            folder of ``--out``. OSError: It cannot be written.
    """
    if args.jobs < 1:
        raise InvalidValueError(f'--jobs must be at least 1, got {args.jobs}.')
    device = _find_device(args.device)
    protocol = Protocol(**{name: getattr(args, name) for name in Protocol.__dataclass_fields__})
    open_clips = partial(ClipReader, allow_cut_videos=args.allow_cut_videos)
    results = {name: open_clips(folder) for name, folder in parse_results(args.results).items()}
    gt = open_clips(args.gt)
    lpips = None
    if any(name in METRICS and METRICS[name].needs_lpips for name in args.metrics):
        lpips = load_lpips(args.lpips_net, args.lpips_weights, args.lpips_random_weights, str(device or 'cpu'))
    advice = 'Wait until it ends, or choose another folder with --out.'
    with FolderLock(lock_inside(args.out), args.out, advice) if args.out else nullcontext():
        run = EvaluationRun(
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
        )
        if args.out:
            (args.out / _JOURNAL).touch()  # what cannot be written is found before the work, not after it
        evaluation = run.run()
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
