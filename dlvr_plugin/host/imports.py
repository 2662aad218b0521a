"""Make ``import basicsr`` work with the installed torchvision."""

import importlib.util
import sys
from types import ModuleType

from dlvr_plugin.host.adaptation import Adaptation

_MOVED_MODULE = 'torchvision.transforms.functional_tensor'


def _is_moved() -> bool:
    return _MOVED_MODULE not in sys.modules and importlib.util.find_spec(_MOVED_MODULE) is None


def _provide_moved_module() -> None:
    from torchvision.transforms.functional import rgb_to_grayscale

    module = ModuleType(_MOVED_MODULE, 'Stands in for the module that torchvision 0.17 removed.')
    module.rgb_to_grayscale = rgb_to_grayscale  # type: ignore[attr-defined]
    sys.modules[_MOVED_MODULE] = module


ADAPTATIONS = (
    Adaptation(
        defect='basicsr.data.degradations imports a module that torchvision 0.17 removed',
        is_present=_is_moved,
        repair=_provide_moved_module,
    ),
)
