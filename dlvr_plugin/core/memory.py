"""The memory of a process: how much it has taken, and what becomes of what it has freed."""

import ctypes
import sys
from pathlib import Path

# Of mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_TRIM_THRESHOLD, _LARGEST_MMAP_THRESHOLD = 2**31 - 1, 2**25


def peak_memory() -> float | None:
    """Return the largest memory that this process has had, in MiB; None where the system does not tell."""
    try:  # Linux, where the usage of a process starts with the peak of the one that started it
        status = Path('/proc/self/status').read_text()
        return int(status.partition('VmHWM:')[2].split()[0]) / 2**10
    except (OSError, IndexError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == 'darwin' else 2**10)  # bytes on macOS, else KiB


def keep_freed_memory() -> None:
    """Let this process keep what it frees for what it allocates next, where its C library is that of GNU.

    Otherwise large tensors are given back to the system and taken from it anew, page by page, in every training step
    and for every restored frame. Those of more than 32 MiB still are.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None) if sys.platform == 'linux' else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _LARGEST_TRIM_THRESHOLD)
