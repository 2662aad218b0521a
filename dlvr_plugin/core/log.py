"""The log of a run: on the screen and in a file, whoever has logged before."""

import logging
from pathlib import Path

from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import get_dist_info


def set_up_log(file: Path | None = None) -> logging.Logger:
    """Show what the framework's logger is told, and write it to a file, in the first process.

    The framework itself does so for the first caller of ``get_root_logger`` alone; a warning before would leave a run
    without a log file.
    """
    logger = get_root_logger()
    if get_dist_info()[0] != 0:
        return logger
    logger.setLevel(logging.INFO)
    if file is not None:
        handler = logging.FileHandler(file)
        handler.setFormatter(logging.Formatter('%(asctime)s %(levelname)s: %(message)s'))
        handler.setLevel(logging.INFO)
        logger.addHandler(handler)
    return logger
