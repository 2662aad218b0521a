"""One video from its frames to its result: planned, restored in segments, and put together."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.folder_lock import FolderLock
from dlvr_plugin.restoration.background import done_behind, made_ahead
from dlvr_plugin.restoration.engine import Engine, resize, to_image
from dlvr_plugin.restoration.frame_sources import FrameSource, TimedImage
from dlvr_plugin.restoration.restore_journal import Plan, RestoreJournal
from dlvr_plugin.restoration.results import Results
from dlvr_plugin.restoration.scene_cuts import parts_of
from dlvr_plugin.restoration.scene_parts import SavedState, ScenePart, SceneRestorer
from dlvr_plugin.restoration.segments import Segment

_READ_AHEAD, _WAITING = 8, 4  # frames in queues before and after the network


class _Restored(NamedTuple):
    segment: Segment
    number: int
    image: np.ndarray


class _SegmentEnd(NamedTuple):
    segment: Segment
    state: SavedState | None


def restore_segments(
    source: FrameSource,
    plan: Plan,
    segments: Sequence[Segment],
    *,
    engine: Engine,
    journal: RestoreJournal,
    results: Results,
    on_frame: Callable[[int], None],
) -> None:
    """Restore segments that are not finished yet; frames are decoded and encoded beside.

    Args:
        source: The frames.
        plan: The plan of the whole.
        segments: Those to restore: whole chains, in order.
        engine: What restores.
        journal: Where it is kept what is done.
        results: What writes frames.
        on_frame: Called with the number of frames that were finished before, and 1 for each that is written.

    Raises:
        DataError: A frame cannot be read. InUseError: Another process works on one of the segments. OSError: A file
        cannot be written.
    """
    todo = [segment for segment in segments if not journal.is_done(segment)]
    todo_frames = sum(each.stop - each.start for each in todo)
    on_frame(sum(each.stop - each.start for each in segments) - todo_frames)
    restorer = engine.restorer(plan.size)
    writer = _Writer(plan, journal, results, on_frame)
    images = _images(source, plan, [part for each in todo for part in parts_of(plan.scenes, each.start, each.stop)],
                     restorer)  # fmt: skip
    lock: FolderLock | None = None
    last: Segment | None = None
    try:
        with results, made_ahead(images, _READ_AHEAD) as frames, done_behind(writer, _WAITING) as put:
            for segment in todo:
                if last is None or last.chain != segment.chain:
                    lock = _lock_chain(lock, journal, segment)
                if _goes_on(plan, segment) and last != plan.segments[segment.number - 1]:
                    restorer.load_state(journal.read_state(segment))
                for restored in _restore(engine, restorer, plan, segment, frames, results.size, results.bits):
                    put(restored)
                is_followed = segment.number + 1 < len(plan.segments) and _goes_on(
                    plan, plan.segments[segment.number + 1]
                )
                put(_SegmentEnd(segment, restorer.save_state() if is_followed else None))
                last = segment
    finally:
        if lock is not None:
            lock.release()


def _goes_on(plan: Plan, segment: Segment) -> bool:
    """Tell whether a segment needs the state of the one before."""
    return segment.number > 0 and plan.segments[segment.number - 1].chain == segment.chain


def _lock_chain(lock: FolderLock | None, journal: RestoreJournal, segment: Segment) -> FolderLock:
    if lock is not None:
        lock.release()
    lock = FolderLock(
        journal.folder / f'{segment.chain:06d}.lock',
        journal.folder,
        'Wait until it ends, or share the work by --share.',
    )
    lock.acquire()
    return lock


def _images(
    source: FrameSource, plan: Plan, parts: Sequence[ScenePart], restorer: SceneRestorer
) -> Iterator[np.ndarray]:
    """Read the frames that parts need, one part after the other; what follows on is read on."""
    position = -1
    frames: Iterator[TimedImage] = iter(())
    for part in parts:
        needed = restorer.needed(part)
        if needed.start != position:
            frames = source.read(plan.times[needed.start])
        for index in needed:
            frame = next(frames, None)
            if frame is None or frame.pts != plan.times[index]:
                raise DataError(f'{source.path} has changed since its restoration began: frame {index} is another one.')
            yield frame.image
        position = needed.stop


def _restore(
    engine: Engine,
    restorer: SceneRestorer,
    plan: Plan,
    segment: Segment,
    frames: Iterator[np.ndarray],
    size: tuple[int, int],
    bits: int,
) -> Iterator[_Restored]:
    for part in parts_of(plan.scenes, segment.start, segment.stop):
        own = islice(frames, len(restorer.needed(part)))
        for index, restored in enumerate(engine.restore(restorer, own, part), start=part.start):
            yield _Restored(segment, index, to_image(resize(restored, size), 8 if bits == 8 else 16))
        deque(own, maxlen=0)  # which the padding did not ask for


class _Writer:
    """Writes what comes out of the network, in a thread of its own."""

    def __init__(self, plan: Plan, journal: RestoreJournal, results: Results, on_frame: Callable[[int], None]) -> None:
        self._plan, self._journal, self._results, self._on_frame = plan, journal, results, on_frame

    def __call__(self, item: _Restored | _SegmentEnd) -> None:
        if isinstance(item, _Restored):
            self._results.write(item.segment, item.number, item.image)
            self._on_frame(1)
            return
        self._results.end_segment(item.segment)
        if item.state is not None:
            self._journal.write_state(item.segment, item.state)
        self._journal.mark_done(item.segment)
        if _goes_on(self._plan, item.segment):
            self._journal.drop_state(item.segment)
