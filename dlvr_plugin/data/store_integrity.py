"""Check stores, and pairs of them, for all that would end or spoil a training run."""

import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Literal

import lmdb
import numpy as np
from lmdb.verify import VerifyError, verify
from torch.utils.data import Dataset
from tqdm import tqdm

from dlvr_plugin.clips.clip_store import Clip, ClipStore, check_pair, find_png_loss, missing_frames, read_records
from dlvr_plugin.clips.raw_records import RawRecord
from dlvr_plugin.clips.store_writer import read_warnings
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.regular_files import check_regular
from dlvr_plugin.core.workers import load_items
from dlvr_plugin.data.alignment import PatchAlignment, align_frames

Level = Literal['error', 'warning', 'note']


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        level: 'error' ends or spoils a run, 'warning' may be meant, 'note' is worth knowing.
        where: Store, clip or frame.
        what: What is the matter.
        clip: Name of the clip that it concerns, None for a whole store.
    """

    level: Level
    where: str
    what: str
    clip: str | None = None


@dataclass
class StoreReport:
    """What a check of one store found.

    Attributes:
        root: The store.
        store: Its clips, None where it cannot be opened.
        findings: What the check found.
        digests: Checksum of each frame's pixels, by clip.
    """

    root: Path
    store: ClipStore | None = None
    findings: list[Finding] = field(default_factory=list)
    digests: dict[str, list[int | None]] = field(default_factory=dict)

    def add(self, level: Level, what: str, clip: str | None = None, *, part: str | None = None) -> None:
        """Add a finding: of the whole store, of a clip, or of a part of either, which is named."""
        place = ', '.join(each for each in (f'clip {clip}' if clip else None, part) if each)
        self.findings.append(Finding(level, f'{self.root}: {place}' if place else str(self.root), what, clip))


def check_store(root: Path, *, num_workers: int = 0) -> StoreReport:
    """Check one store: structure, meta files, and every frame.

    Args:
        root: Folder of clip folders, or LMDB.
        num_workers: Worker processes that decode; 0 decodes in this one.
    """
    report = StoreReport(root)
    if (root / 'data.mdb').exists():
        # Before the library that reads LMDBs touches the file: a damaged one can kill the process.
        for problem in _verify_lmdb(root):
            report.add('error', problem, part='data.mdb')
        if report.findings:
            return report
    try:
        report.store = ClipStore(root)
    except DataError as error:
        report.add('error', str(error))
        return report
    for warning in read_warnings(root):
        report.add('warning', f'was made with --allow-cut-videos: {warning}')
    _check_keys(report)
    _check_frames(report, num_workers)
    _check_repeated(report)
    _hint_at_cache(report)
    return report


def _verify_lmdb(root: Path) -> list[str]:
    try:
        check_regular(root / 'data.mdb')
        problems = verify(str(root))
    except DataError as error:
        return [str(error)]
    except (VerifyError, OSError) as error:
        return [f'cannot be read: {error}']
    return [f'is damaged: {problem}' for problem in problems[:3]]


def _check_keys(report: StoreReport) -> None:
    """Compare the records with the meta file, and look for gaps in numbering."""
    store = report.store
    assert store is not None
    for clip in store.clips.values():
        if missing := missing_frames(clip):
            report.add('error', f'has a gap: {", ".join(missing[:5])} missing', clip.name)
    if not store.is_lmdb:
        return
    known = {frame for clip in store.clips.values() for frame in clip.frames}
    with lmdb.open(str(store.root), readonly=True, lock=False) as env, env.begin() as transaction:
        keys = {key.decode(errors='replace') for key in transaction.cursor().iternext(values=False)}
    if unlisted := sorted(keys - known):
        report.add('warning', f'{len(unlisted)} records are not in meta_info.txt', part=f'key {unlisted[0]}')


@dataclass(frozen=True)
class _FrameReport:
    clip: str
    index: int
    digest: int | None = None
    size: tuple[int, int] | None = None
    problem: str | None = None
    loss: str | None = None


class _FrameChecks(Dataset[_FrameReport]):
    """Decodes frame after frame."""

    def __init__(self, store: ClipStore) -> None:
        self.store = store
        self.frames = [(clip, index) for clip in store.clips.values() for index in range(len(clip.frames))]
        self.checksums = {record.key: record.checksum for record in read_records(store.root)} if store.is_lmdb else {}

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> _FrameReport:
        clip, frame = self.frames[index]
        try:
            content = self.store.read_bytes(clip, frame)
            image = self.store.decode(content, clip, frame)
        except DataError as error:
            return _FrameReport(clip.name, frame, problem=str(error))
        digest, problem = zlib.crc32(image.tobytes()), None
        if isinstance(content, RawRecord):
            expected = self.checksums.get(clip.frames[frame])
            if expected and f'{zlib.crc32(content.content):08x}' != expected:
                problem = f'{self.store.where(clip, frame)} has changed since it was written: its checksum differs'
        elif content[:4] == b'\x89PNG' and (damage := find_png_damage(content)):
            problem = f'{self.store.where(clip, frame)} {damage}'
        return _FrameReport(clip.name, frame, digest, image.shape[:2], problem, find_png_loss(content))


def find_png_damage(content: bytes) -> str | None:
    """Return what is wrong with the chunks of a PNG, which carry checksums, None for nothing."""
    position = 8  # after the signature
    while position + 12 <= len(content):
        length = int.from_bytes(content[position : position + 4], 'big')
        checksum = content[position + 8 + length : position + 12 + length]
        if zlib.crc32(content[position + 4 : position + 8 + length]).to_bytes(4, 'big') != checksum:
            return f'is damaged: the checksum of its part at byte {position} differs'
        if content[position + 4 : position + 8] == b'IEND':
            return None
        position += 12 + length
    return 'is cut off'


def _check_frames(report: StoreReport, num_workers: int) -> None:
    store = report.store
    assert store is not None
    report.digests = {name: [None] * len(clip.frames) for name, clip in store.clips.items()}
    frames = _FrameChecks(store)
    losses: dict[str, tuple[str, int]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    loader = load_items(frames, num_workers)
    for frame in tqdm(loader, desc=store.root.name, unit='frame', total=len(frames)):
        report.digests[frame.clip][frame.index] = frame.digest
        if frame.size is not None and frame.size != sizes.setdefault(frame.clip, frame.size):
            problem = f'is {frame.size} (h, w), the frames before it are {sizes[frame.clip]}'
            report.add('error', problem, frame.clip, part=f'frame {frame.index}')
        if frame.problem:
            report.add('error', frame.problem, frame.clip, part=f'frame {frame.index}')
        if frame.loss:
            losses[frame.clip] = (frame.loss, losses.get(frame.clip, ('', 0))[1] + 1)
    for clip, (loss, number) in losses.items():
        report.add('warning', f'{number} frames: PNG {loss}, which training drops', clip)


def _check_repeated(report: StoreReport) -> None:
    """Look for frames that stand still, and for clips that hold the same frame."""
    seen: dict[int, str] = {}
    for name, digests in report.digests.items():
        position = 0
        for digest, run in groupby(digests):
            length = len(list(run))
            if digest is not None and length > 1:
                report.add('warning', f'frames {position} to {position + length - 1} are identical', name)
            position += length
        twins = sorted({seen[digest] for digest in digests if digest is not None and digest in seen})
        if twins:
            report.add('warning', f'holds frames of clip {twins[0]}, too', name)
        seen.update({digest: name for digest in digests if digest is not None})


def _hint_at_cache(report: StoreReport) -> None:
    store = report.store
    assert store is not None
    if not store.is_lmdb:
        report.add('note', 'single files: an LMDB of raw records (dlvr data prepare) reads faster')
        return
    num_bytes = (store.root / 'data.mdb').stat().st_size
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') if hasattr(os, 'sysconf') else None
    if memory and num_bytes > 0.8 * memory:
        what = f'{num_bytes / 1e9:.1f} GB against {memory / 1e9:.1f} GB of memory: reads come from disk, use an SSD'
        report.add('note', what)
    if any(record.suffix == 'png' for record in read_records(store.root)):
        report.add('note', 'PNG records: each sample decodes whole frames; raw records need no decoding')


def check_meta_info(info: Mapping[str, tuple[int, tuple[int, int]]], store: ClipStore, path: str) -> Iterator[Finding]:
    """Compare the clips of a meta file, as ``read_meta_info`` gives them, with a store."""
    for name, (num_frames, size) in info.items():
        clip = store.clips.get(name)
        if clip is None:
            yield Finding('error', path, f'names clip {name}, which {store.root} does not hold', name)
        elif len(clip.frames) != num_frames:
            yield Finding('error', path, f'clip {name} has {len(clip.frames)} frames, not {num_frames}', name)
        elif (found := _size_of(store, clip)) not in (None, size):
            yield Finding('error', path, f'clip {name} is {found} (h, w), not {size}', name)


def _size_of(store: ClipStore, clip: Clip) -> tuple[int, int] | None:
    """Return the size of a clip's first frame, None where it cannot be read, which is found elsewhere."""
    try:
        height, width = store.read(clip, 0).shape[:2]
    except DataError:
        return None
    return height, width


