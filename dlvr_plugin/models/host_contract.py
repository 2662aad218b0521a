"""What a model over a host model asks of it, and what a host model may say about itself.

A host model calls ``self.cri_perceptual(output, gt)`` in its ``optimize_parameters``; in which iterations, and how
often in one, is its own affair.
"""

from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.models.host_models import PLAIN_HOSTS, GeneratorType

PATIENCE = 3
"""Iterations in which a host model should have called its perceptual loss, and has not, before that is an error."""


@runtime_checkable
class PicksOutput(Protocol):
    """A host model of a generator that gives more than the restored frames."""

    def pick_output(self, output: Any) -> Tensor:
        """Return the restored frames in what the generator gives."""


@runtime_checkable
class BeginsLater(Protocol):
    """A host model that calls its perceptual loss only after some iterations."""

    first_perceptual_iter: int
    """Iteration of the first call; 1 is the first one in which G learns."""


@runtime_checkable
class HasDiscriminator(Protocol):
    """A model of BasicSR with a discriminator, which leaves out the losses of G in some iterations."""

    net_d_iters: int
    """Every how many iterations G learns."""

    net_d_init_iters: int
    """Iterations before G begins to."""


class PerceptualCalls:
    """Finds out whether a host model ever calls its perceptual loss.

    Args:
        host: Name of the class.
        generator_type: What its generator takes and gives.

    Attributes:
        seen: Whether it has been called.
    """

    def __init__(self, host: str, generator_type: GeneratorType) -> None:
        self.host, self.generator_type, self.seen = host, generator_type, False
        self._first_iter: int | None = None  # of this process
        self._missed: set[int] = set()

    def check(self, model: Any, current_iter: int) -> None:
        """Take note of an iteration that is over.

        Iterations count in which the model should have called: those after ``first_perceptual_iter`` or
        ``net_d_init_iters``, every ``net_d_iters``. A run that is resumed after the first ``PATIENCE`` of them is taken
        to have passed, because a model may stop calling.

        Args:
            model: The host model.
            current_iter: Iteration, from 1 where G begins to learn.

        Raises:
            InvalidValueError: It has not called in ``PATIENCE`` such iterations.
        """
        if self._first_iter is None:
            self._first_iter = current_iter
        every, first = 1, 1
        if isinstance(model, HasDiscriminator):
            every, first = model.net_d_iters, model.net_d_init_iters + 1
        if isinstance(model, BeginsLater):
            first = max(first, model.first_perceptual_iter)
        last = (-(-first // every) + PATIENCE - 1) * every
        if self.seen or self._first_iter > last or current_iter < first or current_iter % every:
            return
        self._missed.add(current_iter)
        if len(self._missed) < PATIENCE:
            return
        raise InvalidValueError(
            f'host_model: {self.host} has not called its perceptual loss in the iterations '
            f'{", ".join(map(str, sorted(self._missed)))} in which G learns, so that T does not learn, nor G from T. '
            f'Set host_model: {PLAIN_HOSTS[self.generator_type]}, or let optimize_parameters of {self.host} call '
            'self.cri_perceptual(output, gt). A model that begins later says so by its attribute '
            'first_perceptual_iter.'
        )
