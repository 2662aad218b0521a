"""How the time of an evaluation grows with the length of a clip, and the memory that tOF takes of 8K frames.

Tiny frames, so that what is done once a frame counts, not the metrics. Lengths take turns, so that what else the
machine does meets both. Times are of the processor, in this process, beside those of the clock.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

import dlvr_plugin  # noqa: F401  makes the framework importable

# isort: split
from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.evaluation.evaluation_run import EvaluationRun

_FULL, _EMPTY = 'full', 'empty'

_8K = """
import sys
import cv2, numpy as np
from dlvr_plugin.core.memory import peak_memory
from dlvr_plugin.metrics import tof
small = np.random.default_rng(0).integers(0, 256, (560, 980, 3)).astype(np.uint8)
def frame(shift, blur):
    large = cv2.resize(small, None, fx=8, fy=8, interpolation=cv2.INTER_LINEAR)
    part = large[shift : shift + 4320, 2 * shift : 2 * shift + 7680].copy()
    return cv2.blur(part, (9, 9)) if blur else part
tof(frame(0, True), frame(3, True), frame(0, False), frame(3, False))
print(peak_memory())
"""


def write_clips(root: Path, num_frames: int, side: int) -> None:
    """Write ground truth and results: one clip each of noise."""
    rng = np.random.default_rng(0)
    for name in ('gt', 'results'):
        (root / name / 'clip').mkdir(parents=True)
        for index in range(num_frames):
            image = rng.integers(0, 256, (side, side, 3)).astype(np.uint8)
            cv2.imwrite(str(root / name / 'clip' / f'{index:08d}.png'), image)


def evaluate(root: Path) -> tuple[float, float]:
    """Return the seconds of an evaluation by the clock and of the processor."""
    start, start_cpu = time.perf_counter(), time.process_time()
    results = {'results': ClipReader(root / 'results')}
    journal = root / 'journal.jsonl'
    EvaluationRun(ClipReader(root / 'gt'), results, metrics=('psnr',), num_workers=0, journal=journal).run()
    return time.perf_counter() - start, time.process_time() - start_cpu


def main() -> None:
    """Measure in turn, print medians, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--frames', type=int, default=5000, help='of the shorter clip (default: 5000)')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--side', type=int, default=32, help='of a frame (default: 32)')
    parser.add_argument('--skip-8k', action='store_true', help='leave the memory of 8K frames out')
    parser.add_argument('--json', type=Path, help='file to write the figures to')
    args = parser.parse_args()
    lengths = (args.frames, 2 * args.frames)
    seconds: dict[tuple[int, str], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        roots = {length: Path(folder) / str(length) for length in lengths}
        for length, root in roots.items():
            write_clips(root, length, args.side)
        for _ in range(args.rounds):
            for length, root in roots.items():
                (root / 'journal.jsonl').unlink(missing_ok=True)
                for state in (_EMPTY, _FULL):
                    seconds.setdefault((length, state), []).append(evaluate(root))
    figures: dict[str, float] = {}
    for kind, suffix in enumerate(('', '_cpu')):
        medians = {key: statistics.median(values[kind] for values in found) for key, found in seconds.items()}
        for length in lengths:
            figures[f'frames_{length}{suffix}_s'] = medians[length, _EMPTY]
            figures[f'frames_{length}_full_journal{suffix}_s'] = medians[length, _FULL]
        for state in (_EMPTY, _FULL):
            figures[f'ratio_{state}_journal{suffix}'] = medians[lengths[1], state] / medians[lengths[0], state]
    if not args.skip_8k:
        printed = subprocess.run([sys.executable, '-c', _8K], check=True, capture_output=True, text=True).stdout
        figures['tof_8k_peak_mib'] = float(printed.split()[-1])
    print('\n'.join(f'{name:32}{value:10.2f}' for name, value in figures.items()))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + '\n')


if __name__ == '__main__':
    main()
