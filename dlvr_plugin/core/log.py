"""The log of a run: on the screen what moves, in the file everything, whoever has logged before."""

import logging
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


def set_up_log(file: Path | None = None) -> logging.Logger:
    """Show what the framework's logger is told, and write it to a file, in the first process.

    The framework itself does so for the first caller of ``get_root_logger`` alone; a warning before would leave a run
    without a log file. Listings of networks, and what is logged as DEBUG, go to the file only.

    Args:
        file: Where this run's log goes; that of a run before in the same process gets nothing more.
    """
    logger = get_root_logger()
    if get_dist_info()[0] != 0:
        return logger
    logger.setLevel(logging.INFO if file is None else logging.DEBUG)
    for handler in list(logger.handlers):
        if isinstance(handler, logging.FileHandler):
            logger.removeHandler(handler)
            handler.close()
        elif isinstance(handler, logging.StreamHandler) and _belongs_on_screen not in handler.filters:
            handler.addFilter(_belongs_on_screen)
    if file is not None:
        to_file = logging.FileHandler(file, encoding='utf-8')
        to_file.setFormatter(logging.Formatter('%(asctime)s %(levelname)s: %(message)s'))
        logger.addHandler(to_file)
    return logger


def log_start(opt: Mapping[str, Any], file: Path) -> None:
    """Say on the screen which run begins, with which versions, and where its log is; list the options there."""
    logger = get_root_logger()
    logger.info(
        f'{opt["name"]}: dlvr_plugin {__version__}, BasicSR {basicsr_version}, PyTorch {torch.__version__}, '
        f'torchvision {torchvision.__version__}, Python {sys.version.split()[0]}'
    )
    logger.info(f'The options and the layers of the networks are listed in {file}.')
    for note in opt.get('notes', ()):
        logger.info(note)
    logger.debug(dict2str(opt))


def _belongs_on_screen(record: logging.LogRecord) -> bool:
    """Tell whether a message is for people who look on: neither for the file alone nor a network's hundred lines."""
    is_listing = record.funcName == 'print_network' and '\n' in record.getMessage()
    return record.levelno >= logging.INFO and not is_listing
