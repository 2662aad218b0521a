"""What happens between a model's gradients and its weights: accumulation, unscaling, checks, clipping."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.distributed as dist
from basicsr.archs.arch_util import DCNv2Pack
from basicsr.models.base_model import BaseModel
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from dlvr_plugin.core.errors import DivergenceError
from dlvr_plugin.training.protocols import HasAverage, HasOwnLosses, WatchesOffsets, optimizers_of


class GuardedUpdates:
    """Stands in front of a model's optimizers; the model's own training step stays as it is.

    An optimizer steps once an iteration, with the mean of the gradients of the batches that asked for a step. One that
    no batch asked for does not step, nor one without gradients, so that its weights and its state stay as they are.

    Args:
        model: Model of the host; which optimizers and losses are its own, ``protocols`` says.
        accum_iter: Batches whose gradients make one step.
        max_norms: Largest gradient norm by letter of the optimizer ('g', 't'), above which gradients are scaled down.
        max_offset: Largest mean of absolute offsets of a deformable convolution, in pixels; None for any.
        scalers: Scalers of gradients of 16 bits, by letter.

    Attributes:
        grad_norms: Norms of the gradients, before clipping, by letter of those that stepped in this iteration.
        offset: Largest mean of absolute offsets before the step of G in this iteration, in pixels; None without such
            layers or step.

    Raises (in the model's step):
        DivergenceError: Losses, gradients or offsets that no step should be taken with.
    """

    def __init__(
        self,
        model: BaseModel,
        *,
        accum_iter: int = 1,
        max_norms: Mapping[str, float | None] | None = None,
        max_offset: float | None = None,
        scalers: Mapping[str, GradScaler] | None = None,
    ) -> None:
        self.model, self.accum_iter, self.max_offset, self.scalers = model, accum_iter, max_offset, scalers or {}
        self.grad_norms: dict[str, Tensor] = {}
        self.offset: Tensor | None = None
        self._losses: list[Tensor] = []
        self._batch = 0
        self._asked: dict[str, set[int]] = {}  # batches that asked for a step, by letter
        self._late_steps: dict[str, Callable[[], None]] = {}  # of those that asked, but not in the last batch
        self._dcns = self._watch_offsets()
        for name, criterion in vars(model).items():
            if name.startswith('cri_') and isinstance(criterion, nn.Module):
                criterion.register_forward_hook(self._remember_loss)
        for letter, optimizer in optimizers_of(model).items():
            self._guard(optimizer, letter, (max_norms or {}).get(letter))

    def _watch_offsets(self) -> list[WatchesOffsets]:
        dcns = [module for module in self.model.net_g.modules() if isinstance(module, DCNv2Pack)]
        for dcn in dcns:
            dcn.register_buffer('largest_offset', torch.zeros((), device=self.model.device), persistent=False)
        return dcns

    def _remember_loss(self, criterion: nn.Module, inputs: Any, output: Any) -> None:
        losses = output if isinstance(output, tuple) else (output,)
        self._losses += [loss.detach().mean().float() for loss in losses if torch.is_tensor(loss)]

    @contextmanager
    def batch(self, index: int) -> Iterator[None]:
        """Surround the model's step for one of the batches of an iteration, counted from 0."""
        self._batch = index
        if index == 0:
            self.grad_norms, self.offset = {}, None
            self._asked.clear()
            self._late_steps.clear()
        nets = [net for net in vars(self.model).values() if isinstance(net, DistributedDataParallel)]
        with ExitStack() as stack:
            if not self._is_last:  # processes exchange gradients once an iteration
                for net in nets:
                    stack.enter_context(net.no_sync())
                if isinstance(self.model, HasAverage):
                    stack.callback(setattr, self.model, 'ema_decay', self.model.ema_decay)
                    self.model.ema_decay = 0
            yield
        if self._is_last:
            for letter, late_step in list(self._late_steps.items()):
                self._exchange_gradients(letter)
                late_step()
            self._losses.clear()

    @property
    def _is_last(self) -> bool:
        return self._batch == self.accum_iter - 1

    def _guard(self, optimizer: Optimizer, letter: str, max_norm: float | None) -> None:
        """Put checks in front of an optimizer's step, and let it clear gradients once an iteration."""
        plain_step, plain_zero_grad = optimizer.step, optimizer.zero_grad
        scaler = self.scalers.get(letter)

        def take_step() -> None:
            parameters = _with_gradient(optimizer)
            if not parameters:
                return
            if scaler is not None:
                scaler.unscale_(optimizer)
            self._prepare(parameters, letter, max_norm, scaler)
            if scaler is None:
                plain_step()
                return
            vars(optimizer)['step'] = plain_step
            scaler.step(optimizer)  # leaves out a step whose gradients overflow
            scaler.update()
            vars(optimizer)['step'] = step

        @functools.wraps(plain_step)  # with the mark that the schedule has set on it
        def step() -> None:
            self._asked.setdefault(letter, set()).add(self._batch)
            if self._is_last:
                self._late_steps.pop(letter, None)
                take_step()
            else:
                self._late_steps[letter] = take_step

        @functools.wraps(plain_zero_grad)
        def zero_grad(set_to_none: bool = True) -> None:
            if self._batch == 0:
                plain_zero_grad(set_to_none=set_to_none)

        vars(optimizer).update(step=step, zero_grad=zero_grad)

    def _exchange_gradients(self, letter: str) -> None:
        """Average gradients over processes, which do that themselves in the last batch alone."""
        if not dist.is_initialized():
            return
        for gradient in _gradients(_with_gradient(optimizers_of(self.model)[letter])):
            dist.all_reduce(gradient)
            gradient /= dist.get_world_size()

    def _prepare(
        self, parameters: Sequence[Tensor], letter: str, max_norm: float | None, scaler: GradScaler | None
    ) -> None:
        """Average the gradients of several batches, check all numbers, and clip."""
        gradients = _gradients(parameters)
        if (num_batches := len(self._asked[letter])) > 1:
            torch._foreach_div_(gradients, num_batches)
        norm = nn.utils.get_total_norm(gradients)
        self.grad_norms[letter] = norm
        self._check(letter, norm, scaler)
        if max_norm is not None:
            nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)

    def _check(self, letter: str, norm: Tensor, scaler: GradScaler | None) -> None:
        """Refuse a step with numbers that no process may use; all processes come to the same decision."""
        losses = torch.stack([*self._losses, *self._losses_of_model(), norm.new_zeros(())])
        problems = [~losses.isfinite().all(), ~norm.isfinite()]
        if letter == 'g' and self._dcns:
            self.offset = torch.stack([dcn.largest_offset for dcn in self._dcns]).max()
            for dcn in self._dcns:
                dcn.largest_offset.zero_()
            if self.max_offset is not None:
                problems.append(~(self.offset <= self.max_offset))
        found = torch.stack(problems).to(norm.dtype)
        if dist.is_initialized():
            dist.all_reduce(found, dist.ReduceOp.MAX)
        bad_loss, bad_gradient, *bad_offset = (value > 0 for value in found.tolist())
        if bad_gradient and not bad_loss and scaler is not None and scaler.get_scale() >= 1:
            return  # the scale was too large for 16 bits; the scaler lowers it
        name = f'net_{letter}'
        if bad_loss:
            raise DivergenceError(f'a loss is not finite before the step of {name}')
        if bad_gradient:
            raise DivergenceError(f'the gradient of {name} is not finite')
        if any(bad_offset):
            raise DivergenceError(
                f'the offsets of a deformable convolution have grown to a mean of {self.offset:.0f} pixels, '
                f'above train.divergence.max_offset {self.max_offset:g}'
            )

    def _losses_of_model(self) -> list[Tensor]:
        losses = self.model.current_losses() if isinstance(self.model, HasOwnLosses) else []
        return [loss.detach().float() for loss in losses]


def _with_gradient(optimizer: Optimizer) -> list[Tensor]:
    """Return the parameters that a step would move."""
    return [p for group in optimizer.param_groups for p in group['params'] if p.grad is not None]


def _gradients(parameters: Sequence[Tensor]) -> list[Tensor]:
    return [p.grad for p in parameters if p.grad is not None]
