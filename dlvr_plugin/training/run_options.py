"""What the options say about the run itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dlvr_plugin.core.arguments import check_choice, check_integer, check_number
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.training.divergence import DivergenceOptions
from dlvr_plugin.training.precision import Amp

_NETWORKS = ('net_g', 'net_t')


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Keys of ``train`` and ``logger`` that the training loop reads, for models of any type.

    Attributes:
        amp: 'bf16' or 'fp16' for networks in 16 bits; None for float32.
        channels_last: Keep the generator in the memory format (B, H, W, C).
        compile: Names of networks to compile.
        accum_iter: Batches whose gradients make one iteration.
        grad_clip_g: Largest norm of the gradient of G; None for any.
        grad_clip_t: The same of T.
        divergence: What to do where the numbers go wrong.
        keep_last: How many checkpoints to keep; None for all.

    Raises:
        InvalidValueError: A value out of range. InvalidTypeError: of the wrong type.
    """

    amp: Amp | None = None
    channels_last: bool = False
    compile: tuple[str, ...] = ()
    accum_iter: int = 1
    grad_clip_g: float | None = None
    grad_clip_t: float | None = None
    divergence: DivergenceOptions = field(default_factory=DivergenceOptions)
    keep_last: int | None = None

    def __post_init__(self) -> None:
        if self.amp is not None:
            check_choice('train.amp', self.amp, Amp)
        if unknown := set(self.compile) - set(_NETWORKS):
            raise InvalidValueError(
                f'train.compile must be true, false or a list of {", ".join(_NETWORKS)}, got {unknown.pop()}.'
            )
        check_integer('train.accum_iter', self.accum_iter, minimum=1)
        for name in ('grad_clip_g', 'grad_clip_t'):
            if getattr(self, name) is not None:
                check_number(f'train.{name}', getattr(self, name), above=0)
        if self.keep_last is not None:
            check_integer('logger.keep_last', self.keep_last, minimum=1)

    @classmethod
    def from_options(cls, opt: Mapping[str, Any]) -> 'RunOptions':
        """Read the options of a training run."""
        train = opt['train']
        names = ('amp', 'channels_last', 'accum_iter', 'grad_clip_g', 'grad_clip_t')
        given = {name: train[name] for name in names if name in train}
        compiled = train.get('compile') or ()
        return cls(
            **given,
            compile=_NETWORKS if compiled is True else tuple(compiled),
            divergence=DivergenceOptions(**(train.get('divergence') or {})),
            keep_last=opt['logger'].get('keep_last'),
        )
