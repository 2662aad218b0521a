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
