"""Bicubic downsampling of 720p frames, the framework's ``imresize`` against ours; realistic degradations by preset."""

import argparse
import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import torch
import torch.nn.functional as F

import dlvr_plugin  # noqa: F401  makes the framework importable

# isort: split
from basicsr.utils.matlab_functions import imresize

from dlvr_plugin.data import bicubic_downsample, gaussian_downsample
from dlvr_plugin.data.realistic import RealisticDegradation
from dlvr_plugin.data.realistic.presets import PRESETS
from dlvr_plugin.data.realistic.stages import Place

NUM_FRAMES, GT_SIZE, SCALE = 7, 128, 4


def seconds(function: Callable[[], torch.Tensor]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure_realistic(num_samples: int) -> Mapping[str, Mapping[str, float]]:
    """Return the mean seconds that a sample takes in each stage, by preset, on one core.

    A sample is a crop with its margin of a picture without fine noise, which moves by a pixel a frame.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    taken: dict[str, dict[str, float]] = {}
    for preset in PRESETS:
        degradation = RealisticDegradation.from_options({'preset': preset}, scale=SCALE)
        side = GT_SIZE + 2 * SCALE * degradation.margin
        picture = F.interpolate(torch.rand(1, 3, side // 8, side // 8), size=side + NUM_FRAMES, mode='bicubic')
        frames = torch.cat([picture[..., at : at + side, at : at + side] for at in range(NUM_FRAMES)]).clamp(0, 1)
        rng, total = random.Random(0), defaultdict[str, float](float)
        for sample in range(num_samples + 3):
            start = time.perf_counter()
            chain = degradation.draw(rng, num_frames=NUM_FRAMES)
            spent, degraded = {'draw': time.perf_counter() - start}, frames
            for stage in chain.stages:
                start = time.perf_counter()
                degraded = stage(degraded, Place(first=0, size=(side // SCALE, side // SCALE)))
                name = type(stage).__name__.removesuffix('ToResult')
                spent[name] = spent.get(name, 0) + time.perf_counter() - start
            if sample >= 3:  # the first ones warm up
                for name, value in spent.items():
                    total[name] += value / num_samples
        taken[preset] = total
    return taken


def print_realistic(taken: Mapping[str, Mapping[str, float]]) -> None:
    """Print samples a second, and milliseconds of a sample by stage."""
    stages = list(dict.fromkeys(name for each in taken.values() for name in each))
    print(f'\nrealistic, {NUM_FRAMES} frames, gt_size {GT_SIZE}; milliseconds of a sample by stage, one core')
    print(' ' * 14 + f'{"samples/s":>10}{"all":>8}' + ''.join(f'{name:>8}' for name in stages))
    for preset, times in taken.items():
        total = sum(times.values())
        columns = ''.join(f'{times.get(name, 0) * 1e3:8.2f}' for name in stages)
        print(f'{preset:14}{1 / total:10.1f}{total * 1e3:8.1f}{columns}')


def main() -> None:
    """Measure in turn, print tables, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=30)
    parser.add_argument('--samples', type=int, default=200, help='of each preset of realistic degradations')
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    parser.add_argument('--json', type=Path, help='file to write the figures to')
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    frame = torch.rand(3, 720, 1280)
    functions: dict[str, Callable[[], torch.Tensor]] = {
        "imresize, the framework's": lambda: imresize(frame, 0.25),
        'bicubic_downsample': lambda: bicubic_downsample(frame, 4),
        'gaussian_downsample': lambda: gaussian_downsample(frame, 4),
    }
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(args.rounds + 3):
        for name, function in functions.items():
            times[name].append(seconds(function))
    medians = {name: statistics.median(values[3:]) for name, values in times.items()}  # the first rounds warm up
    reference = medians["imresize, the framework's"]
    difference = float((bicubic_downsample(frame, 4) - imresize(frame, 0.25)).abs().max())
    for name, value in medians.items():
        print(f'{name:28} {value * 1e3:8.2f} ms {reference / value:6.1f} times')
    print(f'{args.threads} threads; largest difference {difference:.1e} of 1')
    taken = measure_realistic(args.samples)
    print_realistic(taken)
    if args.json:
        figures = {'ratio': reference / medians['bicubic_downsample'], 'difference': difference}
        figures['samples_per_second'] = {preset: 1 / sum(times.values()) for preset, times in taken.items()}
        args.json.write_text(json.dumps({**figures, 'threads': args.threads, 'seconds': medians}, indent=2) + '\n')


if __name__ == '__main__':
    main()
