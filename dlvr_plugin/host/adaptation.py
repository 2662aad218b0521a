"""One repair of one defect of the host."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Adaptation:
    """One repair of one defect of the host.

    Attributes:
        defect: What the host does wrong, in one line.
        is_present: Tells whether the installed host has the defect.
        repair: Removes it.
    """

    defect: str
    is_present: Callable[[], bool]
    repair: Callable[[], None]

    def apply_if_needed(self) -> bool:
        """Repair the defect where the host has it, and tell whether it had."""
        if not self.is_present():
            return False
        self.repair()
        return True


def source_has(function: Callable[..., Any], *fragments: str) -> bool:
    """Tell whether the source of a host's function, not yet wrapped here, holds every one of the fragments."""
    if hasattr(function, '__wrapped__'):
        return False
    source = inspect.getsource(function)
    return all(fragment in source for fragment in fragments)
