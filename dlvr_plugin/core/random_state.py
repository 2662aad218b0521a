"""Seeds and states of Python's, NumPy's and torch's global random generators."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def mix_seeds(*numbers: int) -> int:
    """Return a seed below 2^63 that differs wherever one of some whole numbers, at least 0, does.

    >>> mix_seeds(1, 2) == mix_seeds(1, 2), mix_seeds(1, 2) == mix_seeds(2, 1)
    (True, False)
    """
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def seed_cpu(*numbers: int) -> int:
    """Seed Python's, NumPy's and torch's generators of the CPU from some whole numbers, and return the seed."""
    seed = mix_seeds(*numbers)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.random.default_generator.manual_seed(seed)
    return seed


_shared: list[torch.Generator] = []


@contextmanager
def shared_draws(*numbers: int) -> Iterator[None]:
    """Give ``shared_generator`` a generator of its own, seeded from some whole numbers, at least 0."""
    _shared.append(torch.Generator().manual_seed(mix_seeds(*numbers)))
    try:
        yield
    finally:
        _shared.pop()


def shared_generator() -> torch.Generator | None:
    """Return the generator for what counts for a whole global batch, however many batches and processes divide it.

    Within ``shared_draws`` all that share its numbers draw the same from it. Elsewhere it is None, for torch's global
    generator.
    """
    return _shared[-1] if _shared else None


def seed_everything(*numbers: int) -> None:
    """Seed the generators of the CPU and, where it is in use, of the GPU from some whole numbers, at least 0."""
    seed = seed_cpu(*numbers)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


@contextmanager
def cpu_states_kept() -> Iterator[None]:
    """Give the generators of the CPU back as they were."""
    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.random.set_rng_state(states[2])


@contextmanager
def random_states_kept() -> Iterator[None]:
    """Give the generators of the CPU and of all GPUs back as they were."""
    cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    with cpu_states_kept():
        try:
            yield
        finally:
            if cuda_states:
                torch.cuda.set_rng_state_all(cuda_states)
