"""The framework's recurrent model with the losses that FRVSR and TecoGAN add to it.

Shape legend: B batch, T frames of a sample, C channels, h, w and H, W sizes of low-quality frames and of restored ones.
"""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from basicsr.losses import build_loss
from basicsr.models.video_recurrent_model import VideoRecurrentModel
from basicsr.utils.registry import MODEL_REGISTRY
from torch import Tensor, nn

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.warping import warp


@dataclass(frozen=True, kw_only=True)
class FRVSROptions:
    """What ``train`` says beside what the framework's recurrent model reads.

    Attributes:
        warp_opt: Pixel loss between each low-quality frame and the one before, moved by the flow between them.
        pingpong_opt: Pixel loss between the frames of a clip that goes there and back, ``palindrome: true`` in the data
            set: each was restored twice.
    """

    warp_opt: Mapping[str, Any] | None = None
    pingpong_opt: Mapping[str, Any] | None = None


@MODEL_REGISTRY.register()
class FRVSRModel(VideoRecurrentModel):
    """Trains a generator that estimates flow, such as FRNet: with a loss of its flow, and with the ping-pong loss.

    Both are added to the pixel loss, and logged apart from it, ``l_warp`` and ``l_pingpong``. The step is the host's.

    Raises:
        InvalidValueError: A loss without ``pixel_opt``, a generator that gives no flow, or, in training, a sample that
            does not go there and back.

    Source: Sajjadi, Vemulapalli, Brown, Frame-Recurrent Video Super-Resolution; Chu et al., Learning Temporal Coherence
        via Self-Supervision for GAN-based Video Generation.
    """

    lr_flow: Tensor | None  # of the step, (B, T - 1, 2, h, w)
    cri_pix: nn.Module | None

    def init_training_settings(self) -> None:
        """Let the host build its losses, then those that belong to them."""
        super().init_training_settings()
        train = self.opt['train']
        self.own_losses: dict[str, Tensor] = {}
        self.cri_warp, self.cri_pingpong = (
            build_loss(train[name]).to(self.device) if train.get(name) else None
            for name in ('warp_opt', 'pingpong_opt')
        )
        if self.cri_warp and 'with_flow' not in inspect.signature(self.get_bare_model(self.net_g).forward).parameters:
            raise InvalidValueError(
                f'train.warp_opt needs a generator that gives its flow, such as FRNet; {self.opt["network_g"]["type"]} '
                'takes no with_flow. Leave it out.'
            )
        if self.cri_pix is not None:
            self.cri_pix = _WithOwnLosses(self.cri_pix, self._own_losses)

    def optimize_parameters(self, current_iter: int) -> None:
        """Take the host's step, with the flow at hand where a loss needs it."""
        if self.cri_pix is None and (self.cri_warp or self.cri_pingpong):
            raise InvalidValueError(
                'train.warp_opt and train.pingpong_opt belong to a pixel loss. Set train.pixel_opt.'
            )
        with self._keeping_flow():
            super().optimize_parameters(current_iter)

    @contextmanager
    def _keeping_flow(self) -> Iterator[None]:
        """Let the generator give its flow beside its frames, and keep it from the host."""
        self.lr_flow = None
        if self.cri_warp is None:
            yield
            return

        def ask(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
            return args, {**kwargs, 'with_flow': True}

        def keep(_: nn.Module, args: tuple[Any, ...], output: Any) -> Tensor:
            self.lr_flow = output.lr_flow
            return output.frames

        net_g = self.get_bare_model(self.net_g)
        hooks = [net_g.register_forward_pre_hook(ask, with_kwargs=True), net_g.register_forward_hook(keep)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _own_losses(self, output: Tensor) -> dict[str, Tensor]:
        """Return the losses of a step by name, and keep them for the log."""
        losses = {}
        if self.cri_warp is not None and self.lr_flow is not None and self.lr_flow.shape[1]:
            previous, current = self.lq[:, :-1].flatten(0, 1), self.lq[:, 1:].flatten(0, 1)
            losses['l_warp'] = self.cri_warp(warp(previous, self.lr_flow.flatten(0, 1)), current)
        if self.cri_pingpong is not None:
            self._demand_palindrome()
            half = output.shape[1] // 2
            losses['l_pingpong'] = self.cri_pingpong(output[:, half + 1 :].flip(1), output[:, :half])
        self.own_losses = {name: loss.detach() for name, loss in losses.items()}
        return losses

    def _demand_palindrome(self) -> None:
        if self.lq.shape[1] % 2 == 0 or not torch.equal(self.lq[:, 0], self.lq[:, -1]):
            raise InvalidValueError(
                'train.pingpong_opt needs clips that go there and back. Set datasets.train.palindrome: true, of a '
                'ClipDataset.'
            )

    def reduce_loss_dict(self, loss_dict: dict[str, Any]) -> dict[str, Any]:
        """Keep the losses for the log, the pixel loss without what was added to it."""
        for name in ('l_pix', 'l_g_pix') if self.own_losses else ():
            if name in loss_dict:
                loss_dict[name] = loss_dict[name] - sum(self.own_losses.values())
        loss_dict.update(self.own_losses)
        self.own_losses = {}
        return super().reduce_loss_dict(loss_dict)


class _WithOwnLosses(nn.Module):
    """A pixel loss, and losses of the same output added to it."""

    def __init__(self, pixel_loss: nn.Module, own_losses: Any) -> None:
        super().__init__()
        self.pixel_loss, self.own_losses = pixel_loss, own_losses

    def forward(self, output: Tensor, gt: Tensor) -> Tensor:
        """Return the sum for frames (B, T, C, H, W) and their ground truth."""
        return self.pixel_loss(output, gt) + sum(self.own_losses(output).values())
