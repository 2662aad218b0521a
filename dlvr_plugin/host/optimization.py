"""The host's training step without needless waiting: optimizers, moving averages, losses, deformable convolutions."""

import functools
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.distributed as dist
import torchvision
from basicsr.archs.arch_util import DCNv2Pack
from basicsr.models.base_model import BaseModel
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer

from dlvr_plugin.host.adaptation import Adaptation, source_has

OPTIMIZERS = {'Adam': Adam, 'AdamW': AdamW}


def get_optimizer(self: BaseModel, optim_type: str, params: Iterable[Any], lr: float, **kwargs: Any) -> Optimizer:
    """Build an Adam or AdamW, fused into one kernel unless the options say otherwise.

    Raises:
        ValueError: Another type.
    """
    if optim_type not in OPTIMIZERS:
        raise ValueError(f'The type of an optimizer must be one of {", ".join(OPTIMIZERS)}, got {optim_type!r}.')
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


def forward_dcn(self: DCNv2Pack, x: Tensor, feat: Tensor) -> Tensor:
    """Align features (B, C, H, W) with offsets from others of that shape.

    In training, a buffer ``largest_offset``, where somebody has set one, keeps the largest mean of absolute offsets,
    in pixels.
    """
    out = self.conv_offset(feat).to(self.weight.dtype)  # there is no deformable convolution of 16 bits
    offset_y, offset_x, mask = out.chunk(3, dim=1)
    offset = torch.cat((offset_y, offset_x), dim=1)
    if self.training and hasattr(self, 'largest_offset'):
        with torch.no_grad():
            torch.maximum(self.largest_offset, offset.abs().mean(), out=self.largest_offset)
    with torch.autocast(x.device.type, enabled=False):
        return torchvision.ops.deform_conv2d(
            x.to(self.weight.dtype),
            offset.nan_to_num(),  # an offset that is not a number ends the process with a segmentation fault
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            mask.sigmoid(),
        )


def _repair_optimizer() -> None:
    BaseModel.get_optimizer = functools.wraps(BaseModel.get_optimizer)(get_optimizer)


def _repair_log() -> None:
    BaseModel.reduce_loss_dict = functools.wraps(BaseModel.reduce_loss_dict)(reduce_loss_dict)
    BaseModel.get_current_log = functools.wraps(BaseModel.get_current_log)(get_current_log)


def _repair_model_ema() -> None:
    host_model_ema = BaseModel.model_ema

    @functools.wraps(host_model_ema)
    def model_ema(self: BaseModel, decay: float = 0.999) -> None:
        host_model_ema(self, decay)
        buffers = dict(self.get_bare_model(self.net_g).named_buffers())
        for name, buffer in self.net_g_ema.named_buffers():
            buffer.copy_(buffers[name])

    BaseModel.model_ema = model_ema


def _repair_dcn() -> None:
    DCNv2Pack.forward = functools.wraps(DCNv2Pack.forward)(forward_dcn)


ADAPTATIONS = (
    Adaptation(
        defect='Adam alone, one small kernel after the other',
        is_present=lambda: source_has(BaseModel.get_optimizer, "if optim_type == 'Adam':"),
        repair=_repair_optimizer,
    ),
    Adaptation(
        defect='every iteration waits for the device, and for all processes, once a loss, whether it is logged or not',
        is_present=lambda: source_has(BaseModel.reduce_loss_dict, 'log_dict[name] = value.mean().item()'),
        repair=_repair_log,
    ),
    Adaptation(
        defect='the moving average of a network keeps the buffers that it began with',
        is_present=lambda: (
            source_has(BaseModel.model_ema, 'named_parameters()')
            and not source_has(BaseModel.model_ema, 'named_buffers()')
        ),
        repair=_repair_model_ema,
    ),
    Adaptation(
        defect='each deformable convolution waits for the device to look at its offsets, and breaks a compiled graph',
        is_present=lambda: source_has(DCNv2Pack.forward, 'if offset_absmean > 50:'),
        repair=_repair_dcn,
    ),
)
