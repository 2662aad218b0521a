"""Restore one video as a command asks for it: plan or go on, do the work, make the result, and sum up."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal

import torch
from basicsr.utils import get_root_logger
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from dlvr_plugin.core.errors import InUseError, UserError
from dlvr_plugin.core.files import make_folder, remove
from dlvr_plugin.core.folder_lock import FolderLock
from dlvr_plugin.core.memory import peak_memory
from dlvr_plugin.core.regular_files import hash_open, open_regular
from dlvr_plugin.restoration.engine import Engine, EngineOptions
from dlvr_plugin.restoration.frame_sources import FrameSource
from dlvr_plugin.restoration.measured_limits import choose_tiles, measure_chunks
from dlvr_plugin.restoration.planning import Position, scan_video
from dlvr_plugin.restoration.restore_journal import Plan, RestoreJournal
from dlvr_plugin.restoration.results import Results, Targets, check_targets
from dlvr_plugin.restoration.segments import plan_segments
from dlvr_plugin.restoration.video_segments import VideoOptions, VideoSegments
from dlvr_plugin.restoration.workers import Model, SharedWork, work_here, work_in_processes

_WAIT_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class RestoreOptions:
    """What the result of a restoration depends on, beside input and network.

    Attributes:
        engine: How the network is run.
        tile: Side of a tile in low-quality pixels, 0 for none, None for what the memory allows.
        tile_overlap: Pixels beyond a seam, None for what the network needs.
        start: First frame, None for that of the video.
        end: Frame after the last one, None for all.
        scene_threshold: As for ``find_scenes``.
        outscale: Factor between the sizes of result and input, None for the network's.
        frame_bits: 8 or 16, of frames that are written as images.
        segment_frames: Frames of a segment.
        video: How videos are encoded.
    """

    engine: EngineOptions = field(default_factory=EngineOptions)
    tile: int | None = None
    tile_overlap: int | None = None
    start: Position | None = None
    end: Position | None = None
    scene_threshold: float = 27.0
    outscale: float | None = None
    frame_bits: Literal[8, 16] = 8
    segment_frames: int = 100
    video: VideoOptions = field(default_factory=VideoOptions)


@dataclass(frozen=True, kw_only=True)
class VideoRestoration:
    """A video to restore.

    Attributes:
        source: It.
        targets: Where results go.
        options: How.
        replaces: Whether results that exist are replaced, and work that was begun is thrown away.
    """

    source: FrameSource
    targets: Targets
    options: RestoreOptions
    replaces: bool = False


def restore_video(job: VideoRestoration, model: Model, *, devices: Sequence[str], share: tuple[int, int]) -> str:
    """Restore a video, or a share of it, or go on with it.

    Args:
        job: The video.
        model: The network.
        devices: A process works on each.
        share: Number of the share, from 0, and how many there are.

    Returns:
        A summary, a line or more.

    Raises:
        UserError: Something cannot be used. OSError: Something cannot be written.
    """
    began, options = time.perf_counter(), job.options
    journal = RestoreJournal(job.targets.first)
    check_targets(job.targets, journal, job.source, replaces=job.replaces)
    for target in job.targets:
        if target is not None:
            make_folder(target.parent)
    engine = Engine(model.generator, replace(options.engine, device=devices[0]))
    size = _result_size(next(job.source.read()).image.shape[:2], engine, options)
    if job.targets.video is not None:  # what cannot be written is found before the work, not after it
        VideoSegments(job.source, size=size, target=job.targets.video, options=options.video)
    plan = _plan(job, model, engine, journal)
    results = Results(
        job.targets, job.source, plan, journal, size=size, frame_bits=options.frame_bits, video=options.video
    )
    tiles = replace(options.engine, tile=plan.tile, tile_overlap=plan.tile_overlap)
    work = SharedWork(job.source, plan, journal, results, tiles)
    with _progress(plan.num_frames, f'Restoring {job.source.name}', devices[0]) as on_frame:
        if len(devices) == 1:
            work_here(work, model, device=devices[0], share=share, on_frame=on_frame)
        else:
            work_in_processes(work, model, devices=devices, share=share, on_frame=on_frame)
    if remaining := _finish(job, plan, journal, results):
        return f'{job.targets.first}: this share is done; {remaining} of {len(plan.segments)} segments remain.\n'
    return _summary(job, plan, size, time.perf_counter() - began, devices)


def _finish(job: VideoRestoration, plan: Plan, journal: RestoreJournal, results: Results) -> int:
    """Make the result where all segments are there, and return how many are not; of several processes, one makes it."""
    while True:
        try:
            with FolderLock(journal.folder / 'result.lock', journal.folder):
                if not journal.exists():  # another process has made the result meanwhile
                    return 0
                remaining = sum(not journal.is_done(segment) for segment in plan.segments)
                if remaining == 0:
                    results.finish(replaces=job.replaces)
                return remaining
        except InUseError:
            time.sleep(_WAIT_SECONDS)


def _plan(job: VideoRestoration, model: Model, engine: Engine, journal: RestoreJournal) -> Plan:
    """Return the plan of the work that was begun, or begin it; of several processes, one does."""
    parameters = _parameters(job, model)
    while True:
        try:
            with FolderLock(journal.folder / 'plan.lock', journal.folder):
                if (known := _known_plan(job, journal, parameters)) is not None:
                    return known
                plan = _make_plan(job, engine, parameters)
                if journal.exists():
                    _empty(journal)
                journal.write_plan(plan)
                return plan
        except InUseError:
            time.sleep(_WAIT_SECONDS)


def _known_plan(job: VideoRestoration, journal: RestoreJournal, parameters: dict[str, Any]) -> Plan | None:
    """Return the plan of work that this command goes on with, None where there is none, or it is to be replaced."""
    if not journal.exists():
        return None
    try:
        plan = journal.read_plan()
        journal.check_parameters(plan, parameters)
    except UserError:
        if not job.replaces:
            raise
        return None
    return plan


def _empty(journal: RestoreJournal) -> None:
    """Throw away what was begun, but not the lock that is held."""
    for path in journal.folder.iterdir():
        if path.suffix != '.lock':
            remove(path)


def _make_plan(job: VideoRestoration, engine: Engine, parameters: dict[str, Any]) -> Plan:
    options, source = job.options, job.source
    with _progress(source.announced or None, f'Looking through {source.name}', None) as on_frame:
        scan = scan_video(
            source,
            start=options.start,
            end=options.end,
            threshold=options.scene_threshold,
            on_frame=lambda: on_frame(1),
        )
    restorer = engine.restorer(scan.size)
    segments = plan_segments(
        scan.scenes, length=options.segment_frames, starts=restorer.starts, has_state=restorer.has_state
    )
    tile, overlap = choose_tiles(engine, source, scan, tile=options.tile, overlap=options.tile_overlap)
    if engine.way == 'chunks':
        measure_chunks(engine, source, scan)
    return Plan(
        parameters=parameters,
        size=scan.size,
        scenes=scan.scenes,
        times=scan.times,
        last_duration=scan.last_duration,
        segments=segments,
        tile=tile,
        tile_overlap=overlap,
    )


def _parameters(job: VideoRestoration, model: Model) -> dict[str, Any]:
    with open_regular(model.file) as file:
        weights = hash_open(file)
    network = json.dumps(model.generator.description.get('network'), sort_keys=True, default=str)
    given = {name: value for name, value in asdict(job.options).items() if name != 'engine'}
    engine = {
        name: value for name, value in asdict(job.options.engine).items() if 'tile' not in name and name != 'device'
    }
    values = {
        **given,
        **engine,
        'model': weights,
        'network': hashlib.sha256(network.encode()).hexdigest(),
        'input': job.source.fingerprint(),
        'time_base': job.source.time_base,
        'video_result': job.targets.video,
        'frames_result': job.targets.frames,
    }
    plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return plain


def _result_size(given: tuple[int, ...], engine: Engine, options: RestoreOptions) -> tuple[int, int]:
    height, width = given
    if options.outscale is None:
        return height * engine.scale, width * engine.scale
    return max(1, round(height * options.outscale)), max(1, round(width * options.outscale))


@contextmanager
def _progress(total: int | None, what: str, device: str | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on terminals, with the memory of the GPU or else of this process."""
    is_first = True
    with (
        logging_redirect_tqdm([get_root_logger()]),
        tqdm(total=total, desc=what, unit='frame', dynamic_ncols=True, disable=None) as bar,
    ):

        def on_frame(count: int) -> None:
            nonlocal is_first
            if is_first and device is not None and count != 1:
                bar.initial = count  # done before: it says nothing of the speed
                bar.n += count
            else:
                bar.update(count)
            is_first = False
            if device is not None and not bar.disable:
                bar.set_postfix_str(f'{_memory(device):.1f} GiB', refresh=False)

        yield on_frame


def _memory(device: str) -> float:
    """Return the largest memory taken so far, in GiB."""
    if torch.device(device).type == 'cuda':
        return torch.cuda.max_memory_allocated(device) / 2**30
    return (peak_memory() or 0) / 2**10


def _summary(job: VideoRestoration, plan: Plan, size: tuple[int, int], seconds: float, devices: Sequence[str]) -> str:
    names = ' and '.join(str(target) for target in job.targets if target is not None)
    scenes = 'one scene' if len(plan.scenes) == 2 else f'{len(plan.scenes) - 1} scenes'
    info = job.source.info
    height, width = size[::-1] if info is not None and info.rotation % 180 else size  # as they are shown
    return (
        f'{names}: {plan.num_frames} frames of {width}x{height} pixels in {scenes}, '
        f'{timedelta(seconds=round(seconds))} in this run, {1024 * _memory(devices[0]):.0f} MiB at most.\n'
    )
