"""Frames a second of ``dlvr restore`` against a plain loop: decode a frame, restore it, encode it, one after the other.

Both have the same reader, writer, network and encoding; the plain loop calls the network as it is. Each run has a
process of its own; rounds alternate between them. What is timed begins when the network is loaded. The peak memory of
``dlvr restore`` is measured on a short and on a long clip of small frames.
"""

import argparse
import contextlib
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch
from arguments import add_measurement, positive
from stock_step import hardware, peak_memory

from dlvr_plugin.cli import restore as command
from dlvr_plugin.cli.main import parse
from dlvr_plugin.clips.video_info import probe_video
from dlvr_plugin.clips.video_stream import read_frames
from dlvr_plugin.clips.video_writer import VideoWriter, choose_encoding
from dlvr_plugin.core.checkpoints import describe_network, write_checkpoint
from dlvr_plugin.core.memory import keep_freed_memory
from dlvr_plugin.restoration.engine import to_image, to_tensor
from dlvr_plugin.restoration.load_model import load_generator

PLAIN, RESTORE = 'plain', 'restore'
NETWORK_G = {
    'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 32, 'num_block': 8, 'upscale': 4,
}  # fmt: skip
SIZE, MEMORY_SIZE, MEMORY_FRAMES = (180, 320), (54, 96), (200, 2000)


def make_clip(path: Path, num_frames: int, size: tuple[int, int]) -> None:
    """Write a video of smooth noise that moves."""
    height, width = size
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.integers(0, 256, (height + 64, width + 64, 3)).astype(np.uint8), (0, 0), 2)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=25, options={'crf': '12'})
        stream.height, stream.width, stream.pix_fmt = height, width, 'yuv420p'
        for index in range(num_frames):
            top, left = (round(32 + 31 * wave(index / 7)) for wave in (np.sin, np.cos))
            image = np.ascontiguousarray(texture[top : top + height, left : left + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format='rgb24')))
        container.mux(stream.encode(None))


def make_checkpoint(path: Path) -> None:
    """Write seeded weights."""
    from basicsr.archs import build_network

    torch.manual_seed(0)
    description = describe_network({'name': 'benchmark', 'scale': 4, 'network_g': NETWORK_G}, 'net_g')
    write_checkpoint(path, {'params': build_network(dict(NETWORK_G)).state_dict(), 'description': description})


def restore_plainly(source: Path, target: Path, checkpoint: Path) -> float:
    """Restore frame by frame, and return the seconds that it took."""
    keep_freed_memory()
    net = load_generator(checkpoint).net
    start = time.perf_counter()
    info = probe_video(source)
    size = info.upright_size[0] * NETWORK_G['upscale'], info.upright_size[1] * NETWORK_G['upscale']
    writer = VideoWriter(target, info, size=size, encoding=choose_encoding(info, size=size))
    for frame in read_frames(source):
        with torch.no_grad():
            restored = net(to_tensor(frame.rgb))
        writer.write(to_image(restored), frame.pts, frame.duration)
    writer.close()
    return time.perf_counter() - start


def restore_by_command(source: Path, target: Path, checkpoint: Path) -> float:
    """Restore as the command does, and return the seconds that it took."""
    args = parse(['restore', str(source), '--out', str(target), '--model', str(checkpoint), '--devices', 'cpu'])
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        command.run(args)
    return time.perf_counter() - start


def measure(way: str, source: Path, target: Path, checkpoint: Path, threads: int) -> dict[str, Any]:
    """Restore in a process of its own, and return ``seconds`` and ``memory`` in MiB."""
    target.unlink(missing_ok=True)
    words = [way, source, target, checkpoint, threads]
    done = subprocess.run(
        [sys.executable, __file__, '--one', *map(str, words)], check=True, stdout=subprocess.PIPE, text=True
    )
    if not target.exists():
        raise SystemExit(f'{way} wrote no {target.name}.')
    return json.loads(done.stdout.splitlines()[-1])


def run_one(way: str, *words: str) -> None:
    """Be the process of a run."""
    source, target, checkpoint = map(Path, words[:3])
    torch.set_num_threads(int(words[3]))
    work = restore_plainly if way == PLAIN else restore_by_command
    seconds = work(source, target, checkpoint)
    sys.stdout.write(json.dumps({'seconds': seconds, 'memory': peak_memory('cpu')}) + '\n')


def main() -> None:
    """Measure, print a table, and write the figures."""
    if sys.argv[1:2] == ['--one']:
        run_one(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--frames', type=positive, default=200, help='of the clip that is timed (default: 200)')
    add_measurement(parser, rounds=5)
    args = parser.parse_args()
    if args.device != 'cpu':
        parser.error('--device: what is measured here is a CPU.')
    targets = {PLAIN: 'plain.nut', RESTORE: 'restored.mp4'}
    seconds: dict[str, list[float]] = {PLAIN: [], RESTORE: []}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        checkpoint, clip = root / 'net_g.pth', root / 'clip.mp4'
        make_checkpoint(checkpoint)
        make_clip(clip, args.frames, SIZE)
        for index in range(args.rounds):
            for way in (PLAIN, RESTORE) if index % 2 == 0 else (RESTORE, PLAIN):
                found = measure(way, clip, root / targets[way], checkpoint, args.threads)
                seconds[way].append(found['seconds'])
        memory = {}
        for num_frames in MEMORY_FRAMES:
            make_clip(clip, num_frames, MEMORY_SIZE)
            memory[num_frames] = measure(RESTORE, clip, root / 'long.mp4', checkpoint, args.threads)['memory']
    fps = {way: args.frames / statistics.median(each) for way, each in seconds.items()}
    ratios = [plain / ours for plain, ours in zip(seconds[PLAIN], seconds[RESTORE], strict=True)]
    ratio = statistics.median(ratios)
    print(
        f'{hardware("cpu")}, {args.threads} threads, {args.rounds} rounds, {args.frames} frames of {SIZE[1]}x{SIZE[0]}'
    )
    print(f'dlvr restore  {fps[RESTORE]:6.2f} frames a second')
    print(f'plain loop    {fps[PLAIN]:6.2f} frames a second')
    print(f'ratio         {ratio:6.2f} (of a round: {min(ratios):.2f} to {max(ratios):.2f})')
    for num_frames, mib in memory.items():
        print(f'peak memory of {num_frames} frames of {MEMORY_SIZE[1]}x{MEMORY_SIZE[0]}: {mib:.0f} MiB')
    if args.json:
        figures = {'ratio': ratio, 'ratios': ratios, 'fps_restore': fps[RESTORE], 'fps_plain': fps[PLAIN]}
        figures.update({f'peak_mib_{num_frames}': mib for num_frames, mib in memory.items()})
        args.json.write_text(json.dumps(figures, indent=2) + '\n')


if __name__ == '__main__':
    main()
