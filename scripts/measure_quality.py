"""Compare restored clips with their ground truth, and with bicubic upsampling: PSNR and SSIM by the paper's protocol.

A result is a folder of clip folders with one picture a frame, as the test command writes it.
"""

import argparse
from pathlib import Path

import dlvr_plugin  # noqa: F401  makes the host importable

# isort: split
import numpy as np
from basicsr.utils.matlab_functions import imresize
from tqdm import tqdm

from dlvr_plugin.data.clip_store import ClipStore
from dlvr_plugin.metrics import ClipQuality, measure_clip


def read_clip(store: ClipStore, name: str) -> list[np.ndarray]:
    """Read all frames of a clip."""
    return list(store.read_frames(store.clips[name]))


def upsample(image: np.ndarray, scale: int) -> np.ndarray:
    """Upsample by the host's bicubic ``imresize``, uint8 to uint8."""
    return (imresize(image / 255.0, scale).clip(0, 1) * 255).round().astype(np.uint8)


def compare(gt_root: Path, lq_root: Path, results: dict[str, Path]) -> dict[str, dict[str, ClipQuality]]:
    """Measure bicubic upsampling and every result, by name and clip; the clips are those of the results."""
    gt_store, lq_store = ClipStore(gt_root, is_lmdb=False), ClipStore(lq_root, is_lmdb=False)
    stores = {name: ClipStore(root, is_lmdb=False) for name, root in results.items()}
    clips = sorted(next(iter(stores.values())).clips)
    quality: dict[str, dict[str, ClipQuality]] = {name: {} for name in ('bicubic', *results)}
    for clip in tqdm(clips, desc='Measuring', unit='clip'):
        truth, lq = read_clip(gt_store, clip), read_clip(lq_store, clip)
        scale = truth[0].shape[0] // lq[0].shape[0]
        quality['bicubic'][clip] = measure_clip([upsample(image, scale) for image in lq], truth)
        for name, store in stores.items():
            quality[name][clip] = measure_clip(read_clip(store, clip), truth)
    return quality


def format_table(quality: dict[str, dict[str, ClipQuality]]) -> str:
    """Return a table of methods by clips, PSNR in dB and SSIM, with the mean over clips."""
    clips = list(next(iter(quality.values())))
    rows = [''.join([f'{"":24}', *(f'{clip:>18}' for clip in clips), f'{"mean":>18}'])]
    for name, by_clip in quality.items():
        mean = ClipQuality(*np.mean(list(by_clip.values()), axis=0))
        cells = [f'{item.psnr:8.2f} dB {item.ssim:6.4f}' for item in (*by_clip.values(), mean)]
        rows.append(''.join([f'{name:24}', *cells]))
    return '\n'.join(rows)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--gt', type=Path, required=True, help='folder of ground-truth clips')
    parser.add_argument('--lq', type=Path, required=True, help='folder of low-quality clips')
    parser.add_argument('--results', nargs='+', required=True, metavar='NAME=DIR', help='folders of restored clips')
    args = parser.parse_args()
    print(format_table(compare(args.gt, args.lq, {k: Path(v) for k, v in (item.split('=') for item in args.results)})))
