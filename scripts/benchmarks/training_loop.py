"""Seconds an iteration of whole training loops: the framework's with a pixel loss, and ours in alternation.

The framework trains its EDVRModel by its own script, without the plugin, in float32, on its REDS dataset from an LMDB
of PNG frames. Ours trains G and T in alternation on the raw store of the same frames. Each run is a process of its own;
rounds alternate between them. Times are taken from the log, between its lines.
"""

import argparse
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from arguments import output_file, positive
from loader import make_data
from stock_step import NETWORK_G, OPTIMIZER, hardware, make_framework_importable

STOCK = 'framework'
# What ours differ in: options of the section train.
RUNS: dict[str, dict[str, Any]] = {
    STOCK: {},
    'ours': {},
    'ours, bf16': {'amp': 'bf16'},
    'ours, bf16, channels_last': {'amp': 'bf16', 'channels_last': True},
    'ours, bf16, compiled': {'amp': 'bf16', 'compile': ['net_g', 'net_t']},
}


def make_options(run: str, args: argparse.Namespace) -> dict[str, Any]:
    """Return the options of a run."""
    codec = 'png' if run == STOCK else 'raw'
    dataset = {
        'name': 'benchmark',
        'dataroot_gt': str(args.data / f'gt_{codec}.lmdb'),
        'dataroot_lq': str(args.data / f'lq_{codec}.lmdb'),
        'io_backend': {'type': 'lmdb'},
        'num_frame': 5,
        'gt_size': 4 * args.lq_size,
        'interval_list': [1],
        'random_reverse': False,
        'use_hflip': True,
        'use_rot': True,
        'num_worker_per_gpu': args.workers,
        'batch_size_per_gpu': args.batch,
        'dataset_enlarge_ratio': 1000,
    }
    if args.device == 'cuda':
        dataset |= {'prefetch_mode': 'cuda', 'pin_memory': True}
    train: dict[str, Any] = {
        'optim_g': dict(OPTIMIZER),
        'scheduler': {'type': 'MultiStepLR', 'milestones': [1000000]},
        'total_iter': args.iterations,
        'warmup_iter': -1,
        'pixel_opt': {'type': 'CharbonnierLoss', 'loss_weight': 1.0, 'reduction': 'mean'},
    }
    opt: dict[str, Any] = {
        'name': re.sub(r'\W+', '_', run),
        'model_type': 'EDVRModel',
        'scale': 4,
        'num_gpu': int(args.device == 'cuda'),
        'manual_seed': 0,
        'datasets': {'train': dataset},
        'network_g': dict(NETWORK_G),
        'path': {'pretrain_network_g': None, 'strict_load_g': True, 'resume_state': None},
        'train': train,
        'logger': {'print_freq': args.print_freq, 'save_checkpoint_freq': 10**9, 'use_tb_logger': False},
        'dist_params': {'backend': 'nccl', 'port': 29500},
    }
    if run == STOCK:
        meta_file = str(args.data / 'gt_png.lmdb' / 'meta_info_clips.txt')
        dataset |= {'type': 'REDSDataset', 'meta_info_file': meta_file, 'val_partition': 'REDS4', 'test_mode': False}
        dataset |= {'dataroot_flow': None, 'use_shuffle': True}
        return opt
    dataset |= {'type': 'ClipDataset'}
    opt |= {'model_type': 'DiscriminativeSpaceModel', 'host_model': 'EDVRModel', 'network_t': {'type': 'LossNetT'}}
    train |= {'optim_t': dict(OPTIMIZER), 'init_t_iters': 0, 'discriminative_opt': {}, **RUNS[run]}
    return opt


def train(run: str, option_file: str, root: Path) -> None:
    """Train, by the framework's own pipeline or by ours."""
    if run != STOCK:
        from dlvr_plugin.train import main as train_ours

        os.environ['DLVR_ROOT'] = str(root)
        sys.exit(train_ours(['-opt', option_file]))
    make_framework_importable()
    from basicsr.train import train_pipeline

    sys.argv = [sys.argv[0], '-opt', option_file]
    train_pipeline(str(root))


