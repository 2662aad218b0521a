"""A model that trains a generator G and the loss network T in alternation, over any model of the host.

Shape legend: B batch, T frames of a clip, N temporal radius, C channels, H, W size of the ground truth.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from basicsr.archs import build_network
from basicsr.utils import get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY
from torch import Tensor
from torch.utils.data import DataLoader

from dlvr_plugin.archs import JointPass
from dlvr_plugin.core.checkpoints import load_weights
from dlvr_plugin.losses import SequenceLoss, sequence_loss, total_loss
from dlvr_plugin.models.discriminative_space_options import (
    DiscriminativeSpaceOptions,
    check_norm,
    find_generator_type,
    find_host_model,
)
from dlvr_plugin.models.windows import Window, take_window

if TYPE_CHECKING:
    from basicsr.models.sr_model import SRModel as HostModel
else:
    HostModel = object  # the real one comes with the composition


class _GradientOfLoss(torch.autograd.Function):
    """A loss whose gradient with respect to the output is known already."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, loss: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return grad_output * gradient, None, None


@MODEL_REGISTRY.register()
class DiscriminativeSpaceModel(HostModel):
    """Trains G in the space that T learns, with the host's own training step.

    ``DiscriminativeSpaceModel(opt)`` composes this class with the host's class that ``host_model`` names, and returns
    an instance of the composition. The host's step stays as it is. It finds in its slot for a perceptual loss a
    criterion that runs T once, on a detached copy of the output, and hands back the gradient of content and relation
    loss; T's own gradients come from the same graph. T's weights do not move in between, so the result is that of two
    separate passes.

    The first ``init_t_iters`` iterations train T alone. What the options say about G (schedule, warm-up, frozen
    parts) counts from the iteration after them.

    Raises:
        InvalidValueError: An option or a checkpoint that cannot be used. InvalidTypeError: a value of the wrong type.

    Source: Sections 3.1 and 3.2 of the paper; equations 1 to 6.
    """

    window: Window  # of the last batch
    sequence_loss: SequenceLoss  # T's, of the last iteration

    def __new__(cls, opt: dict[str, Any]) -> 'DiscriminativeSpaceModel':
        """Compose this class with the host's class that ``host_model`` names."""
        host_model = find_host_model(opt)
        return super().__new__(type(f'{cls.__name__}Over{host_model.__name__}', (cls, host_model), {}))

    def __init__(self, opt: dict[str, Any]) -> None:
        self.generator_type = find_generator_type(opt, find_host_model(opt))
        if opt['is_train']:
            self.options = DiscriminativeSpaceOptions.from_options(opt)
            # The content of the host's slot for the pixel loss, where the options leave it empty.
            opt = {**opt, 'train': {'pixel_opt': {'type': 'HuberLoss'}, **opt['train']}}
        super().__init__(opt)

    def init_training_settings(self) -> None:
        """Build T, then let the host build the rest, then fill the slot for the perceptual loss."""
        self.said_no_window = False
        self.generator_losses: dict[str, Tensor] = {}
        self._build_net_t()
        super().init_training_settings()
        self.cri_perceptual = self._match_in_discriminative_space

    def _build_net_t(self) -> None:
        net_t = build_network(self.opt['network_t'])
        check_norm(net_t.norm, on_gpu=self.device.type == 'cuda')
        path = self.opt['path']
        if path.get('pretrain_network_t'):
            load_weights(net_t, path['pretrain_network_t'], param_key=path.get('param_key_t', 'params'))
            get_root_logger().info(f'T is loaded from {path["pretrain_network_t"]}.')
        net_t.train()
        self.net_t = self.model_to_device(net_t)
        self.print_network(self.net_t)

    def setup_optimizers(self) -> None:
        """Set up the host's optimizers, then T's."""
        super().setup_optimizers()
        optim_t = dict(self.opt['train']['optim_t'])
        self.optimizer_t = self.get_optimizer(optim_t.pop('type'), self.net_t.parameters(), **optim_t)
        self.optimizers.append(self.optimizer_t)

    def setup_schedulers(self) -> None:
        """Set up one schedule for G and one for T: ``train.scheduler_t``, or the same as G's."""
        train = self.opt['train']
        scheduler_t = dict(train.get('scheduler_t') or train['scheduler'])
        *optimizers_g, optimizer_t = self.optimizers
        with self._replaced(optimizers=optimizers_g):
            super().setup_schedulers()
        with self._replaced(optimizers=[optimizer_t], opt={**self.opt, 'train': {**train, 'scheduler': scheduler_t}}):
            super().setup_schedulers()

    @contextmanager
    def _replaced(self, **attributes: Any) -> Iterator[None]:
        """Let a method of the host see other attributes for a moment."""
        originals = {name: getattr(self, name) for name in attributes}
        self.__dict__.update(attributes)
        try:
            yield
        finally:
            self.__dict__.update(originals)

    def update_learning_rate(self, current_iter: int, warmup_iter: int = -1) -> None:
        """Step the schedules: T's from the first iteration on, G's from the start of the alternation."""
        counts = self.schedule_iters(current_iter)
        for optimizer, schedule, count in zip(self.optimizers, self.schedulers, counts, strict=True):
            if count > 0:
                with self._replaced(optimizers=[optimizer], schedulers=[schedule]):
                    super().update_learning_rate(count, warmup_iter)

    def schedule_iters(self, current_iter: int) -> list[int]:
        """Return which iteration each schedule counts: T's, the last one, all of them."""
        generator_iter = current_iter - self.options.init_t_iters
        return [generator_iter] * (len(self.schedulers) - 1) + [current_iter]

    def phase(self, current_iter: int) -> str:
        """Return what an iteration, counted from 1, trains."""
        if current_iter <= self.options.init_t_iters:
            return f'training T alone until iteration {self.options.init_t_iters}'
        return 'training G and T in alternation'

    def feed_data(self, data: dict[str, Any]) -> None:
        """Give the host what its generator takes, and keep the ground-truth window beside it.

        Args:
            data: ``lq`` (B, C, h, w) or (B, T, C, h, w), and ``gt`` (B, C, H, W) or (B, T, C, H, W).

        Raises:
            InvalidValueError: Fewer frames than a window needs.
        """
        tensors = {name: value for name, value in data.items() if torch.is_tensor(value)}
        data = {**data, **{name: value.to(self.device, non_blocking=True) for name, value in tensors.items()}}
        if self.is_train and 'gt' in data:
            self._keep_window(data)
        if self.generator_type == 'image' and data['lq'].dim() == 5:
            data['lq'] = data['lq'][:, data['lq'].shape[1] // 2]
        super().feed_data(data)

    def _keep_window(self, data: dict[str, Any]) -> None:
        """Keep the ground-truth frames that T looks at, and leave in ``data`` what the host's step takes."""
        matching = self.options.matching
        self.window = take_window(
            data['lq'],
            data['gt'],
            generator_type=self.generator_type,
            radius=matching.radius,
            fake=self.options.fake,
        )
        data['lq'], data['gt'] = self.window.lq, self.window.gt
        self.matching = matching if self.window.has_neighbours else replace(matching, radius=0)
        if not self.window.has_neighbours:
            self._say_no_window(matching.radius)

    def _say_no_window(self, radius: int) -> None:
        if radius > 0 and not self.said_no_window:
            get_root_logger().info('No relation loss: the dataset gives single ground-truth frames, and so no window.')
            self.said_no_window = True

    def optimize_parameters(self, current_iter: int) -> None:
        """Train T alone during the first ``init_t_iters`` iterations, then G and T once each.

        Args:
            current_iter: Iteration, from 1.
        """
        if current_iter <= self.options.init_t_iters:
            self.output = self._restore_without_graph(self.lq)
            self._look_at(self._restored(self.output), self.output)
            self._backward_t()
            self.log_dict = self.reduce_loss_dict(OrderedDict())
        else:
            super().optimize_parameters(current_iter - self.options.init_t_iters)
        self.optimizer_t.step()

    def _match_in_discriminative_space(self, output: Tensor, gt: Tensor) -> tuple[Tensor, None]:
        """Stand in the host's slot for a perceptual loss: return content plus relation loss, and no style loss."""
        restored = self._restored(output)
        leaf = restored.detach().requires_grad_()
        joint = self._look_at(leaf, output)
        content, relation = self.matching(joint.gen_features, joint.gt_features)
        loss = total_loss(content, relation)
        # Only the gradient of G's output is computed here; the graph stays alive for T's own loss.
        (gradient,) = torch.autograd.grad(loss, leaf, retain_graph=True)
        self._backward_t()
        self.generator_losses = {'l_g_content': content.detach()}
        if relation is not None:
            self.generator_losses['l_g_relation'] = relation.detach()
        return _GradientOfLoss.apply(restored, loss.detach(), gradient), None

    def _backward_t(self) -> None:
        """Compute T's gradients, which frees its graph before the backward pass of G needs memory."""
        self.optimizer_t.zero_grad()
        self.sequence_loss.total.backward(inputs=list(self.net_t.parameters()))
        self.sequence_loss = SequenceLoss(*(value.detach() for value in self.sequence_loss))

    def _look_at(self, restored: Tensor, output: Tensor) -> JointPass:
        """Run T on the window and the restored frames (B, S, C, H, W), and keep its own loss."""
        radius, generated = self.matching.radius, [restored]
        if self.options.fake == 'generated' and self.generator_type == 'recurrent':
            clip = output.detach()
            generated = [clip[:, :radius], restored, clip[:, clip.shape[1] - radius :]]
        elif self.options.fake == 'generated':
            neighbours = [self._restored(self._restore_without_graph(lq)) for lq in self.window.lq_neighbours]
            generated = [*neighbours[:radius], restored, *neighbours[radius:]]
        joint = self.net_t(
            self.window.gt_window,
            torch.cat(generated, dim=1),
            radius=radius,
            bn_statistics=self.options.bn_statistics,
        )
        self.sequence_loss = sequence_loss(joint.real_logits, joint.fake_logits)
        return joint

    def _restored(self, output: Tensor) -> Tensor:
        """Return the frames of G's output that have a full window, (B, S, C, H, W)."""
        if self.generator_type != 'recurrent':  # (B, C, H, W) -> (B, 1, C, H, W)
            return output.unsqueeze(1)
        return output[:, self.matching.radius : output.shape[1] - self.matching.radius]

    @torch.no_grad()
    def _restore_without_graph(self, lq: Tensor) -> Tensor:
        net_g = self.get_bare_model(self.net_g)
        net_g.eval()
        output = net_g(lq[:, 0] if self.generator_type == 'image' and lq.dim() == 5 else lq)
        net_g.train()
        return output

    def validation(
        self, dataloader: DataLoader, current_iter: int | str, tb_logger: Any, save_img: bool = False
    ) -> None:
        """Validate as the host does; T has no part in it."""
        with self._replaced(is_train=False):
            super().validation(dataloader, current_iter, tb_logger, save_img)

    def current_losses(self) -> list[Tensor]:
        """Return the losses of this iteration that no criterion of the host computes."""
        return [*self.generator_losses.values(), self.sequence_loss.total]

    def reduce_loss_dict(self, loss_dict: dict[str, Tensor]) -> dict[str, Tensor]:
        """Keep the losses for the log, under the plugin's keys."""
        losses = {'l_g_pix' if name == 'l_pix' else name: value for name, value in loss_dict.items()}
        losses.pop('l_percep', None)  # the sum of the two that follow
        losses.update(self.generator_losses)
        self.generator_losses = {}
        losses['l_t_real'], losses['l_t_fake'] = self.sequence_loss.real, self.sequence_loss.fake
        losses['t_acc_real'], losses['t_acc_fake'] = self.sequence_loss.acc_real, self.sequence_loss.acc_fake
        return super().reduce_loss_dict(losses)

    def save(self, epoch: int, current_iter: int) -> None:
        """Save T, then the host's networks and the training state, which holds T's optimizer and schedule, too."""
        self.save_network(self.net_t, 'net_t', current_iter)
        super().save(epoch, current_iter)
