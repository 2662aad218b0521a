"""Adversarial losses: what a discriminator of sequences minimises, and what a generator that deceives it does.

Logits may have any shape; those of real and of fake sequences need not have the same. All results are scalars.
"""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.losses.sequence_loss import SequenceLoss, sequence_loss

GanType = Literal['vanilla', 'lsgan', 'relativistic']


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor, gan_type: GanType) -> SequenceLoss:
    """Return the discriminator's loss and accuracies.

    Args:
        real_logits: Of real sequences.
        fake_logits: Of fake sequences.
        gan_type: 'vanilla' for binary cross-entropy; 'lsgan' for squared distances from 1 (real) and 0 (fake);
            'relativistic' for half the cross-entropy of how much more real each is than the mean of the others. The
            means are part of the graph; the framework's ``ESRGANModel`` detaches them in this step.

    Source: Goodfellow et al., Generative adversarial nets, equation 1; Mao et al., Least squares generative
        adversarial networks, equation 9; Jolicoeur-Martineau, The relativistic discriminator, section 4.2, halved as
        in the code of Wang et al., ESRGAN.

    >>> from torch import tensor
    >>> discriminator_loss(tensor([2.0, -1.0]), tensor([0.5, 0.0]), 'lsgan')
    SequenceLoss(real=tensor(2.5000), fake=tensor(0.1250), acc_real=tensor(0.5000), acc_fake=tensor(0.5000))
    """
    if gan_type == 'lsgan':
        real_is_nearer, fake_is_nearer = real_logits.detach() > 0.5, fake_logits.detach() < 0.5
        return SequenceLoss(
            real=(real_logits - 1).square().mean(),
            fake=fake_logits.square().mean(),
            acc_real=real_is_nearer.to(real_logits.dtype).mean(),
            acc_fake=fake_is_nearer.to(fake_logits.dtype).mean(),
        )
    loss = sequence_loss(*_judged(real_logits, fake_logits, gan_type))
    return loss._replace(real=loss.real / 2, fake=loss.fake / 2) if gan_type == 'relativistic' else loss


def generator_loss(real_logits: Tensor, fake_logits: Tensor, gan_type: GanType) -> Tensor:
    """Return the generator's adversarial loss: the discriminator's with real and fake exchanged.

    Args:
        real_logits: Of real sequences, constants here; they count with 'relativistic' alone.
        fake_logits: Of fake sequences.
        gan_type: As for ``discriminator_loss``; 'vanilla' in the form that does not saturate.

    Source: As for ``discriminator_loss``.

    >>> from torch import tensor
    >>> generator_loss(tensor([2.0]), tensor([0.5, 0.0]), 'lsgan')
    tensor(0.6250)
    """
    exchanged = discriminator_loss(fake_logits, real_logits.detach(), gan_type)
    return exchanged.total if gan_type == 'relativistic' else exchanged.real


def discriminator_lead(real_logits: Tensor, fake_logits: Tensor, gan_type: GanType) -> Tensor:
    """Return how far the discriminator is ahead: mean log-probability of real for real less that for fake sequences.

    Args:
        real_logits: Of real sequences.
        fake_logits: Of fake sequences.
        gan_type: 'vanilla' or 'relativistic'; outputs of 'lsgan' are no logits.

    Returns:
        0 where it cannot tell them apart, above where it can; without a graph.

    Raises:
        InvalidValueError: ``gan_type`` is 'lsgan'.

    Source: The adaptive update of D in TecoGAN-PyTorch.

    >>> from torch import tensor
    >>> discriminator_lead(tensor([1.0]), tensor([-1.0]), 'vanilla')
    tensor(1.)
    """
    if gan_type == 'lsgan':
        raise InvalidValueError('The lead of a discriminator is told from logits, which lsgan does not have.')
    real, fake = _judged(real_logits.detach(), fake_logits.detach(), gan_type)
    return F.logsigmoid(real).mean() - F.logsigmoid(fake).mean()


def _judged(real_logits: Tensor, fake_logits: Tensor, gan_type: GanType) -> tuple[Tensor, Tensor]:
    """Return the logits whose sigmoid is a probability."""
    if gan_type == 'vanilla':
        return real_logits, fake_logits
    return real_logits - fake_logits.mean(), fake_logits - real_logits.mean()
