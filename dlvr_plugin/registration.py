"""Registers the archs, datasets, losses, metrics and models of the plugin with BasicSR."""

from dlvr_plugin import host


def register() -> None:
    """Make ``basicsr`` importable, and register the plugin's classes; a second call changes nothing."""
    host.repair_imports()  # before anything imports basicsr
    from dlvr_plugin import archs, data, losses, metrics, models  # noqa: F401
