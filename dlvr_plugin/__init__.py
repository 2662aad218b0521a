"""BasicSR plugin for learning the loss functions in a discriminative space.

Importing it, before or after torch, makes ``basicsr`` importable and registers the plugin's archs, datasets, losses,
metrics and models. It reads no file, downloads nothing and touches no device, and leaves the rest of BasicSR as it is:
``host.apply()`` repairs that, and the plugin's commands call it.

That takes seconds, most of them torch's, so the command ``dlvr`` has it done when it has read its arguments.
"""

from dlvr_plugin import host
from dlvr_plugin.core.program import is_dlvr_command
from dlvr_plugin.core.version import __version__
from dlvr_plugin.registration import register

if not is_dlvr_command():
    register()

__all__ = ['__version__', 'host', 'register']
