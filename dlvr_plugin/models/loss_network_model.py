"""A model that trains a generator G and the loss network T in alternation, over any model of the host.

Shape legend: B batch, T frames of a clip, N temporal radius, C channels, H, W size of the ground truth.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from basicsr.archs import build_network
from basicsr.utils import get_root_logger
from torch import Tensor, nn
from torch.utils.data import DataLoader

from dlvr_plugin.archs import JointPass
from dlvr_plugin.core.checkpoints import load_weights
from dlvr_plugin.core.errors import InvalidValueError, UserError
from dlvr_plugin.losses import SequenceLoss, add_up, shift_at_random
from dlvr_plugin.models.generator_output import describe, explain, find_frames
from dlvr_plugin.models.ground_truth_changes import follow
from dlvr_plugin.models.host_contract import PerceptualCalls, PicksOutput
from dlvr_plugin.models.host_models import find_generator_type, find_host_model
from dlvr_plugin.models.known_gradient import with_gradient
from dlvr_plugin.models.loss_network_options import LossNetworkOptions, check_norm
from dlvr_plugin.models.windows import Window, take_window

if TYPE_CHECKING:
    from basicsr.models.sr_model import SRModel as HostModel
else:
    HostModel = object  # the real one comes with the composition


_LOG_KEYS = {'l_pix': 'l_g_pix', 'l_style': 'l_g_style'}  # of the host's losses, which have no letter of a network


class LossNetworkModel(HostModel):
    """Trains G by losses that the loss network T computes, with the host's own training step, and T in alternation.

    A derived class says what G learns from T (``losses_of_g``) and what T learns (``loss_of_t``). Calling it composes
    it with the host's class that ``host_model`` names, and returns an instance of the composition. The host's step
    stays as it is. It finds in its slot for a perceptual loss a criterion that runs T once, on a detached copy of the
    output, and hands back the gradient of G's losses; T's own gradients come from the same graph. T's weights do not
    move in between, so the result is that of two separate passes: a step of G with T held fixed, then one of T on the
    same output, detached. T steps where the host has called that criterion, and only then; a criterion that is called
    several times adds up, for T as for the host.

    The first ``init_t_iters`` iterations train T alone. What the options say about G (schedule, warm-up, frozen
    parts) counts from the iteration after them.

    Raises:
        InvalidValueError: An option or a checkpoint that cannot be used. InvalidTypeError: a value of the wrong type.
    """

    Options: ClassVar[type[LossNetworkOptions]]
    without_window: ClassVar[str]  # what the log says where a data set gives single frames

    options: LossNetworkOptions
    sample_window: Window  # of the last batch, as the data set gave it
    window: Window  # the same as the host's ground truth has it
    num_frame: int  # of a sample of it
    radius: int  # of the windows of the last batch, 0 for single images
    generator_iter: int  # iteration as G counts it, from 1; 0 and less while T trains alone
    cri_perceptual: Any  # the host's slot
    perceptual_loss: nn.Module | None  # of perceptual_opt, which the host built for the slot
    log_dict: dict[str, Any]  # of the last batch: tensors or numbers, by name
    sequence_losses: list[SequenceLoss]  # T's, of the last batch, one for each call of the criterion

    def __new__(cls, opt: dict[str, Any]) -> 'LossNetworkModel':
        """Compose this class with the host's class that ``host_model`` names."""
        host_model = find_host_model(opt)
        return super().__new__(type(f'{cls.__name__}Over{host_model.__name__}', (cls, host_model), {}))

    def __init__(self, opt: dict[str, Any]) -> None:
        host_model = find_host_model(opt)
        self.generator_type = find_generator_type(opt, host_model)
        self.perceptual_calls = PerceptualCalls(host_model.__name__, self.generator_type)
        if opt['is_train']:
            self.options = self.Options.from_options(opt)
            self.options.check_generator(self.generator_type)
            pixel_opt = opt['train'].get('pixel_opt', {'type': 'HuberLoss'})
            self.has_pixel_loss = bool(pixel_opt)
            # The host builds no model without any loss, and does not know of the one that it gets.
            opt = {**opt, 'train': {**opt['train'], 'pixel_opt': pixel_opt or {'type': 'HuberLoss'}}}
        super().__init__(opt)

    def init_training_settings(self) -> None:
        """Build T, then let the host build the rest, then fill the slot for the perceptual loss."""
        self.said_no_window = False
        self.has_fitted = False  # whether G has given what the host compares with the ground truth
        self.generator_losses: dict[str, Tensor] = {}
        self.sequence_losses = []
        self.t_is_due = False  # whether a batch has left gradients in T
        self._build_net_t()
        super().init_training_settings()
        self.perceptual_loss, self.cri_perceptual = self.cri_perceptual, self.learn_from_t
        if not self.has_pixel_loss:
            self.cri_pix = None

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
            InvalidValueError: One of these is missing, or fewer frames than a window needs.
        """
        if missing := [name for name in ('lq', 'gt') if self.is_train and name not in data]:
            raise InvalidValueError(
                f'A sample of datasets.train has no {" and no ".join(missing)}, but {", ".join(data)}. '
                f'{self.opt["model_type"]} over {self.perceptual_calls.host} needs lq and gt: use a data set of pairs, '
                'such as ClipDataset.'
            )
        tensors = {name: value for name, value in data.items() if torch.is_tensor(value)}
        data = {**data, **{name: value.to(self.device, non_blocking=True) for name, value in tensors.items()}}
        if self.is_train:
            self._keep_window(data)
        if self.generator_type == 'image' and data['lq'].dim() == 5:
            data['lq'] = data['lq'][:, data['lq'].shape[1] // 2]
        super().feed_data(data)

    def _keep_window(self, data: dict[str, Any]) -> None:
        """Keep the ground-truth frames that T looks at, and leave in ``data`` what the host's step takes."""
        options = self.options
        self.sample_window = self.window = take_window(
            data['lq'],
            data['gt'],
            generator_type=self.generator_type,
            radius=options.radius,
            fake=options.fake,
            section=options.section,
        )
        data['lq'], data['gt'] = self.window.lq, self.window.gt
        self.num_frame = data['lq'].shape[1] if data['lq'].dim() == 5 else 1
        self.radius = options.radius if self.window.has_neighbours else 0
        if self.radius < options.radius and not self.said_no_window:
            get_root_logger().info(
                f'{self.without_window}: the dataset gives single ground-truth frames, and so no window.'
            )
            self.said_no_window = True

    def optimize_parameters(self, current_iter: int) -> None:
        """Train T alone during the first ``init_t_iters`` iterations, then G and T once each.

        Args:
            current_iter: Iteration, from 1.

        Raises:
            InvalidValueError: G gives something else than restored frames, or the host never calls its perceptual
                loss, or it changes the ground truth in a way that T cannot follow.
        """
        self.optimizer_t.zero_grad()
        self.generator_losses, self.sequence_losses, self.log_dict = {}, [], {}
        self.generator_iter, self.t_is_due = current_iter - self.options.init_t_iters, False
        with self._failures_explained():
            if self.generator_iter < 1:
                self._look_without_graph()
            else:
                super().optimize_parameters(self.generator_iter)
        if self.generator_iter > 0:
            self.perceptual_calls.check(self, self.generator_iter)
        if self.t_is_due:
            self.optimizer_t.step()

    @contextmanager
    def _failures_explained(self) -> Iterator[None]:
        """Say of a generator that does not go with its host model what is wrong; other failures are not touched."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            if not self.has_fitted and (problem := self._explain_generator()):
                raise InvalidValueError(problem) from error
            raise
        self.has_fitted = True

    def _explain_generator(self) -> str | None:
        return explain(
            self.get_bare_model(self.net_g),
            lq=self.lq,
            gt=self.gt,
            num_frame=self.num_frame,
            generator_type=self.generator_type,
        )

    def _look_without_graph(self) -> None:
        """Train T on what G restores, and leave G alone."""
        self._follow(self.gt)
        self.output = self._restore_without_graph(self.lq)
        frames = self._frames_of(self.output, self.window.restored.shape)
        self._train_t(self._look_at(self.frames_for_t(frames), frames))
        self.log_dict = self.reduce_loss_dict(OrderedDict())

    def learn_from_t(self, output: Tensor, gt: Tensor) -> tuple[Tensor, Tensor | None]:
        """Stand in the host's slot for a perceptual loss: return what G learns from T, and a style loss or None."""
        self.perceptual_calls.seen = True
        self._follow(gt)
        frames = self._frames_of(output, self.window.restored.shape)
        restored = self.frames_for_t(frames)
        leaf = restored.detach().requires_grad_()
        joint = self._look_at(leaf, frames)
        losses = self.losses_of_g(joint)
        loss = torch.stack([*losses.values()]).sum()
        # Only the gradient of G's output is computed here; the graph stays alive for T's own loss.
        (gradient,) = torch.autograd.grad(loss, leaf, retain_graph=True)
        self._train_t(joint)
        self.keep_for_log(losses)
        return with_gradient(restored, loss.detach(), gradient), None

    def losses_of_g(self, joint: JointPass) -> dict[str, Tensor]:
        """Return what G learns from a pass of T: weighted losses, scalars, by the names that they have in the log."""
        raise NotImplementedError

    def loss_of_t(self, joint: JointPass) -> SequenceLoss:
        """Return T's own loss of a pass."""
        raise NotImplementedError

    def is_t_trained_by(self, joint: JointPass) -> bool:
        """Tell whether T learns from a pass; all processes come to the same answer."""
        return True

    def keep_for_log(self, losses: dict[str, Tensor]) -> None:
        """Add to the losses of G that are logged, and checked before a step."""
        for name, value in losses.items():
            before = self.generator_losses.get(name)
            self.generator_losses[name] = value.detach() if before is None else before + value.detach()

    def _train_t(self, joint: JointPass) -> None:
        """Add to T's gradients, which frees its graph before the backward pass of G needs memory."""
        loss = self.loss_of_t(joint)
        if self.is_t_trained_by(joint):
            loss.total.backward(inputs=list(self.net_t.parameters()))
            self.t_is_due = True
        self.sequence_losses.append(SequenceLoss(*(value.detach() for value in loss)))

    def _follow(self, gt: Tensor) -> None:
        """Let the window be that of the ground truth that the host compares with."""
        host, num_needed = self.perceptual_calls.host, 2 * self.radius + 1
        try:
            self.window = follow(self.sample_window, gt, self.lq)
        except InvalidValueError as error:
            raise InvalidValueError(f'host_model: {host} {error}') from None
        if self.window.gt_window.shape[1] < num_needed:
            raise InvalidValueError(
                f'host_model: {host} hands {self.window.gt_window.shape[1]} frames of a clip to its perceptual loss, '
                f'but the window of T has {num_needed}. Lower train.{self.options.section}.radius.'
            )

    def _look_at(self, restored: Tensor, frames: Tensor) -> JointPass:
        """Run T on the window and the restored frames (B, S, C, H, W).

        Args:
            restored: Those that ``frames_for_t`` gives.
            frames: All that G restored.
        """
        radius, generated = self.radius, [restored]
        if self.options.fake == 'generated' and self.generator_type == 'recurrent':
            clip, num_left = frames.detach(), (frames.shape[1] - restored.shape[1]) // 2
            generated = [clip[:, :num_left], restored, clip[:, clip.shape[1] - num_left :]]
        elif self.options.fake == 'generated':
            outputs = [self._restore_without_graph(lq) for lq in self.window.lq_neighbours]
            neighbours = [self._frames_of(output, frames.shape) for output in outputs]
            generated = [*neighbours[:radius], restored, *neighbours[radius:]]
        clips = self.window.gt_window, torch.cat(generated, dim=1)
        joint: JointPass = self.net_t(
            *shift_at_random(clips, self.options.random_shift),
            radius=radius,
            bn_statistics=self.options.bn_statistics,
            fake=self.options.fake,
        )
        return joint

    def _frames_of(self, output: Any, shape: torch.Size) -> Tensor:
        """Return the restored frames in G's output, in the shape of the ground truth (B, S, C, H, W)."""
        if not torch.is_tensor(output) and isinstance(self, PicksOutput):
            output = self.pick_output(output)
        frames = find_frames(output, shape)
        if len(frames) == 1:
            return frames[0]
        raise InvalidValueError(
            self._explain_generator()
            or (
                f'host_model: {self.perceptual_calls.host} hands {describe(output)} to its perceptual loss, with gt of '
                f'{tuple(shape)}. It must hand the restored frames in the shape of their ground truth.'
            )
        )

    def frames_for_t(self, frames: Tensor) -> Tensor:
        """Return the restored frames (B, S, C, H, W) that get a gradient from T: here those with a full window.

        Args:
            frames: All that G restored.
        """
        if self.generator_type != 'recurrent':
            return frames
        return frames[:, self.radius : frames.shape[1] - self.radius]

    @torch.no_grad()
    def _restore_without_graph(self, lq: Tensor) -> Any:
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
        return [*self.generator_losses.values(), *(loss.total for loss in self.sequence_losses)]

    def reduce_loss_dict(self, loss_dict: dict[str, Tensor]) -> dict[str, Tensor]:
        """Keep the losses for the log, under the plugin's keys."""
        losses = {_LOG_KEYS.get(name, name): value for name, value in loss_dict.items()}
        for name in ('l_percep', 'l_g_percep'):  # the sum of those that follow
            losses.pop(name, None)
        losses.update(self.generator_losses)
        self.generator_losses = {}
        if self.sequence_losses:
            losses.update(self.values_of_t())
        return super().reduce_loss_dict(losses)

    def values_of_t(self) -> dict[str, Tensor]:
        """Return what is logged of T: its losses and accuracies."""
        loss = add_up(self.sequence_losses)
        return {'l_t_real': loss.real, 'l_t_fake': loss.fake, 't_acc_real': loss.acc_real, 't_acc_fake': loss.acc_fake}

    def save(self, epoch: int, current_iter: int) -> None:
        """Save T, then the host's networks and the training state, which holds T's optimizer and schedule, too."""
        self.save_network(self.net_t, 'net_t', current_iter)
        super().save(epoch, current_iter)
