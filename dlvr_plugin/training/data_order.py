"""Which sample comes when, and how it is augmented, as functions of seed, epoch and place in the epoch alone.

Neither depends on how many workers read, on how many processes share a batch, on what a process has drawn before, or
on where a run was resumed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from dlvr_plugin.core.declarations import OnResume
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.random_state import cpu_states_kept, mix_seeds, seed_cpu

Place = tuple[int, int]  # epoch, place in the enlarged data set

ANOTHER_ORDER = OnResume(note='samples come in the order of a run that had it from the start')
"""Of options that say how many samples an epoch or an iteration has: a resumed run counts in these from iteration 1."""

_MOST_SAMPLES = 10**8  # of an epoch, whose order takes 8 bytes for each


def check_epoch(num_samples: int) -> None:
    """Demand that the samples of an epoch, each as often as it is drawn, can be put in order in memory.

    Raises:
        InvalidValueError: They are too many.
    """
    if num_samples > _MOST_SAMPLES:
        raise InvalidValueError(
            f'datasets.train.dataset_enlarge_ratio must be lower: it makes {num_samples} samples an epoch, at most '
            f'{_MOST_SAMPLES} are possible. A run goes through as many epochs as it needs.'
        )


@dataclass(frozen=True, kw_only=True)
class DataOrder:
    """The order of the samples of a run.

    Attributes:
        num_samples: Samples of the data set.
        enlarge_ratio: How often each is drawn in an epoch (``dataset_enlarge_ratio``).
        batch_size: Samples of a batch of one process.
        seed: ``manual_seed``.
        accum_iter: Batches that each process takes for one iteration.
        variant: Number of the order; another one after each roll-back.
        rank: Process that draws.
        world_size: Processes that share the samples.

    Raises:
        InvalidValueError: An epoch has fewer samples than an iteration takes, or more than can be put in order.
    """

    num_samples: int
    enlarge_ratio: int
    batch_size: int
    seed: int
    accum_iter: int = 1
    variant: int = 0
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        check_epoch(self.num_samples * self.enlarge_ratio)
        if self.iters_per_epoch < 1:
            raise InvalidValueError(
                f'datasets.train has {self.num_samples * self.enlarge_ratio} samples an epoch, but an iteration takes '
                f'{self.global_batch}. Raise dataset_enlarge_ratio or lower batch_size_per_gpu.'
            )

    @property
    def samples_per_iter(self) -> int:
        """Samples that one process takes for one iteration, all its batches together."""
        return self.batch_size * self.accum_iter

    @property
    def global_batch(self) -> int:
        """Samples that all processes take together for one iteration."""
        return self.samples_per_iter * self.world_size

    @property
    def iters_per_epoch(self) -> int:
        """Iterations of an epoch; samples that fill none are left out, others in each epoch."""
        return self.num_samples * self.enlarge_ratio // self.global_batch

    def epoch_of(self, current_iter: int) -> int:
        """Return the epoch, from 0, of an iteration, from 1."""
        return (current_iter - 1) // self.iters_per_epoch

    def places(self, epoch: int) -> np.ndarray:
        """Return the places that this process draws in an epoch, in order.

        The order of all is cut into global batches, and these into batches, which the processes take in turn.
        """
        generator = torch.Generator().manual_seed(mix_seeds(self.seed, self.variant, epoch))
        places = torch.randperm(self.num_samples * self.enlarge_ratio, generator=generator).numpy()
        batches = places[: self.iters_per_epoch * self.global_batch].reshape(-1, self.world_size, self.batch_size)
        return batches[:, self.rank].ravel()

    def batch_in_iteration(self, index: int) -> int:
        """Return which batch of an iteration, over all processes, this process takes as its own one of an index."""
        return index * self.world_size + self.rank

    @property
    def division(self) -> dict[str, int]:
        """Return how an iteration's samples are divided, for a training state."""
        return {'world_size': self.world_size, 'accum_iter': self.accum_iter, 'batch_size': self.batch_size}


class ResumableSampler(Sampler[Place]):
    """Draws the samples of the iterations from one to another, over as many epochs as that takes.

    Args:
        order: Order of the samples.
        start_iter: Iterations done already.
        total_iter: Last iteration.
    """

    def __init__(self, order: DataOrder, start_iter: int, total_iter: int) -> None:
        self.order, self.start_iter, self.total_iter = order, start_iter, total_iter

    def __len__(self) -> int:
        return max(self.total_iter - self.start_iter, 0) * self.order.samples_per_iter

    def __iter__(self) -> Iterator[Place]:
        left = len(self)
        epoch, iters_done = divmod(self.start_iter, self.order.iters_per_epoch)
        skipped = iters_done * self.order.samples_per_iter
        while left > 0:
            places = self.order.places(epoch)[skipped : skipped + left]
            for place in places:
                yield epoch, int(place)
            left -= len(places)
            epoch, skipped = epoch + 1, 0


class SeededDataset(Dataset):
    """A data set whose random choices for a sample follow from seed, epoch and place.

    Python's, NumPy's and torch's random states are as before after each sample; a GPU's is not touched.

    Args:
        dataset: Data set that draws from Python's, NumPy's or torch's global generator.
        order: Order of the samples.
    """

    def __init__(self, dataset: Dataset, order: DataOrder) -> None:
        self.dataset, self.order = dataset, order
        self.opt = getattr(dataset, 'opt', {})

    def __len__(self) -> int:
        return self.order.num_samples

    def __getitem__(self, place: Place) -> Any:
        epoch, index = place
        with cpu_states_kept():  # what a dataset draws, it draws on the CPU
            seed_cpu(self.order.seed, self.order.variant, epoch, index)
            return self.dataset[index % self.order.num_samples]
