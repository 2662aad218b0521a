"""Test a trained model: restore the test sets of an option file, and measure them."""

from pathlib import Path
from typing import Any

import torch
from basicsr.data import build_dataloader, build_dataset
from basicsr.models import build_model
from basicsr.utils import get_time_str, make_exp_dirs

from dlvr_plugin.core.log import log_start, set_up_log
from dlvr_plugin.evaluation.validation import validate
from dlvr_plugin.evaluation.validation_metrics import load_metrics


def test(opt: dict[str, Any]) -> None:
    """Restore and measure every set of ``datasets``, as the framework's test script does.

    Args:
        opt: Options, parsed and checked.

    Raises:
        DataError: A frame cannot be read, or a metric cannot be computed. CheckpointError: the weights cannot be used.
    """
    torch.backends.cudnn.benchmark = True
    make_exp_dirs(opt)
    log_file = Path(opt['path']['log']) / f'test_{opt["name"]}_{get_time_str()}.log'
    logger = set_up_log(log_file)
    log_start(opt, log_file)
    load_metrics(opt['val'])  # before the work: what they need may have to be downloaded
    loaders = []
    for _, options in sorted(opt['datasets'].items()):
        dataset = build_dataset(options)
        loaders.append(
            build_dataloader(
                dataset, options, num_gpu=opt['num_gpu'], dist=opt['dist'], sampler=None, seed=opt['manual_seed']
            )
        )
        logger.info(f'{options["name"]}: {len(dataset)} samples')
    model = build_model(opt)
    for loader in loaders:
        logger.info(f'Testing {loader.dataset.opt["name"]}...')
        validate(model, loader, opt['name'], None, opt['val']['save_img'])


test.__test__ = False  # type: ignore[attr-defined]  # not one of pytest
