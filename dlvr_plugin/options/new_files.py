"""Option files to start from: pretraining, the discriminative space and a test, for clips of one's own."""

import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

from dlvr_plugin.clips.clip_store import ClipStore
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.files import write_atomic

_TEMPLATES = files('dlvr_plugin.options') / 'templates'
FILES = ('1_pretrain.yml', '2_discriminative_space.yml', '3_test.yml')
_LARGEST_CROP = 128  # the paper's
_STEP = 16  # of sizes of ground truth that EDVR takes, with scale 4 as with scale 1


def write_new_files(
    folder: Path, gt: Path, lq: Path | None = None, *, name: str, scale: int = 4, val_clips: Sequence[str] = ()
) -> list[Path]:
    """Write a trio of commented option files.

    Args:
        folder: Where to; it is made.
        gt: Ground truth, a folder of clip folders.
        lq: Low-quality frames of the same names; None for what ``dlvr data prepare`` makes beside ``gt``.
        name: What the names of the three runs begin with.
        scale: Factor between the two, 4, or 1 for deblurring.
        val_clips: Clips kept for validation; by default the last one.

    Returns:
        The option files, in the order of the steps.

    Raises:
        InvalidValueError: A name that cannot be one. DataError: clips that cannot be used, or clips that are not there.
        FileExistsError: One of the files exists.
    """
    if not re.fullmatch(r'\w[\w.-]*', name):
        raise InvalidValueError(f'The name {name!r} is that of a folder: use letters, digits, dots, - and _.')
    store = _open(gt)
    lq_store = _open(lq or _find_lq(gt, scale))
    chosen = _choose(store, val_clips)
    sizes = {clip: store.read(store.clips[clip], 0).shape for clip in store.clips}
    values = {
        'folder': folder.as_posix(),
        'name': name,
        'scale': str(scale),
        'gt': json.dumps(gt.as_posix()),  # in quotes, whatever is in it
        'lq': json.dumps(lq_store.root.as_posix()),
        'val_clips': json.dumps(chosen if len(store.clips) > len(chosen) else []),
        'chosen': json.dumps(chosen),
        'gt_size': str(_crop_of([min(size[:2]) for size in sizes.values()])),
        'hr_in': str(scale == 1).lower(),
        'padding': 'replicate' if scale == 1 else 'reflection_circle',
    }
    texts = {folder / file: Template((_TEMPLATES / file).read_text('utf-8')).substitute(values) for file in FILES}
    for path in texts:
        if path.exists():
            raise FileExistsError(f'{path} exists already. Choose another folder.')
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        write_atomic(path, text.encode())
    return [folder / file for file in FILES]


def _find_lq(gt: Path, scale: int) -> Path:
    kind = 'motion_blur' if scale == 1 else 'BI'
    lq = gt.with_name(f'{gt.name}_{kind}' + (f'x{scale}' if scale > 1 else ''))
    if not lq.is_dir():
        raise DataError(
            f'There are no low-quality frames: {lq} does not exist. Name their folder by --lq, or make both with '
            f'dlvr data prepare SOURCE {gt}_prepared --degradation {kind} --scale {scale}, and give --gt '
            f'{gt}_prepared.'
        )
    return lq


def _open(root: Path) -> ClipStore:
    store = ClipStore(root)
    if store.is_lmdb:
        raise DataError(
            f'{root} is an LMDB, and the files read folders of frames. Give the folder; an LMDB can be set afterwards.'
        )
    return store


def _choose(store: ClipStore, val_clips: Sequence[str]) -> list[str]:
    unknown = [clip for clip in val_clips if clip not in store.clips]
    if unknown:
        raise DataError(f'{store.root} has no clip {unknown[0]}. It has: {", ".join(list(store.clips)[:20])}.')
    return list(val_clips) or list(store.clips)[-1:]


def _crop_of(sides: list[int]) -> int:
    crop = min(min(sides), _LARGEST_CROP) // _STEP * _STEP
    if crop < 2 * _STEP:
        raise DataError(f'Frames must have sides of {2 * _STEP} pixels and more, the smallest has {min(sides)}.')
    return crop
