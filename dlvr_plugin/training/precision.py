"""Networks in 16 bits, in another memory format, compiled; losses and weights stay in float32."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from basicsr.models.base_model import BaseModel
from torch import Tensor, nn
from torch.amp import GradScaler

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.nested_tensors import for_each_tensor
from dlvr_plugin.training.protocols import networks_of

Amp = Literal['bf16', 'fp16']
_DTYPES = {'bf16': torch.bfloat16, 'fp16': torch.float16}


class _ScaleGradient(torch.autograd.Function):
    """The identity, whose gradient is multiplied."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, factor: Tensor) -> Tensor:
        ctx.save_for_backward(factor)
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (factor,) = ctx.saved_tensors
        return gradient * factor, None


class Precision:
    """How the networks of a model compute in training; validation computes in float32, not compiled.

    With fp16 the gradient is scaled where it enters a network and scaled back where it leaves it, so that what is
    outside, losses included, knows nothing of it; the gradients of the weights are left scaled, for ``scalers``.

    Args:
        model: Model of the host with ``net_g``, and ``net_t`` where it has one.
        amp: 'bf16' or 'fp16'; None for float32.
        channels_last: Keep the generator's weights and activations as (B, H, W, C) in memory.
        compiled: Names of networks to compile, of 'net_g' and 'net_t'.

    Attributes:
        scalers: Scalers of gradients with fp16, by the letter of the network.

    Raises:
        InvalidValueError: Several GPUs in one process.
    """

    def __init__(
        self, model: BaseModel, *, amp: Amp | None = None, channels_last: bool = False, compiled: Collection[str] = ()
    ) -> None:
        self.is_active, self.scalers = True, {}
        self._device_type, self._dtype = model.device.type, _DTYPES[amp] if amp else None
        if (amp or compiled) and isinstance(model.net_g, nn.DataParallel):
            raise InvalidValueError(
                'train.amp and train.compile need one process a GPU. Start with scripts/dist_train.sh, or set num_gpu '
                'to 1.'
            )
        if channels_last:
            model.net_g.to(memory_format=torch.channels_last)
        for letter, net in networks_of(model, 'gt').items():
            if not (amp or f'net_{letter}' in compiled):
                continue
            if amp == 'fp16':
                self.scalers[letter] = GradScaler(self._device_type)
            self._wrap(model.get_bare_model(net), f'net_{letter}' in compiled, self.scalers.get(letter))

    def _wrap(self, net: nn.Module, is_compiled: bool, scaler: GradScaler | None) -> None:
        plain_forward = net.forward
        forward = torch.compile(plain_forward) if is_compiled else plain_forward

        def wrapped(*inputs: Any, **options: Any) -> Any:
            if not self.is_active:
                return plain_forward(*inputs, **options)
            if scaler is not None:
                scale = scaler.scale(torch.ones((), device=inputs[0].device))
                inputs = tuple(_ScaleGradient.apply(value, 1 / scale) for value in inputs)
            with torch.autocast(self._device_type, dtype=self._dtype, enabled=self._dtype is not None):
                output = forward(*inputs, **options)
            output = for_each_tensor(output, lambda value: value.float() if self._dtype else value)
            if scaler is not None:
                output = for_each_tensor(output, lambda value: _ScaleGradient.apply(value, scale))
            return output

        net.forward = wrapped  # type: ignore[method-assign]

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Compute in float32, not compiled, for a while."""
        self.is_active = False
        try:
            yield
        finally:
            self.is_active = True
