"""Frames a second of testing EDVR-M: the framework's own test path against ours, on the same frames and weights.

Each runs in a process of its own, the framework's without the plugin; rounds alternate between them. Both read clips
from folders, restore them and save pictures. The memory of ours is measured on a short and on a long clip.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from arguments import add_measurement, positive
from stock_step import NETWORK_G, hardware, make_framework_importable, options, peak_memory

STOCK, OURS = 'framework', 'ours'
MEMORY_SIZE, MEMORY_FRAMES = (48, 64), (50, 500)


def make_clip(root: Path, num_frames: int, size: tuple[int, int]) -> None:
    """Write a clip of smooth noise that moves, and its ground truth, four times as large."""
    rng = np.random.default_rng(0)
    height, width = (4 * side for side in size)
    texture = cv2.GaussianBlur(rng.integers(0, 256, (height + 64, width + 64, 3)).astype(np.uint8), (0, 0), 3)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    for index in range(num_frames):
        top, left = (round(32 + 31 * wave(index / 7)) for wave in (np.sin, np.cos))
        truth = texture[top : top + height, left : left + width]
        for name, frame in (('GT', truth), ('LQ', cv2.resize(truth, size[::-1], interpolation=cv2.INTER_AREA))):
            (root / name / 'clip').mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / name / 'clip' / f'{index:08d}.png'), frame)


def make_weights(path: Path) -> None:
    """Write seeded weights, whose offsets are a few pixels."""
    make_framework_importable()
    from basicsr.archs import build_network

    torch.manual_seed(0)
    net = build_network(dict(NETWORK_G))
    for name, parameter in net.named_parameters():
        if name.endswith('conv_offset.weight'):
            torch.nn.init.normal_(parameter, std=0.05)
    torch.save({'params': net.state_dict()}, path)


def test_options(root: Path, device: str) -> dict[str, Any]:
    """Return the options of a test."""
    dataset = {
        'name': 'Vid4',  # one of those that it takes
        'type': 'VideoTestDataset',
        'phase': 'test',
        'dataroot_gt': str(root / 'GT'),
        'dataroot_lq': str(root / 'LQ'),
        'io_backend': {'type': 'disk'},
        'cache_data': False,
        'num_frame': 5,
        'padding': 'reflection_circle',
        'scale': 4,
    }
    return {
        **options(NETWORK_G, device=device),
        'is_train': False,
        'manual_seed': 0,
        'datasets': {'test': dataset},
        'path': {
            'pretrain_network_g': str(root.parent / 'weights.pth'),
            'strict_load_g': True,
            'visualization': str(root / 'results'),
        },
        'val': {'save_img': True, 'suffix': None, 'metrics': None},
    }


def restore(run: str, root: Path, device: str) -> float:
    """Restore the clip, and return the seconds that it took."""
    if run == STOCK:
        make_framework_importable()
    else:
        from dlvr_plugin import host
        from dlvr_plugin.core.memory import keep_freed_memory
        from dlvr_plugin.data import framework_datasets
        from dlvr_plugin.evaluation.validation import validate

        host.apply()
        framework_datasets.install()
        keep_freed_memory()
    from basicsr.data import build_dataloader, build_dataset
    from basicsr.models import build_model

    torch.backends.cudnn.benchmark = True
    opt = test_options(root, device)
    section = opt['datasets']['test']
    loader = build_dataloader(
        build_dataset(section), section, num_gpu=opt['num_gpu'], dist=False, sampler=None, seed=opt['manual_seed']
    )
    model = build_model(opt)
    began = time.perf_counter()
    if run == STOCK:
        assert 'dlvr_plugin' not in sys.modules
        model.validation(loader, opt['name'], None, True)
    else:
        validate(model, loader, opt['name'], None, True)
    return time.perf_counter() - began


def measure(run: str, root: Path, args: argparse.Namespace) -> tuple[float, float]:
    """Restore the clip in a process of its own, and return seconds and peak memory in MiB."""
    flags = ['--device', args.device, '--threads', str(args.threads)]
    command = [sys.executable, __file__, '--run', run, '--root', str(root), *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f'{run}: exit code {done.returncode}\n{(done.stdout + done.stderr)[-4000:]}')
    seconds, memory = done.stdout.split()[-2:]
    return float(seconds), float(memory)


def largest_difference(pictures: dict[str, Path]) -> int:
    """Return the largest difference of two pictures of a frame, in steps of 8 bits."""
    names = sorted(path.name for path in pictures[OURS].glob('*.png'))
    assert names == sorted(path.name for path in pictures[STOCK].glob('*.png'))
    pairs = ([cv2.imread(str(folder / name)).astype(int) for folder in pictures.values()] for name in names)
    return max(int(np.abs(one - other).max()) for one, other in pairs)


def measure_in_turn(
    args: argparse.Namespace,
) -> tuple[dict[str, list[float]], dict[str, float], dict[int, float], int]:
    """Measure both by rounds, then the memory of clips of several lengths.

    Returns:
        Frames a second of each round, and peak memory in MiB, by run; peak memory in MiB by the number of frames; the
        largest difference of two pictures of a frame, in steps of 8 bits.
    """
    speeds: dict[str, list[float]] = {STOCK: [], OURS: []}
    memory: dict[str, float] = {}
    long_memory: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        make_weights(Path(folder) / 'weights.pth')
        roots = {run: Path(folder) / run for run in speeds}
        for root in roots.values():
            make_clip(root, args.frames, tuple(args.size))
        for _ in range(args.rounds):
            for run, root in roots.items():
                seconds, memory[run] = measure(run, root, args)
                speeds[run].append(args.frames / seconds)
        difference = largest_difference({run: root / 'results/Vid4/clip' for run, root in roots.items()})
        if not args.skip_memory:
            for num_frames in MEMORY_FRAMES:
                make_clip(Path(folder) / str(num_frames), num_frames, MEMORY_SIZE)
                _, long_memory[num_frames] = measure(OURS, Path(folder) / str(num_frames), args)
    return speeds, memory, long_memory, difference


def report(
    args: argparse.Namespace,
    speeds: dict[str, list[float]],
    memory: dict[str, float],
    long_memory: dict[int, float],
    difference: int,
) -> None:
    """Print a table of what `measure_in_turn` returned, and write it to `--json`."""
    ratio = statistics.median(ours / stock for stock, ours in zip(speeds[STOCK], speeds[OURS], strict=True))
    print(f'{"":12}{"frames/s":>10}{"MiB":>8}')
    for run, values in speeds.items():
        print(f'{run:12}{statistics.median(values):10.3f}{memory[run]:8.0f}')
    print(f'ratio {ratio:.2f}; pictures differ by at most {difference} of 255')
    for num_frames, peak in long_memory.items():
        print(f'{num_frames} frames of {MEMORY_SIZE[0]}x{MEMORY_SIZE[1]}: {peak:.0f} MiB')
    machine = f'{hardware(args.device)}, {args.threads} threads, torch {torch.__version__}'
    print(f'{machine}; {args.size[0]}x{args.size[1]}, {args.frames} frames, {args.rounds} rounds')
    if args.json:
        figures = {'ratio': ratio, 'frames_per_second': speeds, 'peak_memory_mib': memory, 'difference': difference}
        figures |= {'memory_by_frames_mib': long_memory, 'hardware': machine, 'size': list(args.size)}
        args.json.write_text(json.dumps(figures, indent=2) + '\n')


def main() -> None:
    """Measure in turn, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_measurement(parser, rounds=3)
    parser.add_argument(
        '--size', type=positive, nargs=2, default=(180, 320), help='height and width of low-quality frames'
    )
    parser.add_argument('--frames', type=positive, default=6)
    parser.add_argument('--skip-memory', action='store_true', help='leave the memory of a long clip out')
    parser.add_argument('--run', choices=(STOCK, OURS), help=argparse.SUPPRESS)
    parser.add_argument('--root', type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.frames < NETWORK_G['num_frame']:
        parser.error(f'--frames must be at least {NETWORK_G["num_frame"]}, a window, got {args.frames}.')
    torch.set_num_threads(args.threads)
    if args.run:
        seconds = restore(args.run, args.root, args.device)
        print(seconds, peak_memory(args.device))
        return
    report(args, *measure_in_turn(args))


if __name__ == '__main__':
    main()
