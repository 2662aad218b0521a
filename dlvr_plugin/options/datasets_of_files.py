"""The data sets of option files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.options.yaml_reader import read_file


def read_datasets(path: Path) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Read which data sets an option file names.

    Yields:
        Phase, scale and section of each.

    Raises:
        OptionsError: It is no option file. DataError: it has no data sets.
    """
    opt = read_file(path).value
    if not isinstance(opt.get('datasets'), dict):
        raise DataError(f'{path} is no option file: it has no section datasets.')
    for phase, dataset in opt['datasets'].items():
        if isinstance(dataset, dict):
            yield phase, opt.get('scale', 1), dataset
