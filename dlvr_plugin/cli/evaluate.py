"""``dlvr evaluate``: compare restored clips of any methods, with their ground truth or without one."""

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch
from basicsr.utils import get_root_logger

from dlvr_plugin.cli.named_folders import parse_results
from dlvr_plugin.cli.parsers.evaluate import DEFAULT_METRICS
from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.core.choices import MissingPolicy
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.files import write_atomic
from dlvr_plugin.core.folder_lock import FolderLock, lock_inside
from dlvr_plugin.evaluation.evaluation_file import FILE_NAME, Evaluation, format_json
from dlvr_plugin.evaluation.evaluation_run import EvaluationRun
from dlvr_plugin.evaluation.protocol import Protocol
from dlvr_plugin.metrics import METRICS
from dlvr_plugin.metrics.spec import MetricSpec, check_metrics, check_references, metrics_without_truth
from dlvr_plugin.metrics.weights import MetricNetwork
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
    gt, lq = (open_clips(folder) if folder else None for folder in (args.gt, args.input))
    metrics = args.metrics or _default_metrics(args)
    check_metrics(metrics)
    load = partial(_load_network, args, protocol, str(device or 'cpu'))
    specs = [protocol.specify(METRICS[name]) for name in metrics]
    check_references(specs, has_truth=gt is not None, has_input=lq is not None)  # before weights are loaded
    missing = _find_missing(specs, load, args.missing)
    measured = [spec for spec in specs if spec.name not in missing]
    advice = 'Wait until it ends, or choose another folder with --out.'
    with FolderLock(lock_inside(args.out), args.out, advice) if args.out else nullcontext():
        run = EvaluationRun(
            gt,
            results,
            lq=lq,
            metrics=[spec.name for spec in measured],
            not_measured=missing,
            protocol=protocol,
            networks={spec.weights.name: load(spec) for spec in measured if spec.weights},
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


def _default_metrics(args: argparse.Namespace) -> list[str]:
    return list(DEFAULT_METRICS) if args.gt else metrics_without_truth(has_input=args.input is not None)


def _load_network(args: argparse.Namespace, protocol: Protocol, device: str, spec: MetricSpec) -> MetricNetwork:
    """Return the network of a metric that needs one."""
    weights = spec.weights
    assert weights is not None
    settings = protocol.settings_of(spec)
    return weights.load(
        weights=getattr(args, f'{weights.name}_weights'),
        random_weights=getattr(args, f'{weights.name}_random_weights'),
        device=device,
        **{name: settings[name] for name in weights.settings},
    )


def _find_missing(
    specs: Sequence[MetricSpec], load: Callable[[MetricSpec], MetricNetwork], policy: MissingPolicy
) -> dict[str, str]:
    """Return the metrics that cannot be measured here, and why.

    Raises:
        DataError: There is one, and that is an error, or all are. CheckpointError: Weights that are here are damaged.
    """
    missing: dict[str, str] = {}
    for spec in specs:
        try:
            if spec.weights is not None:
                load(spec)
            if spec.check_tools is not None:
                spec.check_tools()
        except DataError as error:
            if policy == 'error' or len(missing) + 1 == len(specs):
                raise
            missing[spec.name] = str(error)
            get_root_logger().warning(f'{spec.label} is left out: {error}')
    return missing


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
