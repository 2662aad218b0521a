"""``dlvr survey collect``: merge files of answers into a study."""

import argparse
from pathlib import Path

from basicsr.utils import get_root_logger

from dlvr_plugin.survey.answers import AnswerStore
from dlvr_plugin.survey.static_pages import collect_files


def run(args: argparse.Namespace) -> int:
    """Merge the files, and say what became of each.

    Returns:
        1 where a file was refused, else 0.

    Raises:
        DataError: The study cannot be used.
    """
    store = AnswerStore(args.study)
    collected = collect_files(store, _list_files(args.files))
    store.close()
    log = get_root_logger()
    for each in collected:
        if each.refused:
            log.error(f'{each.file}: refused, {each.refused}.')
        else:
            log.info(f'{each.file}: {each.num_stored} answers are new, {each.num_known} were there already.')
    num_refused = sum(bool(each.refused) for each in collected)
    log.info(f'{len(collected) - num_refused} files merged, {num_refused} refused.')
    return int(num_refused > 0)


def _list_files(paths: list[Path]) -> list[Path]:
    """Return the files, and those of folders, by name."""
    return [file for path in paths for file in (sorted(path.glob('*.json')) if path.is_dir() else [path])]
