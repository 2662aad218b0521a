"""Options of the discriminative-space model, read and checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from dlvr_plugin.core.errors import InvalidTypeError, InvalidValueError
from dlvr_plugin.losses import FeatureMatching
from dlvr_plugin.models.host_models import GeneratorType
from dlvr_plugin.models.loss_network_options import LossNetworkOptions

_SHARED = [item.name for item in fields(LossNetworkOptions) if item.name != 'init_t_iters']
_OF_MATCHING = [item.name for item in fields(FeatureMatching) if item.name != 'num_layers']


@dataclass(frozen=True, kw_only=True)
class DiscriminativeSpaceOptions(LossNetworkOptions):
    """What ``train.discriminative_opt`` and its neighbours say.

    Attributes:
        matching: Weights, layers, delta, radius and relation distance of the generator's losses.
        edge_frames: Whether a recurrent G learns in T's space from the first and last N frames of a sample, too, by
            content and by relation to the neighbours that the sample has; false as in the paper.

    Raises:
        InvalidValueError: A value out of range, or ``edge_frames`` where there are no such frames or no statistics for
            them. InvalidTypeError: of the wrong type.
    """

    section: ClassVar[str] = 'discriminative_opt'

    matching: FeatureMatching = field(default_factory=FeatureMatching)
    edge_frames: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        key = f'train.{self.section}.edge_frames'
        if self.edge_frames and self.radius == 0:
            raise InvalidValueError(f'{key} must be false with radius: 0, with which all frames have a full window.')
        if self.edge_frames and self.bn_statistics == 'per_sequence':
            raise InvalidValueError(
                f'{key} must be false with bn_statistics: per_sequence, which normalises sequences of full windows; '
                'the first and last frames of a sample are the middle of none. Use bn_statistics: joint.'
            )

    @property
    def radius(self) -> int:
        """Temporal radius N."""
        return self.matching.radius

    def check_generator(self, generator_type: GeneratorType) -> None:
        """Demand a recurrent generator for ``edge_frames``."""
        if self.edge_frames and generator_type != 'recurrent':
            raise InvalidValueError(
                f'train.{self.section}.edge_frames must be false, because G is {generator_type} and restores no first '
                'and last frames of a sample; only recurrent generators do.'
            )

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
        own = [*_SHARED, 'edge_frames']
        cls.refuse_unknown(given, [*_OF_MATCHING, *own])
        values = {name: given.pop(name) for name in own if name in given}
        num_layers = len(opt['network_t'].get('num_feat', (64, 128, 256, 512)))
        given.setdefault('layers', tuple(range(1, num_layers + 1)))
        try:
            return {'matching': FeatureMatching(**given, num_layers=num_layers), **values}
        except (InvalidTypeError, InvalidValueError) as error:
            raise type(error)(f'train.{cls.section}.{error}') from None
