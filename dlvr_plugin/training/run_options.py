"""What the options say about the run itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from dlvr_plugin.core.declarations import POSITIVE, Range, check_arguments
from dlvr_plugin.training.data_order import ANOTHER_ORDER
from dlvr_plugin.training.divergence import DivergenceOptions
from dlvr_plugin.training.precision import Amp

CompiledNetwork = Literal['net_g', 'net_t']
MaxNorm = Annotated[float, Range(above=0)]

_OF_LOGGER = ('keep_last',)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Keys of ``train``, and one of ``logger``, that the training loop reads, for models of any type.

    Attributes:
        total_iter: Iterations of the run.
        warmup_iter: Iterations that raise the learning rate from 0; -1 for none.
        amp: Precision of the networks; None for float32.
        channels_last: Whether the generator's channels lie side by side in memory.
        compile: Which networks to compile; true for all.
        accum_iter: Batches whose gradients make one iteration.
        grad_clip_g: Largest norm of the gradient of G; None for any.
        grad_clip_t: Largest norm of the gradient of T; None for any.
        divergence: What to do where the numbers go wrong.
        keep_last: How many checkpoints to keep; None for all.

    Raises:
        InvalidValueError: A value out of range. InvalidTypeError: of the wrong type.
    """

    total_iter: Annotated[int, POSITIVE]
    warmup_iter: Annotated[int, Range(minimum=-1)] = -1
    amp: Amp | None = None
    channels_last: bool = False
    compile: bool | Sequence[CompiledNetwork] = False
    accum_iter: Annotated[int, POSITIVE, ANOTHER_ORDER] = 1
    grad_clip_g: MaxNorm | None = None
    grad_clip_t: MaxNorm | None = None
    divergence: DivergenceOptions = field(default_factory=DivergenceOptions)
    keep_last: Annotated[int, POSITIVE] | None = None

    def __post_init__(self) -> None:
        values = vars(self)
        check_arguments(RunOptions, {name: each for name, each in values.items() if name not in _OF_LOGGER}, 'train')
        check_arguments(RunOptions, {name: values[name] for name in _OF_LOGGER}, 'logger')

    @property
    def networks_to_compile(self) -> tuple[str, ...]:
        """Names of networks."""
        if isinstance(self.compile, bool):
            return get_args(CompiledNetwork) if self.compile else ()
        return tuple(self.compile)

    @classmethod
    def from_options(cls, opt: Mapping[str, Any]) -> 'RunOptions':
        """Read the options of a training run."""
        sections = {name: opt['logger' if name in _OF_LOGGER else 'train'] for name in cls.__annotations__}
        given = {name: section[name] for name, section in sections.items() if name in section}
        return cls(**{**given, 'divergence': DivergenceOptions(**(given.get('divergence') or {}))})
