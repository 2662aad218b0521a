"""Prepare clips on disk: stores for training, test sets, and the demo's clips. What is there already is kept."""

import json
import os
import shutil
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from basicsr.utils import get_root_logger
from tqdm import tqdm

from dlvr_plugin.clips.clip_store import ClipStore, format_meta_line
from dlvr_plugin.clips.store_writer import StoreWriter, read_warnings
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.files import atomic_folder, write_atomic
from dlvr_plugin.core.images import write_image
from dlvr_plugin.core.workers import load_items
from dlvr_plugin.data.degradations import Degradation
from dlvr_plugin.data.demo_clips import DEMO_CLIPS, load_photograph, render_clip
from dlvr_plugin.data.frame_sources import ClipFrames, SourceEnd, VideoFrames, find_source
from dlvr_plugin.data.processing import Processing


def prepare_store(
    root: Path,
    target: Path,
    *,
    processing: Processing | None = None,
    num_workers: int = 0,
    force: bool = False,
    allow_cut_videos: bool = False,
    **selection: Any,
) -> None:
    """Make a store of clips or videos: an LMDB with its meta files, or a folder of PNG frames.

    It may be killed at any time; called again with the same arguments, it goes on. A store has its name only when it
    is complete.

    Args:
        root: Folder of clip folders, LMDB, folder of video files, or video file.
        target: ``NAME.lmdb`` for an LMDB, any other name for a folder of clip folders.
        processing: What happens to a frame; by default 'raw' for an LMDB, 'png' for a folder, and nothing else.
        num_workers: Worker processes; 0 works in this one.
        force: Replace a finished target, and begin anew what was begun with other arguments.
        allow_cut_videos: Take a video that ends before the frames that its file announces as it is; the store keeps a
            warning.
        **selection: What to take of the root, see ``find_source``.

    Raises:
        FileExistsError: The target exists. DataError: A source that cannot be used; or the target was begun
        otherwise, or is being made. OSError: It cannot be written, or will not fit.
    """
    processing = processing or Processing(codec='raw' if target.suffix == '.lmdb' else 'png')
    if processing.codec == 'raw' and target.suffix != '.lmdb':
        raise InvalidValueError(f'{target}: raw records need an LMDB, a target named NAME.lmdb.')
    source = find_source(root, processing, allow_cut_videos=allow_cut_videos, **selection)
    description = describe_store(root, target, processing, **selection)
    with closing(StoreWriter(target, description, force=force)) as writer:
        writer.keep(source.is_current)
        writer.warnings.update({warning: warning for warning in read_warnings(root)})  # of a store that this is made of
        source.skip(set(writer.records), set(writer.ended))
        _check_space(target, source, len(writer.records))
        _fill(writer, source, num_workers)
        writer.flush()
        left_out = _describe_left_out(writer, selection.get('min_frames', 1))
        if not writer.records:
            raise DataError(f'Nothing of {root} went into {target}.{left_out}')
        writer.finish(source.keys(writer.records))
    get_root_logger().info(f'{target} is complete: {len(writer.records)} frames.')
    if left_out:
        get_root_logger().warning(f'{target} is without some frames.{left_out}')
    for warning in writer.warnings.values():
        get_root_logger().warning(f'{warning}. {target} keeps this as a warning.')


def _describe_left_out(writer: StoreWriter, min_frames: int) -> str:
    """Return which frames of short scenes were left out, and how to keep them; empty where there are none."""
    left_out = {stamp.rsplit(' ', 1)[0]: number for stamp, number in writer.ended.items() if number}
    if not left_out:
        return ''
    listed = ', '.join(f'{number} of {video}' for video, number in list(left_out.items())[:5])
    return (
        f' {sum(left_out.values())} frames of scenes shorter than {min_frames} frames were left out: {listed}'
        f'{", ..." if len(left_out) > 5 else ""}. --min-frames 1 --force keeps them.'
    )


def describe_store(root: Path, target: Path, processing: Processing, **selection: Any) -> dict[str, Any]:
    """Return what tells stores apart that are made in different ways, in JSON's types.

    The source is told as seen from the store, so that both may move together.
    """
    chosen = {key: list(value) if isinstance(value, list | tuple) else value for key, value in selection.items()}
    source = os.path.relpath(root.resolve(), target.resolve().parent)
    made: dict[str, Any] = json.loads(json.dumps(asdict(processing)))
    return {'source': source, **made, **chosen}


