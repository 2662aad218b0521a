"""``NAME=DIR``: how commands take the results of several methods."""

from collections.abc import Sequence
from pathlib import Path

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.evaluation.evaluation_file import GROUND_TRUTH


def parse_results(items: Sequence[str]) -> dict[str, Path]:
    """Read folders and their names.

    Args:
        items: ``NAME=DIR`` each; all after the first ``=`` is the folder.

    Returns:
        Folders by name, in the given order. Whether they exist is not checked.

    Raises:
        InvalidValueError: An item without ``=``, a name or folder that is empty, two items of one name, or that of the
            ground truth.
    """
    folders: dict[str, Path] = {}
    for item in items:
        name, equals, folder = item.partition('=')
        if not equals:
            raise InvalidValueError(f'--results: expected NAME=DIR, such as ours=results/ours, got {item!r}.')
        if not name.strip() or not folder:
            raise InvalidValueError(f'--results: the {"folder" if name.strip() else "name"} is empty in {item!r}.')
        if name.strip() in folders:
            raise InvalidValueError(f'--results: two folders have the name {name.strip()!r}. Give each its own.')
        if name.strip() == GROUND_TRUTH:
            raise InvalidValueError(
                f'--results: the name {GROUND_TRUTH} stands for the ground truth. Choose another one.'
            )
        folders[name.strip()] = Path(folder)
    return folders
