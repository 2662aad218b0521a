"""Replace a function of BasicSR wherever its modules imported it by name."""

import sys
from collections.abc import Callable
from typing import Any


def replace_everywhere(old: Callable[..., Any], new: Callable[..., Any]) -> None:
    """Put a function in the place of another in every module of BasicSR that has it under its name."""
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith('basicsr') and getattr(module, old.__name__, None) is old:
            setattr(module, old.__name__, new)
