"""BasicSR plugin for learning the loss functions in a discriminative space.

Importing it, before or after torch, makes ``basicsr`` importable and registers the plugin's archs, datasets, losses,
metrics and models. It reads no file, downloads nothing and touches no device.
"""

from dlvr_plugin import host

host.adapt()  # before anything imports basicsr

from dlvr_plugin import archs, data, losses, metrics, models  # noqa: E402

__all__ = ['archs', 'data', 'host', 'losses', 'metrics', 'models']
__version__ = '0.1.0'