def check_pairs(gt_store: ClipStore, lq_store: ClipStore, scale: int | None) -> Iterator[Finding]:
    """Compare low-quality clips with their ground truth: names, lengths, sizes, and what they show where.

    Args:
        gt_store: Ground truth.
        lq_store: Low-quality clips.
        scale: Factor between the two; None takes that of the first clip's sizes.
    """
    for name in sorted({**gt_store.clips, **lq_store.clips}):
        where = f'{lq_store.root}: clip {name}'
        try:
            check_pair(gt_store, lq_store, name)
        except DataError as error:
            yield Finding('error', where, str(error), name)
            continue
        gt_clip, lq_clip = gt_store.clips[name], lq_store.clips[name]
        gt_size, lq_size = _size_of(gt_store, gt_clip), _size_of(lq_store, lq_clip)
        if gt_size is None or lq_size is None:
            continue
        scale = scale or max(round(gt_size[0] / lq_size[0]), 1)
        if tuple(side // scale for side in gt_size) != lq_size:
            what = f'LQ frames are {lq_size} (h, w), GT frames {gt_size}, which is not {scale} times as much'
            yield Finding('error', where, what, name)
            continue
        for index in sorted({0, len(gt_clip.frames) // 2}):
            yield from _check_alignment(gt_store, lq_store, name, index, scale)


def _check_alignment(gt_store: ClipStore, lq_store: ClipStore, name: str, index: int, scale: int) -> Iterator[Finding]:
    try:
        gt, lq = gt_store.read(gt_store.clips[name], index), lq_store.read(lq_store.clips[name], index)
    except DataError:
        return
    patches = align_frames(gt, lq, scale)
    if patches and (what := describe_misalignment(patches)):
        yield Finding('error', f'{lq_store.root}: clip {name}, frame {index}', what, name)


def describe_misalignment(patches: list[PatchAlignment]) -> str | None:
    """Say in words what is wrong with how a low-quality frame lies on its ground truth, None for nothing."""
    offsets = sorted({patch.offset for patch in patches})
    mean_psnr = float(np.mean([patch.psnr for patch in patches]))
    if not any(patch.shows_the_same for patch in patches):
        return f'LQ shows something else than GT ({mean_psnr:.1f} dB): another clip, frame, part or scale'
    if len(offsets) == 1 and offsets[0] != (0, 0):
        return f'LQ is shifted against GT by {offsets[0]} ground-truth pixels (down, right)'
    if np.ptp(np.array(offsets), axis=0).max() > 1:
        return f'parts of LQ are shifted differently, {" ".join(map(str, offsets))}: another scale, or another frame'
    return None
