"""What the training loop asks of a model beyond BasicSR's ``BaseModel``; a model has what it needs, and no more."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn
from torch.optim import Optimizer

LETTERS = ('g', 't', 'd')
"""Of networks and their optimizers: generator, loss network, discriminator."""


@runtime_checkable
class HasOwnLosses(Protocol):
    """A model with losses that no criterion in a slot ``cri_*`` of BasicSR computes."""

    def current_losses(self) -> list[Tensor]:
        """Return those of the batch whose step comes next; none is taken where one of them is not finite."""


@runtime_checkable
class HasPhases(Protocol):
    """A model that trains different things at different times."""

    def phase(self, current_iter: int) -> str:
        """Return what an iteration, counted from 1, trains, in a few words for the log."""


@runtime_checkable
class CountsIterations(Protocol):
    """A model whose schedules do not all begin with the first iteration; its ``update_learning_rate`` goes by this."""

    def schedule_iters(self, current_iter: int) -> list[int]:
        """Return which iteration each schedule counts in an iteration, counted from 1; below 1 where it rests."""


@runtime_checkable
class HasAverage(Protocol):
    """A model with an exponential moving average of its generator."""

    ema_decay: float
    """Weight of the past in the average; 0 leaves it as it is."""


@runtime_checkable
class HasBestMetrics(Protocol):
    """A model that was validated."""

    best_metric_results: dict[str, dict[str, dict[str, Any]]]
    """By data set and metric: 'better' ('higher' or 'lower'), 'val', and 'iter', when it was reached."""


class GivenOptions(Protocol):
    """The options of a run as they were given, which know what may differ from those of a training state."""

    values: dict[str, Any]
    """Plain ones; training states keep them under ``options``."""

    def changes_since(self, state: Mapping[str, Any]) -> list[str] | None:
        """Return what is applied where a run goes on from a state, a line each; None where the state has no options."""

    def check_resumable(self, state: Mapping[str, Any], file: Path) -> None:
        """Refuse, with a ``UserError``, to go on from a state of a file with options that cannot be applied to it."""


class Resumable(Protocol):
    """What the loop and the repaired ``save_training_state`` and ``save_network`` of BasicSR share about a model."""

    run_state: Callable[[], dict[str, Any]]
    """Set by the loop: returns what a training state holds beside optimizers and schedules."""

    saved_networks: dict[str, str]
    """Set by ``save_network``: SHA-256 of the files of networks that were saved, by name."""


class WatchesOffsets(Protocol):
    """A deformable convolution whose offsets are watched, by the repaired forward pass of ``DCNv2Pack``."""

    largest_offset: Tensor
    """Set to zero by the loop: largest mean of absolute offsets since then, in pixels, a scalar."""


def networks_of(model: Any, letters: str) -> dict[str, nn.Module]:
    """Return the networks ``net_*`` of a model by letter, of those that are asked for.

    Every model has ``net_g``, the one that restores; it may be wrapped for several devices.
    """
    return {letter: vars(model)[f'net_{letter}'] for letter in letters if f'net_{letter}' in vars(model)}


def optimizers_of(model: Any) -> dict[str, Optimizer]:
    """Return the optimizers ``optimizer_*`` of a model by the letter of their network."""
    return {letter: vars(model)[f'optimizer_{letter}'] for letter in LETTERS if f'optimizer_{letter}' in vars(model)}
