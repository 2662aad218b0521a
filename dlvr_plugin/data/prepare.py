"""Prepare clips on disk: demo clips, low-quality frames, LMDBs. What is there already is kept."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from basicsr.utils.lmdb_util import LmdbMaker
from tqdm import tqdm

from dlvr_plugin.data.clip_store import ClipStore
from dlvr_plugin.data.degradations import Degradation, degrade_images
from dlvr_plugin.data.demo_clips import DEMO_CLIPS, load_photograph, render_clip


@contextmanager
def complete_folder(target: Path) -> Iterator[Path]:
    """Yield a folder to fill, which gets its name only when it is complete.

    Raises:
        FileExistsError: The target exists.
    """
    if target.exists():
        raise FileExistsError(f'{target} exists already. Remove it, or choose another name.')
    partial = target.with_name(f'.{target.stem}.partial{target.suffix}')
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    yield partial
    partial.rename(target)


def write_clip(folder: Path, frames: Iterable[np.ndarray]) -> None:
    """Write frames (h, w, 3), BGR, uint8, as ``00000000.png`` and so on."""
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames):
        write_image(folder / f'{index:08d}.png', frame)


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an image (h, w, 3), BGR, uint8.

    Raises:
        OSError: It cannot be written.
    """
    if not cv2.imwrite(str(path), image):
        raise OSError(f'{path} cannot be written.')


def make_demo_clips(root: Path, *, num_frames: int = 100, size: tuple[int, int] = (192, 256)) -> None:
    """Make the demo clips in the layout of REDS: ``train_sharp``, ``train_sharp_bicubic/X4`` and meta files.

    Args:
        root: Folder to make.
        num_frames: Frames of a clip; the host's REDS datasets take 100.
        size: Height and width, multiples of 4.

    Raises:
        ValueError: Another size. FileExistsError: The folder exists.
    """
    if size[0] % 4 or size[1] % 4:
        raise ValueError(f'size must be multiples of 4, got {size[0]}x{size[1]}.')
    with complete_folder(root) as partial:
        for name, (photograph, motion) in tqdm(DEMO_CLIPS.items(), desc='Demo clips', unit='clip'):
            photo = cv2.cvtColor(load_photograph(photograph), cv2.COLOR_RGB2BGR)
            write_clip(partial / 'train_sharp' / name, render_clip(photo, motion, num_frames=num_frames, size=size))
        make_bicubic_lq(partial / 'train_sharp', partial / 'train_sharp_bicubic' / 'X4', scale=4)
        meta_info = partial / 'meta_info_demo_GT.txt'
        make_meta_info(partial / 'train_sharp', meta_info)
        val_line = meta_info.read_text().splitlines(keepends=True)[0]
        (partial / 'meta_info_demo_val_GT.txt').write_text(val_line)


def make_bicubic_lq(gt_root: Path, lq_root: Path, *, scale: int = 4) -> None:
    """Make low-quality PNG frames of all clips below a folder, by MATLAB's bicubic downsampling.

    Frames are cropped at the bottom and right to a multiple of the scale first.

    Raises:
        DataError: A frame cannot be read. FileExistsError: The target exists.
    """
    store = ClipStore(gt_root, is_lmdb=False)
    with complete_folder(lq_root) as partial:
        for clip in tqdm(store.clips.values(), desc=f'Bicubic x{scale}', unit='clip'):
            (partial / clip.name).mkdir(parents=True)
            for index, image in enumerate(store.read_frames(clip)):
                small = degrade_images([image], Degradation(scale=scale))
                write_image(partial / clip.name / f'{clip.frame_name(index)}.png', small)


def make_meta_info(root: Path, target: Path) -> None:
    """Write the meta file of a folder of clips, lines ``clip frames (h,w,c)``; the size is that of the first frame.

    Raises:
        DataError: A frame cannot be read. FileExistsError: The target exists.
    """
    store = ClipStore(root, is_lmdb=False)
    if target.exists():
        raise FileExistsError(f'{target} exists already. Remove it, or choose another name.')
    lines = []
    for clip in store.clips.values():
        height, width, channels = store.read(clip, 0).shape
        lines.append(f'{clip.name} {len(clip.frames)} ({height},{width},{channels})\n')
    partial = target.with_name(f'.{target.name}.partial')
    partial.write_text(''.join(lines))
    partial.rename(target)


def make_lmdb(root: Path, target: Path) -> None:
    """Make an LMDB of PNG records from a folder of clips, as the host's REDS datasets read it.

    Args:
        root: Folder of clip folders.
        target: Folder to make; its name ends with ``.lmdb``.

    Raises:
        DataError: A frame cannot be read. FileExistsError: The target exists. ValueError: Another ending.
    """
    store = ClipStore(root, is_lmdb=False)
    num_frames = sum(len(clip.frames) for clip in store.clips.values())
    largest = max(store.read(clip, 0).nbytes for clip in store.clips.values())
    with complete_folder(target) as partial:
        # Twice the raw size: PNG may exceed it a little, and LMDB works in pages.
        maker = LmdbMaker(str(partial), map_size=2 * num_frames * (largest + 2**16) + 2**24, compress_level=1)
        with tqdm(total=num_frames, desc=target.name, unit='frame') as progress:
            for clip in store.clips.values():
                for index, image in enumerate(store.read_frames(clip)):
                    _, png = cv2.imencode('.png', image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
                    maker.put(png.tobytes(), f'{clip.name}/{clip.frame_name(index)}', image.shape)
                    progress.update()
        maker.close()
