"""Make ``import basicsr`` work with the installed torchvision.

``basicsr.data.degradations`` imports a module that torchvision 0.17 removed.
"""

import importlib.util
import sys
from types import ModuleType

_MOVED_MODULE = 'torchvision.transforms.functional_tensor'


def provide_moved_module() -> None:
    """Provide the module that is gone, with the one function that BasicSR takes from it."""
    if _MOVED_MODULE in sys.modules or importlib.util.find_spec(_MOVED_MODULE) is not None:
        return
    from torchvision.transforms.functional import rgb_to_grayscale

    module = ModuleType(_MOVED_MODULE, 'Stands in for the module that torchvision 0.17 removed.')
    module.rgb_to_grayscale = rgb_to_grayscale  # type: ignore[attr-defined]
    sys.modules[_MOVED_MODULE] = module