def seconds_between_lines(log: str, print_freq: int, skip: int) -> list[float]:
    """Return the seconds an iteration between the lines of a log, after its first iterations."""
    found = re.findall(r'^(\S+ \S+) INFO: \[.*?iter:\s*([\d,]+), lr', log, re.MULTILINE)
    lines = [(datetime.strptime(when, '%Y-%m-%d %H:%M:%S,%f'), int(number.replace(',', ''))) for when, number in found]
    times = [when for when, number in lines if number >= skip]
    return [(b - a).total_seconds() / print_freq for a, b in itertools.pairwise(times)]


def measure(run: str, args: argparse.Namespace, number: int) -> list[float]:
    """Train in a process of its own, and return seconds an iteration."""
    root = args.data / 'runs' / f'{number}'
    root.mkdir(parents=True, exist_ok=True)
    opt = make_options(run, args)
    option_file = root / f'{opt["name"]}.yml'
    option_file.write_text(yaml.safe_dump(opt))
    command = [sys.executable, __file__, '--run', run, '--option-file', str(option_file), '--data', str(root)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f'{run}: exit code {done.returncode}\n{(done.stdout + done.stderr)[-4000:]}')
    seconds = seconds_between_lines(done.stdout + done.stderr, args.print_freq, args.skip)
    print(f'round {number + 1}: {run}: {statistics.median(seconds):.4f} s an iteration', file=sys.stderr)
    return seconds


def main() -> None:
    """Measure in turn, print a table, and write the figures."""
    project = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--source', type=Path, default=project.parent / 'shared/data/mini/GT', help='folder of clips')
    parser.add_argument('--data', type=Path, default=project / 'datasets/benchmark_loader', help='where LMDBs are kept')
    parser.add_argument('--clips', type=positive, default=3, help='of 100 frames (default: 3)')
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cuda')
    parser.add_argument('--batch', type=positive, default=32)
    parser.add_argument('--lq-size', type=positive, default=32)
    parser.add_argument('--workers', type=int, default=8)
    parser.add_argument('--iterations', type=positive, default=300)
    parser.add_argument('--skip', type=int, default=100, help='iterations that warm up')
    parser.add_argument('--print-freq', type=positive, default=20)
    parser.add_argument('--rounds', type=positive, default=1)
    parser.add_argument('--runs', nargs='+', choices=RUNS, default=list(RUNS))
    parser.add_argument('--json', type=output_file, help='file to write the figures to')
    parser.add_argument('--run', choices=RUNS, help=argparse.SUPPRESS)
    parser.add_argument('--option-file', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        train(args.run, args.option_file, args.data)
        return
    if not args.source.is_dir():
        parser.error(f'{args.source} is not here; --source takes a folder of clips.')
    if args.iterations < args.skip + 3 * args.print_freq:
        parser.error(f'--iterations must be at least {args.skip + 3 * args.print_freq}, for two lines after --skip.')
    make_data(args.data, args.source, args.clips)
    seconds: dict[str, list[float]] = {run: [] for run in args.runs}
    for number in range(args.rounds):
        for run in args.runs:
            seconds[run] += measure(run, args, number)
    medians = {run: statistics.median(values) for run, values in seconds.items()}
    speeds = {run: medians[STOCK] / value for run, value in medians.items()} if STOCK in medians else {}
    print(f'{"":28}{"s/iter":>10}{"samples/s":>12}{"speed":>8}')
    for run, value in medians.items():
        speed = f'{speeds[run]:8.2f}' if run in speeds else ''
        print(f'{run:28}{value:10.4f}{args.batch / value:12.1f}{speed}')
    figures = {'seconds': medians, 'speeds': speeds, 'batch': args.batch, 'rounds': args.rounds}
    figures |= {'workers': args.workers, 'hardware': hardware(args.device)}
    print(f'{figures["hardware"]}; batch {args.batch}, {args.workers} data workers, {args.rounds} rounds')
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + '\n')


if __name__ == '__main__':
    main()
