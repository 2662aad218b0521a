"""Options of the discriminative-space model, read and checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from dlvr_plugin.core.errors import InvalidTypeError, InvalidValueError
from dlvr_plugin.losses import FeatureMatching
from dlvr_plugin.models.loss_network_options import LossNetworkOptions

_SHARED = [item.name for item in fields(LossNetworkOptions) if item.name != 'init_t_iters']
_OF_MATCHING = [item.name for item in fields(FeatureMatching) if item.name != 'num_layers']


@dataclass(frozen=True, kw_only=True)
class DiscriminativeSpaceOptions(LossNetworkOptions):
    """What ``train.discriminative_opt`` and its neighbours say.

    Attributes:
        matching: Weights, layers, delta, radius and relation distance of the generator's losses.
    """

    section: ClassVar[str] = 'discriminative_opt'

    matching: FeatureMatching = field(default_factory=FeatureMatching)

    @property
    def radius(self) -> int:
        """Temporal radius N."""
        return self.matching.radius

    @classmethod
    def from_options(cls, opt: Mapping[str, Any]) -> LossNetworkOptions:
        """Read the options of a training run, as the base class does, which leave the slot of the losses free."""
        if opt['train'].get('perceptual_opt'):
            raise InvalidValueError(
                'train.perceptual_opt is taken: DiscriminativeSpaceModel fills it with its own losses. Remove it, or '
                'keep it and set model_type to the host model.'
            )
        return super().from_options(opt)

    @classmethod
    def read_section(cls, given: dict[str, Any], opt: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of fields that ``discriminative_opt`` gives; those of ``matching`` stand beside them."""
        cls.refuse_unknown(given, [*_OF_MATCHING, *_SHARED])
        shared = {name: given.pop(name) for name in _SHARED if name in given}
        num_layers = len(opt['network_t'].get('num_feat', (64, 128, 256, 512)))
        given.setdefault('layers', tuple(range(1, num_layers + 1)))
        try:
            return {'matching': FeatureMatching(**given, num_layers=num_layers), **shared}
        except (InvalidTypeError, InvalidValueError) as error:
            raise type(error)(f'train.{cls.section}.{error}') from None
