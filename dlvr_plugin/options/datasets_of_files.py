"""The data sets that option files name, for commands that look at data alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dlvr_plugin.core.command import project_root
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.options.find_problems import check_types, is_training, refuse
from dlvr_plugin.options.output_paths import resolve_output_paths
from dlvr_plugin.options.user_classes import load_classes_of
from dlvr_plugin.options.yaml_reader import read_file


def read_datasets(path: Path, imports: Sequence[str] = ()) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Read which data sets an option file names, as a run would.

    What is wrong elsewhere in the file, and keys that are missing, do not matter here.

    Args:
        path: Option file.
        imports: Values of ``--import``.

    Yields:
        Phase, scale and section of each.

    Raises:
        OptionsError: It is no option file, or the section of a data set has a key or a value that cannot be used.
        DataError: It has no data sets. UserModuleError: a module of ``imports`` cannot be loaded.
    """
    document = read_file(path)
    load_classes_of(document, imports)
    resolve_output_paths(document.value, project_root())
    if not isinstance(document.value.get('datasets'), dict):
        raise DataError(f'{path} is no option file: it has no section datasets.')
    opt, problems = check_types(document.value, is_train=is_training(document.value))
    refuse(document, [each for each in problems if each.key[0] in ('datasets', 'scale') and not each.is_missing])
    for phase, dataset in opt['datasets'].items():
        yield phase, opt.get('scale', 1), dataset
