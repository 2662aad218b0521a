"""Weights & Biases, which reads along what TensorBoard gets."""

from typing import Any

from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import master_only

from dlvr_plugin.core.errors import InvalidValueError


@master_only
def init_wandb_logger(opt: dict[str, Any]) -> None:
    """Start a run as the host's function of this name does, which current versions of wandb break.

    Args:
        opt: Options with ``logger.wandb.project``, and ``logger.wandb.resume_id`` to go on with a run.

    Raises:
        InvalidValueError: wandb refuses, because nobody is logged in, for example.
    """
    import wandb

    options = opt['logger']['wandb']
    try:
        run = wandb.init(
            id=options.get('resume_id'),
            resume='allow' if options.get('resume_id') else None,
            name=opt['name'],
            config=opt,
            project=options['project'],
            sync_tensorboard=True,
        )
    except wandb.Error as error:
        raise InvalidValueError(
            f'logger.wandb: {error} Log in by "wandb login", set WANDB_MODE=offline, or set logger.wandb.project to ~.'
        ) from error
    get_root_logger().info(f'Use wandb logger with id={run.id}; project={options["project"]}.')
