"""The data sets of option files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from dlvr_plugin.errors import DataError


def read_datasets(path: Path) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Read which data sets an option file names.

    Yields:
        Phase, scale and section of each.

    Raises:
        DataError: It is no option file.
    """
    try:
        opt = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise DataError(f'{path} is no option file: {error}') from error
    if not isinstance(opt, dict) or not isinstance(opt.get('datasets'), dict):
        raise DataError(f'{path} is no option file: it has no section datasets.')
    for phase, dataset in opt['datasets'].items():
        if isinstance(dataset, dict):
            yield phase, opt.get('scale', 1), dataset
