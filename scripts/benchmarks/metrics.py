"""PSNR, SSIM and tOF of whole clips: the framework's functions and plain sequential flow against ours, in one run.

The first side reads frame after frame, calls the framework's metrics and OpenCV's flow; the other is what
``dlvr evaluate`` runs. Both read the same PNG files.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

import dlvr_plugin  # noqa: F401  makes the framework importable

# isort: split
from basicsr.metrics import calculate_psnr, calculate_ssim

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.evaluation.evaluation_run import EvaluationRun
from dlvr_plugin.evaluation.protocol import Protocol

Means = dict[str, float]


def measure_plainly(gt: Path, results: Path, skip_frames: int, crop_border: int) -> Means:
    """Return the means over clips, computed one after the other."""
    by_clip = []
    for folder in sorted(gt.iterdir()):
        names = sorted(path.name for path in folder.iterdir())
        values: dict[str, list[float]] = {'psnr': [], 'ssim': [], 'tof': []}
        previous = None
        for name in names[skip_frames : len(names) - skip_frames]:
            truth, image = cv2.imread(str(folder / name)), cv2.imread(str(results / folder.name / name))
            values['psnr'].append(calculate_psnr(image, truth, crop_border))
            values['ssim'].append(calculate_ssim(image, truth, crop_border))
            greys = [cv2.cvtColor(each, cv2.COLOR_BGR2GRAY) for each in (image, truth)]
            if previous is not None:
                flow, flow2 = (
                    cv2.calcOpticalFlowFarneback(before, grey, None, 0.5, 3, 15, 3, 5, 1.2, 0)
                    for before, grey in zip(previous, greys, strict=True)
                )
                values['tof'].append(float(np.linalg.norm(flow - flow2, axis=2).mean()))
            previous = greys
        by_clip.append({name: float(np.mean(series)) for name, series in values.items()})
    return {name: float(np.mean([clip[name] for clip in by_clip])) for name in by_clip[0]}


def measure_with_plugin(gt: Path, results: Path, skip_frames: int, crop_border: int, jobs: int) -> Means:
    """Return the means over clips as ``dlvr evaluate`` computes them."""
    run = EvaluationRun(
        ClipReader(gt),
        {'results': ClipReader(results)},
        metrics=('psnr', 'ssim', 'tof'),
        protocol=Protocol(skip_frames=skip_frames, crop_border=crop_border),
        num_workers=jobs if jobs > 1 else 0,
    )
    return run.run()['methods']['results']['mean']


class PeakMemory:
    """Samples the memory of this process and its children, in MiB, what they share counted once."""

    def __enter__(self) -> 'PeakMemory':
        self.peak, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            self.peak = max(self.peak, sum(map(_memory, _family(os.getpid()))))


def _family(pid: int) -> list[int]:
    children = Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
    return [pid, *(member for child in children for member in _family(int(child)))]


def _memory(pid: int) -> float:
    try:
        lines = Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()
    except OSError:  # it has ended
        return 0.0
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith('Pss:'))


def blur_clips(gt: Path, target: Path) -> None:
    """Write blurred copies of clips, as results to measure."""
    for path in sorted(gt.glob('*/*')):
        (target / path.parent.name).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target / path.parent.name / path.name), cv2.GaussianBlur(cv2.imread(str(path)), (0, 0), 1.5))


def main() -> None:
    """Measure in turn, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--gt', type=Path, required=True, help='folder of clip folders with PNG frames, say of Vid4')
    parser.add_argument('--results', type=Path, help='restored clips of the same names (default: blurred copies)')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--jobs', type=int, default=os.cpu_count() or 1)
    parser.add_argument('--json', type=Path, help='file to write the figures to')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = args.results or Path(folder)
        if not args.results:
            blur_clips(args.gt, results)
        sides: dict[str, Callable[[], Means]] = {
            'framework, plain flow': lambda: measure_plainly(args.gt, results, 2, 8),
            'dlvr evaluate': lambda: measure_with_plugin(args.gt, results, 2, 8, args.jobs),
        }
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        memory, means = {}, {}
        for _ in range(args.rounds):
            for name, side in sides.items():
                start = time.perf_counter()
                side()
                seconds[name].append(time.perf_counter() - start)
        for name, side in sides.items():  # apart, because watching takes time
            with PeakMemory() as watched:
                means[name] = side()
            memory[name] = watched.peak
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    plain, ours = sides
    difference = {metric: abs(means[plain][metric] - means[ours][metric]) for metric in means[plain]}
    print(f'{"":24}{"seconds":>9}{"MiB":>8}{"PSNR":>11}{"SSIM":>10}{"tOF":>10}')
    for name in sides:
        mean = means[name]
        row = f'{mean["psnr"]:11.6f}{mean["ssim"]:10.6f}{mean["tof"]:10.6f}'
        print(f'{name:24}{medians[name]:9.2f}{memory[name]:8.0f}{row}')
    ratio = medians[plain] / medians[ours]
    print(f'ratio {ratio:.2f}, {args.jobs} processes, {args.rounds} rounds; largest difference {difference}')
    if args.json:
        figures = {'ratio': ratio, 'seconds': medians, 'peak_memory_mib': memory, 'difference': difference}
        args.json.write_text(json.dumps({**figures, 'jobs': args.jobs}, indent=2) + '\n')


if __name__ == '__main__':
    main()
