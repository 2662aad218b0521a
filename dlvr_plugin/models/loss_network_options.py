"""Options that all models read which train a generator with a loss network T."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar

from dlvr_plugin.archs.loss_net_arch import BNStatistics, Fake
from dlvr_plugin.core.declarations import NOT_NEGATIVE, check_arguments
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.names import nearest
from dlvr_plugin.models.host_models import GeneratorType


@dataclass(frozen=True, kw_only=True)
class LossNetworkOptions:
    """What a section of ``train`` and its neighbours say about T; a derived class adds what G learns from T.

    Attributes:
        fake: 'mixed' for a generated frame between true neighbours in T's fake sequences; 'generated' for generated
            neighbours, too, so that a sliding-window G needs 2N more frames in num_frame.
        bn_statistics: 'joint' for norms over real and fake sequences together; 'per_sequence' for each apart.
        random_shift: Rows and columns cut off what T looks at, at a place drawn for each iteration; 0 as in the paper,
            16 for each phase of T's strides as often.
        init_t_iters: Iterations that train T alone, at the start; total_iter counts them.

    Raises:
        InvalidValueError: A value out of range. InvalidTypeError: of the wrong type.
    """

    section: ClassVar[str]
    """Of ``train``; all but ``init_t_iters`` stands there."""

    fake: Fake = 'mixed'
    bn_statistics: BNStatistics = 'joint'
    random_shift: Annotated[int, NOT_NEGATIVE] = 0
    init_t_iters: Annotated[int, NOT_NEGATIVE] = 0

    def __post_init__(self) -> None:
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        check_arguments(type(self), {'init_t_iters': values.pop('init_t_iters')}, 'train')
        check_arguments(type(self), values, f'train.{self.section}')

    @property
    def radius(self) -> int:
        """Temporal radius N."""
        raise NotImplementedError

    def check_generator(self, generator_type: GeneratorType) -> None:
        """Demand that the generator is of a kind that the options go with; here any is.

        Raises:
            InvalidValueError: It is not.
        """

    @classmethod
    def from_options(cls, opt: Mapping[str, Any]) -> 'LossNetworkOptions':
        """Read the options of a training run.

        Args:
            opt: All options.

        Raises:
            InvalidValueError: A key or a value that is not known, or a section that is missing.
            InvalidTypeError: Not a number.
        """
        train = opt['train']
        for section, key in (('the options', 'network_t'), ('train', 'optim_t')):
            if key not in (opt if section == 'the options' else train):
                raise InvalidValueError(
                    f'{key} is missing in {section}. The loss network T needs it: see docs/options.md.'
                )
        values = cls.read_section(dict(train.get(cls.section) or {}), opt)
        return cls(**values, init_t_iters=train.get('init_t_iters', 0))

    @classmethod
    def read_section(cls, given: dict[str, Any], opt: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of fields that the section of this class gives.

        Args:
            given: The section.
            opt: All options.

        Raises:
            InvalidValueError: A key that is not known.
        """
        cls.refuse_unknown(given, [item.name for item in fields(cls) if item.name != 'init_t_iters'])
        return given

    @classmethod
    def refuse_unknown(cls, given: Mapping[str, Any], known: list[str]) -> None:
        """Demand that the section has no keys but known ones."""
        for name in given:
            if name not in known:
                raise InvalidValueError(f'train.{cls.section}.{name} is not an option.{nearest(name, known)}')


def check_norm(norm: str | None, *, on_gpu: bool, where: str = 'network_t') -> None:
    """Refuse synchronised norms of the section ``where`` on a CPU.

    Raises:
        InvalidValueError: ``norm`` is 'sync' and there is no GPU.
    """
    if norm == 'sync' and not on_gpu:
        raise InvalidValueError(f'{where}.norm: sync works on GPUs only. On a CPU use batch or frozen.')