def _check_space(target: Path, source: ClipFrames | VideoFrames, num_done: int) -> None:
    """Print the need, and demand that it is met.

    Raises:
        OSError: Too little space.
    """
    needed = source.num_bytes * (1 - num_done / max(source.num_frames, 1))
    free = shutil.disk_usage(target.parent).free
    message = (
        f'{target}: {source.num_frames} frames, about {source.num_bytes / 1e9:.2f} GB'
        + (f', {num_done} of them done' if num_done else '')
        + f'; {free / 1e9:.2f} GB are free.'
    )
    if needed > free and source.may_be_fewer:
        get_root_logger().warning(f'{message} Of videos, all frames are counted, not the chosen scenes alone.')
    elif needed > free:
        raise OSError(f'{message} Make room, choose another disk, or use --codec png.')
    else:
        get_root_logger().info(message)


def _fill(writer: StoreWriter, source: ClipFrames | VideoFrames, num_workers: int) -> None:
    """Write all frames of a source that the store has not."""
    loader = load_items(source, num_workers)
    with tqdm(
        total=source.num_frames, initial=len(writer.records), desc=writer.target.name, unit='frame', smoothing=0.1
    ) as progress:
        try:
            for items in loader:
                for item in items:
                    if isinstance(item, SourceEnd):
                        writer.end_source(item.stamp, item.num_short, item.warning)
                    else:
                        writer.put(item)
                        progress.update()
        except RuntimeError as error:
            if 'DataLoader worker' not in str(error):
                raise
            raise OSError(
                'A worker process was killed, most often for lack of memory. The same command goes on; fewer --jobs '
                'need less.'
            ) from error


def write_clip(folder: Path, frames: Iterable[np.ndarray]) -> None:
    """Write frames (h, w, 3), BGR, uint8, as ``00000000.png`` and so on."""
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames):
        write_image(folder / f'{index:08d}.png', frame)


def make_demo_clips(root: Path, *, num_frames: int = 100, size: tuple[int, int] = (192, 256)) -> None:
    """Make the demo clips in the layout of REDS: ``train_sharp``, ``train_sharp_bicubic/X4`` and meta files.

    Args:
        root: Folder to make.
        num_frames: Frames of a clip; the host's REDS datasets take 100.
        size: Height and width, multiples of 4.

    Raises:
        InvalidValueError: Another size. FileExistsError: The folder exists.
    """
    if size[0] % 4 or size[1] % 4:
        raise InvalidValueError(f'size must be multiples of 4, got {size[0]}x{size[1]}.')
    with atomic_folder(root) as partial:
        for name, (photograph, motion) in tqdm(DEMO_CLIPS.items(), desc='Demo clips', unit='clip'):
            photo = cv2.cvtColor(load_photograph(photograph), cv2.COLOR_RGB2BGR)
            write_clip(partial / 'train_sharp' / name, render_clip(photo, motion, num_frames=num_frames, size=size))
        prepare_store(
            partial / 'train_sharp',
            partial / 'train_sharp_bicubic' / 'X4',
            processing=Processing(codec='png', degradation=Degradation(scale=4)),
        )
        meta_info = partial / 'meta_info_demo_GT.txt'
        make_meta_info(partial / 'train_sharp', meta_info)
        val_line = meta_info.read_text().splitlines(keepends=True)[0]
        (partial / 'meta_info_demo_val_GT.txt').write_text(val_line)


def make_meta_info(root: Path, target: Path) -> None:
    """Write the meta file of a folder of clips, lines ``clip frames (h,w,c)``; the size is that of the first frame.

    Raises:
        DataError: A frame cannot be read. FileExistsError: The target exists.
    """
    store = ClipStore(root, is_lmdb=False)
    if target.exists():
        raise FileExistsError(f'{target} exists already. Remove it, or choose another name.')
    lines = [format_meta_line(name, len(clip.frames), store.read(clip, 0).shape) for name, clip in store.clips.items()]
    write_atomic(target, ''.join(lines).encode())
