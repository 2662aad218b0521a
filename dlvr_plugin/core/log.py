"""The log of a run: on the screen what moves, in the file everything, whoever has logged before."""

import logging
import logging.handlers
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torchvision
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import get_dist_info
from basicsr.utils.options import dict2str
from basicsr.version import __version__ as basicsr_version

from dlvr_plugin.core.version import __version__


def log_start(opt: Mapping[str, Any]) -> None:
    """Say on the screen which run begins, with which versions; all that is logged is kept for the run's file.

    Networks and data are built before a run has a folder. ``set_up_log`` writes to the file what they said.
    """
    logger = _without_file()
    if get_dist_info()[0] == 0:
        logger.setLevel(logging.DEBUG)
        logger.addHandler(_Kept())
    logger.info(
        f'{opt["name"]}: dlvr_plugin {__version__}, BasicSR {basicsr_version}, PyTorch {torch.__version__}, '
        f'torchvision {torchvision.__version__}, Python {sys.version.split()[0]}'
    )
    for note in opt.get('notes', ()):
        logger.info(note)
    logger.debug(dict2str(opt))


def set_up_log(file: Path) -> logging.Logger:
    """Write to a file what the framework's logger is told, and was told since ``log_start``, in the first process.

    The framework itself does so for the first caller of ``get_root_logger`` alone; a warning before would leave a run
    without a log file. Listings of networks, and what is logged as DEBUG, go to the file only.

    Args:
        file: Where this run's log goes; that of a run before in the same process gets nothing more.
    """
    kept = [record for handler in get_root_logger().handlers if isinstance(handler, _Kept) for record in handler.buffer]
    logger = _without_file()
    if get_dist_info()[0] != 0:
        return logger
    logger.setLevel(logging.DEBUG)
    to_file = logging.FileHandler(file, encoding='utf-8')
    to_file.setFormatter(logging.Formatter('%(asctime)s %(levelname)s: %(message)s'))
    for record in kept:
        to_file.handle(record)
    logger.addHandler(to_file)
    if kept:
        logger.info(f'The options and the layers of the networks are listed in {file}.')
    return logger


class _Kept(logging.handlers.MemoryHandler):
    """Keeps all records."""

    def __init__(self) -> None:
        super().__init__(capacity=sys.maxsize, flushLevel=sys.maxsize, flushOnClose=False)


def _without_file() -> logging.Logger:
    """Return the framework's logger, which shows on the screen what belongs there, and writes to no file."""
    logger = get_root_logger()
    for handler in list(logger.handlers):
        if isinstance(handler, (logging.FileHandler, _Kept)):
            logger.removeHandler(handler)
            handler.close()
        elif isinstance(handler, logging.StreamHandler) and _belongs_on_screen not in handler.filters:
            handler.addFilter(_belongs_on_screen)
    return logger


def _belongs_on_screen(record: logging.LogRecord) -> bool:
    """Tell whether a message is for people who look on: neither for the file alone nor a network's hundred lines."""
    is_listing = record.funcName == 'print_network' and '\n' in record.getMessage()
    return record.levelno >= logging.INFO and not is_listing
