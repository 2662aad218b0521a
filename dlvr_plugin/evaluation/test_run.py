"""Test a trained model: restore the test sets of an option file, and measure them."""

from pathlib import Path
from typing import Any

import torch
from basicsr.data import build_dataloader, build_dataset
from basicsr.models import build_model
from basicsr.utils import get_root_logger, get_time_str

from dlvr_plugin.core.log import log_start, set_up_log
from dlvr_plugin.core.run_folder import RunFolder
from dlvr_plugin.evaluation.validation import validate
from dlvr_plugin.evaluation.validation_metrics import load_metrics


def test(opt: dict[str, Any]) -> None:
    """Restore and measure every set of ``datasets``, as the framework's test script does.

    As when training, nothing is made or moved on the disk before all that is needed is built.

    Args:
        opt: Options, parsed and checked.

    Raises:
        DataError: A frame cannot be read, or a metric cannot be computed. CheckpointError: the weights cannot be used.
        InUseError: Another process tests a run of this name.
    """
    torch.backends.cudnn.benchmark = True
    with RunFolder(opt) as folder:
        log_start(opt)
        load_metrics(opt['val'])  # before the work: what they need may have to be downloaded
        loaders = [_build_loader(opt, options) for _, options in sorted(opt['datasets'].items())]
        model = build_model(opt)
        folder.take(resumes=False)
        logger = set_up_log(Path(opt['path']['log']) / f'test_{opt["name"]}_{get_time_str()}.log')
        for loader in loaders:
            logger.info(f'Testing {loader.dataset.opt["name"]}...')
            validate(model, loader, opt['name'], None, opt['val']['save_img'])


def _build_loader(opt: dict[str, Any], options: dict[str, Any]) -> Any:
    dataset = build_dataset(options)
    get_root_logger().info(f'{options["name"]}: {len(dataset)} samples')
    return build_dataloader(
        dataset, options, num_gpu=opt['num_gpu'], dist=opt['dist'], sampler=None, seed=opt['manual_seed']
    )


test.__test__ = False  # type: ignore[attr-defined]  # not one of pytest
