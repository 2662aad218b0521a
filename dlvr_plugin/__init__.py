"""BasicSR plugin for learning the loss functions in a discriminative space.

Importing it, before or after torch, makes ``basicsr`` importable and registers the plugin's archs, datasets, losses
and models. It reads no file, downloads nothing and touches no device.
"""

from dlvr_plugin import host

host.adapt()  # before anything imports basicsr

from dlvr_plugin import archs, data, losses, models  # noqa: E402

__all__ = ['archs', 'data', 'host', 'losses', 'models']
__version__ = '0.1.0'
