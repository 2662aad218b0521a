"""Mutations of the shipped option files, and runs of them: ``python -m tests.options.mutations --help``."""

import dlvr_plugin  # noqa: F401 - before BasicSR, whose imports it mends
