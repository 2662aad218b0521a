"""Bicubic downsampling of 720p frames: the framework's ``imresize`` against ours, in one run."""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

import dlvr_plugin  # noqa: F401  makes the framework importable

# isort: split
from basicsr.utils.matlab_functions import imresize

from dlvr_plugin.data import bicubic_downsample, gaussian_downsample


def seconds(function: Callable[[], torch.Tensor]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    """Measure in turn, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=30)
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
    if args.json:
        figures = {'ratio': reference / medians['bicubic_downsample'], 'difference': difference}
        args.json.write_text(json.dumps({**figures, 'threads': args.threads, 'seconds': medians}, indent=2) + '\n')


if __name__ == '__main__':
    main()
