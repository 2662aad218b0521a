"""Worker processes: how they load items, how they end with their parent, and which signals they leave to it."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import threading
from typing import Any

import cv2
from torch.utils.data import DataLoader, Dataset

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ('SIGINT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2') if hasattr(signal, name)
)
"""Ctrl-C, what ends processes, and what clusters send to all processes of a job in front of its time limit."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt


def load_items(dataset: Dataset[Any], num_workers: int) -> DataLoader[Any]:
    """Return a loader of the items of a dataset, one by one, in order and as they are.

    Args:
        dataset: Makes the items.
        num_workers: Processes that make them; 0 makes them in this one. They end with this process.
    """
    return DataLoader(
        dataset, batch_size=None, num_workers=num_workers, collate_fn=_unchanged, worker_init_fn=_set_up_worker
    )


def _unchanged(item: Any) -> Any:
    return item


def _set_up_worker(_: int) -> None:
    """Let a worker process use one thread, and end with its parent, however that ends."""
    cv2.setNumThreads(0)  # 1 would wait for the threads of the parent process, which a fork leaves behind
    _keep_freed_memory()
    end_with_parent()


def end_with_parent() -> None:
    """Let this process, which ``multiprocessing`` has started, end as soon as its parent has, even by a kill."""

    def wait() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)  # a plain exit would wait for the parent to take what is in the queue

    threading.Thread(target=wait, daemon=True).start()


def _keep_freed_memory() -> None:
    """Let the C library reuse the memory of frames: fresh pages from the system cost about a tenth of the work.

    Planes of 8K frames are given back: what lies between those that are in use would add up.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 2**26)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**30)


def ignore_stop_signals() -> None:
    """Let a worker process live until its parent ends it, though signals reach the whole group.

    Only the SIGTERM of the process that started it ends it: the one that Python sends, and waits for, when it exits.
    """
    for number in STOP_SIGNALS:
        if number != signal.SIGTERM:
            signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, 'sigwaitinfo'):  # not on macOS
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_at_parents_signal, args=(os.getppid(),), daemon=True).start()


def _end_at_parents_signal(parent: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)
