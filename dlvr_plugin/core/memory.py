"""How much memory a process has taken."""

import sys
from pathlib import Path


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
