"""Everything the host (BasicSR) needs to run safely: imports, devices, processes, resuming, readable data errors."""

from dlvr_plugin.host.adaptation import Adaptation
from dlvr_plugin.host.imports import ADAPTATIONS as _IMPORTS


def adapt() -> list[Adaptation]:
    """Adapt the installed host and return what was needed.

    Each adaptation looks first whether the installed host has the defect, and does nothing where it has not.
    """
    applied = [adaptation for adaptation in _IMPORTS if adaptation.apply_if_needed()]
    # These modules import basicsr, which only works from here on.
    from dlvr_plugin.host import (
        checkpoints,
        data_errors,
        distributed,
        lmdb_reader,
        optimization,
        raw_records,
        resume,
        validation,
    )

    modules = (lmdb_reader, data_errors, raw_records, distributed, optimization, checkpoints, resume, validation)
    for module in modules:
        applied += [adaptation for adaptation in module.ADAPTATIONS if adaptation.apply_if_needed()]
    return applied


__all__ = ['Adaptation', 'adapt']
