"""Samples a second: the framework's REDS dataset on its PNG LMDB against ours on the same frames, raw and PNG.

720p frames are made by enlarging real clips. Each reader runs in a process of its own, the framework's without the
plugin; rounds alternate between the readers. Where the machine allows dropping its disk cache, reads from disk are
measured, too.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NUM_FRAME, GT_SIZE, SCALE, CLIP_LENGTH = 7, 128, 4, 100
READERS = {
    'framework, PNG': ('REDSRecurrentDataset', 'png'),
    'ours, PNG': ('ClipDataset', 'png'),
    'framework with plugin, raw': ('REDSRecurrentDataset', 'raw'),
    'ours, raw': ('ClipDataset', 'raw'),
}
REFERENCE = 'framework, PNG'
COLD_SAMPLES = 24


def make_data(root: Path, source: Path, num_clips: int) -> None:
    """Make the LMDBs of both kinds, once."""
    import cv2

    import dlvr_plugin  # noqa: F401
    from dlvr_plugin.clips.clip_store import ClipStore
    from dlvr_plugin.clips.store_writer import CODECS
    from dlvr_plugin.data.degradations import Degradation
    from dlvr_plugin.data.prepare import prepare_store, write_clip
    from dlvr_plugin.data.processing import Processing

    store = ClipStore(source)
    for number, clip in enumerate(list(store.clips.values())[:num_clips], start=1):  # 000 is for validation
        folder = root / 'frames' / f'{number:03d}'
        if folder.exists():
            continue
        images = [cv2.resize(image, (1280, 720), interpolation=cv2.INTER_CUBIC) for image in store.read_frames(clip)]
        forth_and_back = images + images[-2:0:-1]
        write_clip(folder, (forth_and_back[index % len(forth_and_back)] for index in range(CLIP_LENGTH)))
    for codec in CODECS:
        if not (root / f'gt_{codec}.lmdb').exists():
            prepare_store(root / 'frames', root / f'gt_{codec}.lmdb', processing=Processing(codec=codec), num_workers=2)
        if not (root / f'lq_{codec}.lmdb').exists():
            degraded = Processing(codec=codec, degradation=Degradation(type='BI', scale=SCALE))
            prepare_store(root / 'frames', root / f'lq_{codec}.lmdb', processing=degraded, num_workers=2)


def build_dataset(reader: str, root: Path) -> Any:
    """Build a reader's dataset; the framework's reference comes without the plugin."""
    name, codec = READERS[reader]
    opt = {
        'name': 'benchmark',
        'dataroot_gt': str(root / f'gt_{codec}.lmdb'),
        'dataroot_lq': str(root / f'lq_{codec}.lmdb'),
        'meta_info_file': str(root / f'gt_{codec}.lmdb' / 'meta_info_clips.txt'),
        'val_partition': 'REDS4',
        'test_mode': False,
        'io_backend': {'type': 'lmdb'},
        'num_frame': NUM_FRAME,
        'gt_size': GT_SIZE,
        'scale': SCALE,
        'interval_list': [1],
        'random_reverse': True,
        'use_hflip': True,
        'use_rot': True,
    }
    if reader == REFERENCE:
        import torchvision.transforms.functional as functional

        # The framework imports this module, which torchvision has no longer, for one function that is not used here.
        sys.modules.setdefault('torchvision.transforms.functional_tensor', functional)
    else:
        from dlvr_plugin import host
        from dlvr_plugin.data import framework_datasets

        host.apply()
        framework_datasets.install()
    if name == 'ClipDataset':
        from dlvr_plugin.data import ClipDataset

        return ClipDataset(opt)
    from basicsr.data.reds_dataset import REDSRecurrentDataset

    return REDSRecurrentDataset(opt)


def measure(
    reader: str, root: Path, num_workers: int, seconds: float, max_samples: float, seed: int
) -> dict[str, float]:
    """Read samples for some seconds, and return samples a second and bytes read from disk a sample."""
    import torch
    from torch.utils.data import DataLoader

    random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    dataset = build_dataset(reader, root)
    loader = DataLoader(dataset, batch_size=4, shuffle=True, num_workers=num_workers, drop_last=True)
    batches = endless(loader)
    for _ in range(1 + 2 * num_workers):  # what workers hold ready does not count
        next(batches)
    bytes_before, num_samples, start = bytes_from_disk(), 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds and num_samples < max_samples:
        num_samples += len(next(batches)['key'])
    return {
        'samples_per_second': num_samples / elapsed,
        'bytes_from_disk': (bytes_from_disk() - bytes_before) / num_samples if num_workers == 0 else float('nan'),
    }


def endless(loader: Any) -> Any:
    """Repeat epochs."""
    while True:
        yield from loader


def bytes_from_disk() -> int:
    """Return what this process has made the disk read."""
    for line in Path('/proc/self/io').read_text().splitlines():
        if line.startswith('read_bytes:'):
            return int(line.split()[1])
    return 0


def drop_caches() -> bool:
    """Empty the disk cache, where this user may, and tell whether it was."""
    os.sync()
    try:
        Path('/proc/sys/vm/drop_caches').write_text('3')
    except OSError:
        return False
    return True


def fill_caches(root: Path, reader: str) -> None:
    """Bring the LMDBs of a reader into the disk cache."""
    for part in ('gt', 'lq'):
        with (root / f'{part}_{READERS[reader][1]}.lmdb' / 'data.mdb').open('rb') as file:
            while file.read(2**24):
                pass


def run_reader(args: argparse.Namespace, reader: str, num_workers: int, cache: str, seed: int) -> dict[str, float]:
    """Measure a reader in a process of its own; with a cold cache few samples, before it gets warm."""
    command = [sys.executable, __file__, '--data', str(args.data), '--seconds', str(args.seconds)]
    command += ['--reader', reader, '--workers', str(num_workers), '--seed', str(seed)]
    command += ['--max_samples', str(COLD_SAMPLES)] if cache == 'cold' else []
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def compare(args: argparse.Namespace) -> dict[str, Any]:
    """Measure all readers in turn."""
    measured: dict[tuple[str, int, str], list[dict[str, float]]] = {}
    jobs = [(reader, num_workers, 'hot') for num_workers in args.workers for reader in READERS]
    if drop_caches():
        jobs += [(reader, 0, 'cold') for reader in READERS]
    else:
        print('The disk cache cannot be dropped here: reads from disk are not measured.')
    for repeat in range(args.rounds):
        for job in jobs:
            if job[2] == 'cold':
                drop_caches()
            else:
                fill_caches(args.data, job[0])
            measured.setdefault(job, []).append(run_reader(args, *job, repeat))
            print(f'round {repeat + 1}: {job}: {measured[job][-1]}', file=sys.stderr)
    rows = [
        {
            'reader': reader,
            'workers': num_workers,
            'cache': cache,
            'samples_per_second': statistics.median(run['samples_per_second'] for run in runs),
            'bytes_from_disk': statistics.median(run['bytes_from_disk'] for run in runs),
        }
        for (reader, num_workers, cache), runs in measured.items()
    ]
    speeds = {(row['reader'], row['workers'], row['cache']): row['samples_per_second'] for row in rows}
    for row in rows:
        row['ratio'] = row['samples_per_second'] / speeds[REFERENCE, row['workers'], row['cache']]

    def best(reader: str, cache: str) -> float:
        return max((row['ratio'] for row in rows if (row['reader'], row['cache']) == (reader, cache)), default=0.0)

    result = {'ratio_raw': best('ours, raw', 'hot'), 'ratio_png': best('ours, PNG', 'hot')}
    result['ratio_raw_framework'] = best('framework with plugin, raw', 'hot')
    result['ratio_raw_cold'] = best('ours, raw', 'cold')
    copied = NUM_FRAME * 3 * (GT_SIZE**2 + (GT_SIZE // SCALE) ** 2)
    return {**result, 'bytes_copied_raw': copied, 'rounds': args.rounds, 'cpus': os.cpu_count(), 'rows': rows}


def main() -> None:
    """Compare the readers, print a table, and write the figures."""
    root = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--source', type=Path, default=root.parent / 'shared/data/mini/GT', help='folder of real clips')
    parser.add_argument('--data', type=Path, default=root / 'datasets/benchmark_loader', help='where LMDBs are kept')
    parser.add_argument('--clips', type=int, default=3, help='of 100 frames (default: 3)')
    parser.add_argument('--workers', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=8.0, help='for one measurement')
    parser.add_argument('--json', type=Path, help='file to write the figures to')
    parser.add_argument('--reader', choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument('--max_samples', type=float, default=float('inf'), help=argparse.SUPPRESS)
    parser.add_argument('--seed', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.reader:
        print(json.dumps(measure(args.reader, args.data, args.workers[0], args.seconds, args.max_samples, args.seed)))
        return
    if not args.source.is_dir():
        parser.error(f'{args.source} is not here; --source takes a folder of clips.')
    make_data(args.data, args.source, args.clips)
    result = compare(args)
    print(f'{"reader":28} {"workers":>7} {"cache":>5} {"samples/s":>10} {"ratio":>7} {"kB from disk/sample":>20}')
    for row in result['rows']:
        print(
            f'{row["reader"]:28} {row["workers"]:7} {row["cache"]:>5} {row["samples_per_second"]:10.1f} '
            f'{row["ratio"]:7.1f} {row["bytes_from_disk"] / 1e3:20.0f}'
        )
    print(f'a raw sample copies {result["bytes_copied_raw"] / 1e3:.0f} kB')
    print(f'best over equal workers: raw {result["ratio_raw"]:.1f}, PNG {result["ratio_png"]:.2f} times the framework')
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + '\n')


if __name__ == '__main__':
    main()
