"""Time and memory of ``dlvr data prepare`` on 720p frames, with one and two processes, and with five times the frames.

Frames are made by enlarging real clips. Memory is the sum over all processes of what is theirs alone, at its peak, as
/proc says; pages of files in memory are given apart, since the system takes them back when it needs to.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def make_frames(folder: Path, source: Path, num_frames: int) -> None:
    """Make 720p PNG frames in clips of 100."""
    import cv2

    import dlvr_plugin  # noqa: F401
    from dlvr_plugin.clips.clip_store import ClipStore
    from dlvr_plugin.data.prepare import write_clip

    store = ClipStore(source)
    for number, clip in enumerate(list(store.clips.values())[: num_frames // 100]):
        if (folder / f'{number:03d}').exists():
            continue
        images = [cv2.resize(image, (1280, 720), interpolation=cv2.INTER_CUBIC) for image in store.read_frames(clip)]
        write_clip(folder / f'{number:03d}', (images[index % len(images)] for index in range(100)))


def memory_of(pid: int) -> tuple[int, int]:
    """Return bytes of a process and its children: their own, and those of files in memory."""
    own = mapped = 0
    for process in [pid, *children_of(pid)]:
        try:
            lines = Path(f'/proc/{process}/smaps_rollup').read_text().splitlines()
        except (OSError, ProcessLookupError):
            continue  # it ended meanwhile
        sizes = {line.split(':')[0]: int(line.split()[1]) * 1024 for line in lines[1:] if line.endswith('kB')}
        own += sizes.get('Pss_Anon', 0) + sizes.get('Pss_Shmem', 0)
        mapped += sizes.get('Pss_File', 0)
    return own, mapped


def children_of(pid: int) -> list[int]:
    """Return the processes below one."""
    try:
        children = [int(child) for child in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]
    except OSError:
        return []
    return [process for child in children for process in [child, *children_of(child)]]


def run(arguments: Sequence[str]) -> dict[str, float]:
    """Run the command, and return its time and its memory at the peak."""
    start, own, mapped = time.perf_counter(), 0, 0
    command = [sys.executable, '-m', 'dlvr_plugin.cli', 'data', 'prepare', *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while process.poll() is None:
        now = memory_of(process.pid)
        own, mapped = max(own, now[0]), max(mapped, now[1])
        time.sleep(0.05)
    if process.returncode:
        raise RuntimeError(process.stderr.read() if process.stderr else '')
    return {'seconds': time.perf_counter() - start, 'memory': own / 1e6, 'memory_of_files': mapped / 1e6}


def main() -> None:
    """Measure, print a table, and write the figures."""
    root = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--source', type=Path, default=root.parent / 'shared/data/mini/GT', help='folder of real clips')
    parser.add_argument('--data', type=Path, default=root / 'datasets/benchmark_prepare', help='where frames are kept')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--json', type=Path, help='file to write the figures to')
    args = parser.parse_args()
    if not args.source.is_dir():
        parser.error(f'{args.source} is not here; --source takes a folder of clips.')
    for num_frames in (200, 1000):
        make_frames(args.data / str(num_frames), args.source, num_frames)
    rows: list[dict[str, Any]] = []
    for num_frames, jobs, flags in [
        (200, 1, ['--codec', 'raw']),
        (200, 2, ['--codec', 'raw']),
        (1000, 2, ['--codec', 'raw']),
        (200, 1, ['--codec', 'png', '--degradation', 'BI']),
        (200, 2, ['--codec', 'png', '--degradation', 'BI']),
    ]:
        runs = []
        for _ in range(args.rounds):
            for target in args.data.glob('target*'):
                shutil.rmtree(target)
            runs.append(
                run([str(args.data / str(num_frames)), str(args.data / 'target.lmdb'), '--jobs', str(jobs), *flags])
            )
        row = {key: statistics.median(result[key] for result in runs) for key in runs[0]}
        rows.append({'frames': num_frames, 'processes': jobs, 'flags': ' '.join(flags), **row})
    print(f'{"frames":>6} {"processes":>9} {"flags":32} {"seconds":>8} {"memory, MB":>11} {"files in memory, MB":>20}')
    for row in rows:
        print(
            f'{row["frames"]:6} {row["processes"]:9} {row["flags"]:32} {row["seconds"]:8.1f} {row["memory"]:11.0f} '
            f'{row["memory_of_files"]:20.0f}'
        )
    growth = rows[2]['memory'] / rows[1]['memory']
    print(f'memory with 1000 frames against 200: {growth:.2f}')
    for target in args.data.glob('target*'):
        shutil.rmtree(target)
    if args.json:
        args.json.write_text(
            json.dumps({'memory_growth': growth, 'rounds': args.rounds, 'rows': rows}, indent=2) + '\n'
        )


if __name__ == '__main__':
    main()
