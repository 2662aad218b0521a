"""BasicSR plugin for learning the loss functions in a discriminative space.

Importing it, before or after torch, makes ``basicsr`` importable and registers the plugin's archs, datasets, losses,
metrics and models. It reads no file, downloads nothing and touches no device, and leaves the rest of BasicSR as it is:
``host.apply()`` repairs that, and the plugin's commands call it.
"""

from dlvr_plugin import host
from dlvr_plugin.core.version import __version__

host.repair_imports()  # before anything imports basicsr

from dlvr_plugin import archs, data, losses, metrics, models  # noqa: E402

__all__ = ['__version__', 'archs', 'data', 'host', 'losses', 'metrics', 'models']
