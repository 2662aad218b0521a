"""Modulated deformable convolution, forward and backward: torchvision's operator against sampling, in one run.

The memory of each way is by how much its first step raises the peak of a process of its own, gradients included.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from arguments import add_measurement
from stock_step import hardware, peak_memory
from torch import Tensor

from dlvr_plugin.core.deformable_conv import modulated_deform_conv

WAYS = ('torchvision', 'sampled')
# Batch, size and type of 64 channels in 8 groups: EDVR-M's three levels, a large batch, and a whole frame.
CASES = [
    (batch, size, dtype)
    for dtype in ('float32', 'bfloat16')
    for batch, size in ((2, 32), (2, 16), (2, 8), (8, 32), (1, 64), (32, 32))
]


def make_step(way: str, batch: int, size: int, dtype: str, device: str) -> Callable[[], Tensor]:
    """Return a function that computes the output and all gradients."""
    torch.manual_seed(0)
    num_feat, groups = 64, 8
    x, offset, weight, bias, mask = (
        tensor.to(device, getattr(torch, dtype)).requires_grad_()
        for tensor in (
            torch.randn(batch, num_feat, size, size),
            3 * torch.randn(batch, groups * 18, size, size),
            torch.randn(num_feat, num_feat, 3, 3) / 24,
            torch.randn(num_feat),
            torch.rand(batch, groups * 9, size, size),
        )
    )

    def step() -> Tensor:
        out = modulated_deform_conv(x, offset, weight, bias, padding=1, mask=mask, sampled=way == 'sampled')
        gradients = torch.autograd.grad(out.float().sum(), (x, offset, weight, bias, mask))
        if device == 'cuda':
            torch.cuda.synchronize()
        return gradients[0]

    return step


def memory_of_step(way: str, batch: int, size: int, dtype: str, device: str) -> float:
    """Return by how many MiB the peak grows in a step."""
    step = make_step(way, batch, size, dtype, device)
    make_step(way, 1, 4, dtype, device)()  # what is loaded once
    before = peak_memory(device)
    step()
    return peak_memory(device) - before


def measure_memory(case: tuple[int, int, str], args: argparse.Namespace) -> dict[str, float]:
    """Return the memory of each way, in MiB."""
    command = [sys.executable, __file__, '--device', args.device, '--threads', str(args.threads), '--memory-of']
    return {
        way: float(subprocess.check_output([*command, way, *map(str, case)], text=True).split()[-1]) for way in WAYS
    }


def measure_seconds(case: tuple[int, int, str], args: argparse.Namespace) -> dict[str, list[float]]:
    """Return the seconds of each way in each round, in turn."""
    steps = {way: make_step(way, *case, args.device) for way in WAYS}
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for index in range(args.rounds + 2):
        for way, step in steps.items():
            began = time.perf_counter()
            step()
            if index >= 2:  # the first rounds warm up
                seconds[way].append(time.perf_counter() - began)
    return seconds


def main() -> None:
    """Measure in turn, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_measurement(parser, rounds=15)
    parser.add_argument('--dtypes', nargs='+', choices=('float32', 'bfloat16'), help='default: float32; on a GPU both')
    parser.add_argument('--memory-of', nargs=4, metavar=('WAY', 'BATCH', 'SIZE', 'DTYPE'), help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.memory_of:
        way, batch, size, dtype = args.memory_of
        print(memory_of_step(way, int(batch), int(size), dtype, args.device))
        return
    dtypes = args.dtypes or (['float32', 'bfloat16'] if args.device == 'cuda' else ['float32'])
    print(f'{"batch, size, type":22}{"torchvision":>14}{"sampled":>11}{"times":>7}{"MiB":>9}{"MiB":>9}{"ratio":>7}')
    rows = []
    for case in [each for each in CASES if each[2] in dtypes]:
        seconds, memory = measure_seconds(case, args), measure_memory(case, args)
        old, new = (statistics.median(seconds[way]) for way in WAYS)
        ratio = statistics.median(a / b for a, b in zip(*seconds.values(), strict=True))
        memory_ratio = memory['sampled'] / memory['torchvision']
        print(
            f'{case[0]:5}, {case[1]:4}, {case[2]:9}{old * 1e3:11.2f} ms{new * 1e3:8.2f} ms{ratio:7.2f}'
            f'{memory["torchvision"]:9.1f}{memory["sampled"]:9.1f}{memory_ratio:7.2f}'
        )
        medians = {'torchvision': old, 'sampled': new}
        rows.append({'case': case, 'seconds': medians, 'ratio': ratio, 'memory_mib': memory})
    machine = f'{hardware(args.device)}, {args.threads} threads, torch {torch.__version__}'
    print(f'{machine}; medians of {args.rounds} rounds, 64 channels, 8 groups, kernel 3x3, forward and backward')
    if args.json:
        args.json.write_text(json.dumps({'rows': rows, 'hardware': machine}, indent=2) + '\n')


if __name__ == '__main__':
    main()
