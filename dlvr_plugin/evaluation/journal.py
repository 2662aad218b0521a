"""Values that earlier runs measured, in a file, so that none is measured twice."""

import contextlib
import hashlib
import importlib.metadata
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2

from dlvr_plugin.core.regular_files import read_regular
from dlvr_plugin.metrics import MetricSpec


class Journal:
    """Values by key, in a file that grows by a line for each part.

    Args:
        path: The file, None to remember nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._values: dict[str, list[float | None]] = {}
        for line in read_regular(path).splitlines() if path and path.exists() else ():
            with contextlib.suppress(ValueError, RecursionError):  # the last line of a run that was killed
                values = json.loads(line)
                if isinstance(values, dict):
                    self._values.update({key: found for key, found in values.items() if _are_values(found)})

    def find(self, key: str) -> list[float | None] | None:
        """Return the values of a key, None where there are none."""
        return self._values.get(key)

    def add(self, values: Mapping[str, list[float | None]]) -> None:
        """Remember values by key.

        Raises:
            OSError: The file cannot be written.
        """
        self._values.update(values)
        if self.path:
            try:
                with self.path.open('a') as file:
                    # On a line of its own, whatever a killed run has left before it.
                    file.write('\n' + json.dumps(dict(values)) + '\n')
            except OSError as error:
                raise OSError(f'{self.path} cannot be written: {error.strerror}.') from error


def _are_values(found: Any) -> bool:
    """Tell whether this is what a journal holds; a line that was edited is as good as none."""
    return isinstance(found, list) and all(value is None or type(value) in (int, float) for value in found)


def value_key(method: str, metric: str, frames: range, *inputs: Any) -> str:
    """Return the key of a method's values; ``inputs`` is all that they depend on."""
    return f'{method} {metric} {digest_of([frames.start, frames.stop, *inputs])}'


def digest_of(content: Any) -> str:
    """Return a digest of plain values, the same whatever the order of keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def versions_of_metric(spec: MetricSpec) -> dict[str, str | int]:
    """Return the versions that the values of a metric depend on: its own, and those of packages and programs."""
    tools = {name: version() for name, version in spec.tool_versions.items()}
    return {'metric': spec.version, **versions_of_packages(spec.packages), **tools}


def versions_of_packages(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of packages, 'unknown' for one that is not installed under this name."""
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            # OpenCV has packages of several names.
            versions[package] = cv2.__version__ if package == 'opencv-python' else 'unknown'
    return versions
