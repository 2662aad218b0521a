"""A model that trains a generator G against T as a discriminator of sequences, over any model of the host."""

import torch.distributed as dist
from basicsr.utils.registry import MODEL_REGISTRY
from torch import Tensor

from dlvr_plugin.archs import JointPass
from dlvr_plugin.losses import SequenceLoss, discriminator_lead, discriminator_loss, generator_loss
from dlvr_plugin.models.adversarial_options import AdversarialOptions
from dlvr_plugin.models.host_contract import HasDiscriminator
from dlvr_plugin.models.loss_network_model import LossNetworkModel


@MODEL_REGISTRY.register()
class AdversarialModel(LossNetworkModel):
    """Trains G by pixel, perceptual and adversarial loss, with T as the discriminator: the paper's baseline.

    The perceptual loss is the one of ``perceptual_opt``, which the host builds; the host's step adds it up with the
    others. As in the framework's GAN models, G steps first, against the T of the iteration before, and T then learns
    from the same output. Neither step needs weights that the other has moved, so one pass of T serves both.

    G's gradient goes through all restored frames that T sees and that G restores in its step: the middle frame of a
    sliding window, whose neighbours are constants with ``fake: generated``, too; of a recurrent generator with
    ``fake: generated`` the whole clip.

    Source: Section 4.1 ("Our T w/ Adv+VGG" of Table 4) and Figure 6 of the paper.
    """

    Options = AdversarialOptions
    without_window = 'T judges single frames'

    options: AdversarialOptions
    lead: Tensor | None = None  # of T in the last batch, where the options ask for it

    def learn_from_t(self, output: Tensor, gt: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return adversarial plus perceptual loss, and the style loss where there is one."""
        loss, _ = super().learn_from_t(output, gt)
        if self.perceptual_loss is None:
            return loss, None
        perceptual, style = self.perceptual_loss(output, gt)
        found = {'l_g_percep': perceptual, 'l_g_style': style}
        self.keep_for_log({name: value for name, value in found.items() if value is not None})
        return loss if perceptual is None else loss + perceptual, style

    def losses_of_g(self, joint: JointPass) -> dict[str, Tensor]:
        """Return the weighted adversarial loss; a host with a discriminator has one of the plain name itself."""
        name = 'l_g_gan_t' if isinstance(self, HasDiscriminator) else 'l_g_gan'
        options = self.options
        return {name: options.weight * generator_loss(joint.real_logits, joint.fake_logits, options.gan_type)}

    def loss_of_t(self, joint: JointPass) -> SequenceLoss:
        """Return the loss of the discriminator."""
        return discriminator_loss(joint.real_logits, joint.fake_logits, self.options.gan_type)

    def is_t_trained_by(self, joint: JointPass) -> bool:
        """Tell whether it is T's turn, and T not too far ahead; alone it is always trained."""
        options, is_behind = self.options, True
        if options.update_threshold is not None:
            self.lead = discriminator_lead(joint.real_logits, joint.fake_logits, options.gan_type)
            if self.opt['dist']:
                dist.all_reduce(self.lead)
                self.lead /= self.opt['world_size']
            is_behind = bool(self.lead < options.update_threshold)
        is_its_turn = self.generator_iter % options.update_interval == 0
        return self.generator_iter < 1 or (is_its_turn and is_behind)

    def frames_for_t(self, frames: Tensor) -> Tensor:
        """Return the restored frames that get a gradient from T: all that it sees and G restores in its step."""
        if self.options.fake == 'generated' and self.generator_type == 'recurrent':
            return frames
        return super().frames_for_t(frames)

    def values_of_t(self) -> dict[str, Tensor]:
        """Return what is logged of T: its losses and accuracies, and its lead where that decides on its updates."""
        return super().values_of_t() | ({} if self.lead is None else {'t_lead': self.lead})
