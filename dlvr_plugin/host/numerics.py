"""Numbers that BasicSR gets wrong: moving averages without buffers, deformable convolutions that crash."""

from collections.abc import Callable
from typing import Any

import torch
from basicsr.archs.arch_util import DCNv2Pack
from basicsr.models.base_model import BaseModel
from torch import Tensor

from dlvr_plugin.core.deformable_conv import modulated_deform_conv
from dlvr_plugin.host.repair import Repair


def forward_dcn(self: DCNv2Pack, x: Tensor, feat: Tensor) -> Tensor:
    """Align features (B, C, H, W) with offsets from others of that shape.

    In training, a buffer ``largest_offset``, where somebody has set one, keeps the largest mean of absolute offsets,
    in pixels.
    """
    # In the type of the weights: products of 16 bits take a hundred times as long on a CPU that has none.
    out = self.conv_offset(feat).to(self.weight.dtype)
    num_masks = out.shape[1] // 3
    offset, mask = out[:, : 2 * num_masks], out[:, 2 * num_masks :].sigmoid()
    if self.training and hasattr(self, 'largest_offset'):
        with torch.no_grad():
            torch.maximum(self.largest_offset, offset.abs().mean(), out=self.largest_offset)
    with torch.autocast(x.device.type, enabled=False):
        return modulated_deform_conv(
            x.to(self.weight.dtype),
            offset,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            mask,
        )


def _average_buffers(host_model_ema: Callable[..., Any]) -> Callable[..., Any]:
    def model_ema(self: BaseModel, decay: float = 0.999) -> None:
        host_model_ema(self, decay)
        buffers = dict(self.get_bare_model(self.net_g).named_buffers())
        for name, buffer in self.net_g_ema.named_buffers():
            buffer.copy_(buffers[name])

    return model_ema


REPAIRS = (
    Repair(
        defect='the moving average of a network keeps the buffers that it began with',
        owner=BaseModel,
        name='model_ema',
        source='8b2fa2559e51535d',
        build=_average_buffers,
    ),
    Repair(
        defect='a deformable convolution is slow on a CPU, crashes at offsets that are not numbers, waits for the '
        'device to look at them, breaks a compiled graph, and takes no 16 bits',
        owner=DCNv2Pack,
        name='forward',
        source='22ab5aed1d7aaade',
        build=lambda host_forward: forward_dcn,
    ),
)
