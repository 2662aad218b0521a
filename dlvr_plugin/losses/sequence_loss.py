"""The loss network's own loss: telling real from fake sequences."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class SequenceLoss(NamedTuple):
    """Losses and accuracies of T.

    Attributes:
        real: Cross-entropy of the real sequences, at least 0.
        fake: Cross-entropy of the fake sequences, at least 0.
        acc_real: Share of patches of real sequences taken for real, in [0, 1].
        acc_fake: Share of patches of fake sequences taken for fake, in [0, 1].
    """

    real: Tensor
    fake: Tensor
    acc_real: Tensor
    acc_fake: Tensor

    @property
    def total(self) -> Tensor:
        """The loss that T minimises."""
        return self.real + self.fake


def sequence_loss(real_logits: Tensor, fake_logits: Tensor) -> SequenceLoss:
    """Return binary cross-entropy with logits, real -> 1 and fake -> 0, mean over the patch map.

    Args:
        real_logits: Logits of real sequences, any shape.
        fake_logits: Logits of fake sequences, any shape.

    Returns:
        Scalars.

    Source: Equation 1 of the paper.
    """
    with torch.no_grad():
        acc_real, acc_fake = (real_logits > 0), (fake_logits < 0)
    return SequenceLoss(
        real=F.softplus(-real_logits).mean(),  # -log sigmoid(x)
        fake=F.softplus(fake_logits).mean(),  # -log (1 - sigmoid(x))
        acc_real=acc_real.to(real_logits.dtype).mean(),
        acc_fake=acc_fake.to(fake_logits.dtype).mean(),
    )


def add_up(losses: Sequence[SequenceLoss]) -> SequenceLoss:
    """Return the sum of losses, at least one, and the mean of their accuracies."""
    real, fake, acc_real, acc_fake = (torch.stack(values) for values in zip(*losses, strict=True))
    return SequenceLoss(real.sum(), fake.sum(), acc_real.mean(), acc_fake.mean())
