"""Repairs of BasicSR 1.4.2, one defect each, and nothing else.

``repair_imports`` makes BasicSR importable; ``import dlvr_plugin`` does that alone. ``apply`` makes it right on CPUs,
in several processes, on damaged files and after a stop; the plugin's commands call it.
"""

from dlvr_plugin.host import imports
from dlvr_plugin.host.repair import Repair


def repair_imports() -> None:
    """Make ``import basicsr`` work, if it does not."""
    imports.provide_moved_module()


def repairs() -> tuple[Repair, ...]:
    """Return all repairs, in the order in which they are made."""
    repair_imports()
    # These import basicsr.
    from dlvr_plugin.host import data_errors, devices, numerics, resuming, saving, weight_files

    parts = (data_errors, devices, numerics, saving, resuming, weight_files)
    return tuple(repair for part in parts for repair in part.REPAIRS)


def apply() -> list[Repair]:
    """Repair the installed BasicSR, and return what was needed; a second call changes nothing.

    A function that is neither the broken one of BasicSR 1.4.2 nor repaired already is left as it is, with a warning.
    """
    return [repair for repair in repairs() if repair.apply()]


__all__ = ['Repair', 'apply', 'repair_imports', 'repairs']
