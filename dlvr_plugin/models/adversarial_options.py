"""Options of the adversarial model, read and checked."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from dlvr_plugin.core.declarations import NOT_NEGATIVE, POSITIVE, Range
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.losses import GanType
from dlvr_plugin.losses.huber_loss import Weight
from dlvr_plugin.models.loss_network_options import LossNetworkOptions


@dataclass(frozen=True, kw_only=True)
class AdversarialOptions(LossNetworkOptions):
    """What ``train.adversarial_opt`` and its neighbours say.

    Attributes:
        weight: Weight of the adversarial loss of G; that of the perceptual loss stands in perceptual_opt.
        gan_type: 'vanilla' for cross-entropy, 'lsgan' for squares, 'relativistic' for the relativistic average of
            ESRGAN.
        radius: Temporal radius N; T judges sequences of 2N + 1 frames.
        update_interval: Every how many iterations of G T is updated.
        update_threshold: Lead of T from which on it waits for G, in mean log-probabilities; 0.4 in TecoGAN-PyTorch,
            None to update it whatever its lead.
    """

    section: ClassVar[str] = 'adversarial_opt'

    weight: Weight = 5e-3
    gan_type: GanType = 'vanilla'
    radius: Annotated[int, NOT_NEGATIVE] = 1
    update_interval: Annotated[int, POSITIVE] = 1
    update_threshold: Annotated[float, Range(above=0)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.update_threshold is not None and self.gan_type == 'lsgan':
            raise InvalidValueError(
                f'train.{self.section}.update_threshold must be ~ with gan_type: lsgan, whose T gives no '
                f'probabilities; got {self.update_threshold}. Use update_interval, or gan_type: vanilla.'
            )
