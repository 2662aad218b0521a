"""Upsample low-quality clips by the framework's bicubic ``imresize``, the baseline of every comparison."""

import argparse
from pathlib import Path

import dlvr_plugin  # noqa: F401  makes the framework importable

# isort: split
import numpy as np
from basicsr.utils.matlab_functions import imresize
from tqdm import tqdm

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.core.images import write_image


def main() -> None:
    """Write a PNG for each frame, in a folder for each clip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', type=Path, help='low-quality clips: folders of frames, LMDB or videos')
    parser.add_argument('target', type=Path, help='folder to write to')
    parser.add_argument('--scale', type=int, default=4, metavar='N', help='(default: 4)')
    parser.add_argument('--clips', nargs='+', metavar='CLIP', help='clips to take (default: all)')
    args = parser.parse_args()
    source = ClipReader(args.source)
    for clip in args.clips or source.names:
        folder = args.target / clip
        folder.mkdir(parents=True, exist_ok=True)
        names = source.frame_names(clip) or [f'{index:08d}' for index in range(source.num_frames(clip))]
        frames = tqdm(source.read_frames(clip), desc=clip, total=len(names), unit='frame', disable=None)
        for name, frame in zip(names, frames, strict=True):
            larger = imresize(frame / 255.0, args.scale)
            write_image(folder / f'{name}.png', (larger.clip(0, 1) * 255).round().astype(np.uint8))


if __name__ == '__main__':
    main()
