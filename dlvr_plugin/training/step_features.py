"""What makes BasicSR's models faster: fused optimizers, losses read when they are logged, frames aligned at once.

These are no repairs: the numbers are the framework's, up to rounding. Training commands install them.
"""

import functools
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.distributed as dist
from basicsr.archs.edvr_arch import EDVR
from basicsr.models.base_model import BaseModel
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer

from dlvr_plugin.archs import edvr_parts
from dlvr_plugin.core.errors import InvalidValueError

OPTIMIZERS = {'Adam': Adam, 'AdamW': AdamW}


def get_optimizer(self: BaseModel, optim_type: str, params: Iterable[Any], lr: float, **kwargs: Any) -> Optimizer:
    """Build an Adam or AdamW, fused into one kernel unless the options say otherwise.

    Raises:
        InvalidValueError: Another type.
    """
    if optim_type not in OPTIMIZERS:
        raise InvalidValueError(f'The type of an optimizer must be one of {", ".join(OPTIMIZERS)}, got {optim_type!r}.')
    if not kwargs.get('foreach'):
        kwargs.setdefault('fused', True)
    return OPTIMIZERS[optim_type](params, lr=lr, **kwargs)


def reduce_loss_dict(self: BaseModel, loss_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keep the losses of this process where they are; ``get_current_log`` averages and reads them."""
    return OrderedDict((name, value.detach().mean()) for name, value in loss_dict.items())


def get_current_log(self: BaseModel) -> dict[str, float]:
    """Return the losses of the last iteration, averaged over processes; all processes must call it."""
    if not self.log_dict or not all(torch.is_tensor(value) for value in self.log_dict.values()):
        return self.log_dict
    losses = torch.stack([value.float() for value in self.log_dict.values()])
    if self.opt['dist']:
        dist.all_reduce(losses)
        losses /= self.opt['world_size']
    return OrderedDict(zip(self.log_dict, losses.tolist(), strict=True))


def install() -> None:
    """Let BasicSR's models use these; a second call changes nothing."""
    functions = [(BaseModel, function) for function in (get_optimizer, reduce_loss_dict, get_current_log)]
    for owner, function in (*functions, (EDVR, edvr_parts.forward)):
        host_function = getattr(owner, function.__name__)
        if getattr(host_function, '__wrapped__', None) is None:
            setattr(owner, function.__name__, functools.wraps(host_function)(function))
