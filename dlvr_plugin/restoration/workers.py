"""Processes that restore segments of one video, a device each."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dlvr_plugin.core.errors import UserError
from dlvr_plugin.core.workers import end_with_parent, ignore_stop_signals
from dlvr_plugin.restoration.engine import Engine, EngineOptions
from dlvr_plugin.restoration.frame_sources import FrameSource
from dlvr_plugin.restoration.load_model import LoadedGenerator, load_generator
from dlvr_plugin.restoration.restore_job import restore_segments
from dlvr_plugin.restoration.restore_journal import Plan, RestoreJournal
from dlvr_plugin.restoration.results import Results
from dlvr_plugin.restoration.segments import share_of

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Model:
    """A generator and the file that it came from.

    Attributes:
        file: The checkpoint.
        network: As for ``load_generator``.
        generator: The generator.
    """

    file: Path
    network: Mapping[str, Any] | None
    generator: LoadedGenerator


@dataclass(frozen=True)
class SharedWork:
    """What all processes that restore a video know.

    Attributes:
        source: The video.
        plan: Its plan.
        journal: Where it is kept what is done.
        results: What writes frames.
        options: How the network is run; each process has its own device.
    """

    source: FrameSource
    plan: Plan
    journal: RestoreJournal
    results: Results
    options: EngineOptions


def work_here(
    work: SharedWork, model: Model, *, device: str, share: tuple[int, int], on_frame: Callable[[int], None]
) -> None:
    """Restore a share of the segments in this process; arguments and errors as those of ``restore_segments``."""
    engine = Engine(model.generator, replace(work.options, device=device))
    restore_segments(
        work.source,
        work.plan,
        share_of(work.plan.segments, *share),
        engine=engine,
        journal=work.journal,
        results=work.results,
        on_frame=on_frame,
    )


def work_in_processes(
    work: SharedWork, model: Model, *, devices: Sequence[str], share: tuple[int, int], on_frame: Callable[[int], None]
) -> None:
    """Restore a share of the segments in a process for each device.

    Raises:
        RuntimeError: A process has died. UserError: One could not go on; and what else ``restore_segments`` raises.
    """
    context = multiprocessing.get_context('spawn')
    messages: Any = context.SimpleQueue()
    number, count = share
    shares = [(number * len(devices) + index, count * len(devices)) for index in range(len(devices))]
    processes = [
        context.Process(target=_work, args=(work, model.file, model.network, device, own, messages), daemon=True)
        for device, own in zip(devices, shares, strict=True)
    ]
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # processes inherit it: Ctrl-C is for this one
    try:
        for process in processes:
            process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
    try:
        num_ended = 0
        while num_ended < len(processes):
            while not messages.empty():
                message = messages.get()
                if isinstance(message, int):
                    on_frame(message)
                elif message is None:
                    num_ended += 1
                else:
                    raise message
            for process in processes:
                if process.exitcode:
                    raise RuntimeError(
                        f'A process that restores has died with code {process.exitcode}; most often memory is short.'
                    )
            time.sleep(_POLL_SECONDS)
    finally:
        for process, own in zip(processes, shares, strict=True):
            process.terminate()
            process.join()
            work.results.discard_parts(share_of(work.plan.segments, *own))


def _work(
    work: SharedWork,
    file: Path,
    network: Mapping[str, Any] | None,
    device: str,
    share: tuple[int, int],
    messages: Any,
) -> None:
    """Restore a share in a process of its own, and tell the one that started it."""
    ignore_stop_signals()
    end_with_parent()
    try:
        model = Model(file, network, load_generator(file, network=network))
        work_here(work, model, device=device, share=share, on_frame=messages.put)
    except (UserError, OSError) as error:
        messages.put(error)
    else:
        messages.put(None)
