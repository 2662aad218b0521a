"""Seconds and memory of a frame of the plugin's generators against their straightforward form, in one run.

Straightforward is: filter-adaptive convolution of 25 shifted copies (STFAN); the optical flow of all frames at once
when a clip is restored, and frame by frame when it is trained on (FRNet); the memory format that frames come in (FRNet,
STRCNN, EnhanceNet). DBN has one form alone, so its ratio shows how exact the others are.

The memory is by how much a first step raises the peak of a process of its own, weights and gradients left out.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from unittest import mock

import torch
import torch.nn.functional as F
from arguments import add_measurement, positive
from stock_step import hardware, peak_memory
from torch import Tensor, nn

import dlvr_plugin  # noqa: F401  # makes basicsr importable
from dlvr_plugin.archs import spec_of
from dlvr_plugin.archs.spec import find_arch

WAYS = ('straightforward', 'ours')
KINDS = ('inference', 'training')
ARCHS = ('FRNet', 'STFAN', 'STRCNN', 'DBN', 'EnhanceNet')


def unfolded(features: Tensor, kernels: Tensor, size: int) -> Tensor:
    """Convolve with a filter for each element by copies of the features, one for each position of a filter."""
    batch, channels, height, width = features.shape
    padded = F.pad(features, (size // 2,) * 4, mode='replicate')
    copies = F.unfold(padded, size).view(batch, channels, size * size, height, width)
    return (copies * kernels.view_as(copies)).sum(2)


@contextlib.contextmanager
def plain_forms() -> Iterator[None]:
    """Put plain forms in the place of what is faster."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch('dlvr_plugin.archs.stfan_arch.filter_adaptive_conv', unfolded))
        for name in ('frnet', 'strcnn', 'enhancenet'):
            stack.enter_context(mock.patch(f'dlvr_plugin.archs.{name}_arch.in_fast_format', lambda frames: frames))
        yield


def restore(net: nn.Module, name: str, frames: Tensor, way: str, kind: str) -> Tensor:
    """Return restored frames."""
    if way == 'ours' or name != 'FRNet':
        return net(frames)
    if kind == 'inference':
        return net(frames, with_flow=True).frames
    restored, state = [], None
    for frame in frames.unbind(1):
        result, state = net.step(frame, state)
        restored.append(result)
    return torch.stack(restored, dim=1)


def make_step(name: str, kind: str, way: str, args: argparse.Namespace) -> tuple[Callable[[], None], int]:
    """Return a function that restores frames, or computes the gradients of their mean; and how many frames it takes."""
    torch.manual_seed(0)
    spec, arch = spec_of({'type': name}), find_arch(name)
    assert spec is not None
    assert arch is not None
    size = [side // (spec.scale or 1) for side in args.size]
    number = {'frame': (), 'window': (spec.num_frame,), 'clip': (args.frames,)}[spec.takes]
    frames = torch.rand(1, *number, 3, *size, device=args.device)
    net = arch().to(args.device).train(kind == 'training')
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)

    def step() -> None:
        with plain_forms() if way == 'straightforward' else contextlib.nullcontext():
            with torch.set_grad_enabled(kind == 'training'):
                restored = restore(net, name, frames, way, kind)
            if kind == 'training':
                restored.mean().backward()
        if args.device == 'cuda':
            torch.cuda.synchronize()

    return step, args.frames if spec.takes == 'clip' else 1


def measure_memory(name: str, kind: str, args: argparse.Namespace) -> dict[str, float]:
    """Return the memory of each way, in MiB."""
    command = [sys.executable, __file__, '--device', args.device, '--threads', str(args.threads)]
    command += ['--size', *map(str, args.size), '--frames', str(args.frames), '--memory-of', name, kind]
    return {way: float(subprocess.check_output([*command, way], text=True).split()[-1]) for way in WAYS}


def memory_of_step(name: str, kind: str, way: str, args: argparse.Namespace) -> float:
    """Return by how many MiB the peak grows in a step."""
    step, _ = make_step(name, kind, way, args)
    before = peak_memory(args.device)
    step()
    return peak_memory(args.device) - before


def measure_seconds(name: str, kind: str, args: argparse.Namespace) -> dict[str, list[float]]:
    """Return the seconds a frame of each way in each round, in turn."""
    steps = {way: make_step(name, kind, way, args) for way in WAYS}
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for index in range(args.rounds + 1):
        for way, (step, num_frames) in steps.items():
            began = time.perf_counter()
            step()
            if index:  # the first round warms up
                seconds[way].append((time.perf_counter() - began) / num_frames)
    return seconds


def main() -> None:
    """Measure in turn, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_measurement(parser, rounds=5)
    parser.add_argument('--archs', nargs='+', choices=ARCHS, default=ARCHS, help='default: all')
    parser.add_argument('--kinds', nargs='+', choices=KINDS, default=KINDS, help='default: both')
    parser.add_argument(
        '--size', type=positive, nargs=2, default=(720, 1280), help='height and width of restored frames'
    )
    parser.add_argument('--frames', type=positive, default=3, help='of a clip of a recurrent network; default: 3')
    parser.add_argument('--memory-of', nargs=3, metavar=('ARCH', 'KIND', 'WAY'), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if min(args.size) < 32 or any(side % 4 for side in args.size):
        parser.error(f'--size must be multiples of 4 and at least 32, got {args.size[0]} {args.size[1]}.')
    torch.set_num_threads(args.threads)
    if args.memory_of:
        print(memory_of_step(*args.memory_of, args))
        return
    print(f'{"":22}{"straightforward":>19}{"ours":>13}{"times":>7}{"MiB":>9}{"MiB":>9}{"ratio":>7}')
    rows = []
    for name, kind in [(name, kind) for name in args.archs for kind in args.kinds]:
        seconds, memory = measure_seconds(name, kind, args), measure_memory(name, kind, args)
        plain, ours = (statistics.median(seconds[way]) for way in WAYS)
        ratio = statistics.median(a / b for a, b in zip(*seconds.values(), strict=True))
        memory_ratio = memory['ours'] / max(memory['straightforward'], 1e-9)
        print(
            f'{name:11}{kind:11}{plain:17.3f} s{ours:11.3f} s{ratio:7.2f}{memory["straightforward"]:9.1f}'
            f'{memory["ours"]:9.1f}{memory_ratio:7.2f}'
        )
        medians = {'straightforward': plain, 'ours': ours}
        rows.append({'arch': name, 'kind': kind, 'seconds_a_frame': medians, 'ratio': ratio, 'memory_mib': memory})
    machine = f'{hardware(args.device)}, {args.threads} threads, torch {torch.__version__}'
    size = f'{args.size[0]}x{args.size[1]}'
    print(f'{machine}; medians of {args.rounds} rounds, restored frames of {size}, clips of {args.frames} frames')
    if args.json:
        figures = {'rows': rows, 'hardware': machine, 'size': list(args.size), 'frames': args.frames}
        args.json.write_text(json.dumps(figures, indent=2) + '\n')


if __name__ == '__main__':
    main()
