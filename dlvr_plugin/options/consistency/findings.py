"""What checks look at, and where they put what they find."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dlvr_plugin.options.problems import KeyPath, Problem


@dataclass(frozen=True)
class Processes:
    """What a run works on.

    Attributes:
        world_size: Number of processes.
        is_distributed: Whether a launcher started them.
        num_gpu: GPUs that this machine has, for ``num_gpu: auto``.
    """

    world_size: int = 1
    is_distributed: bool = False
    num_gpu: int = 0


@dataclass
class Findings:
    """Options whose values have the right types as far as ``problems`` do not say otherwise.

    Attributes:
        opt: The options.
        is_train: Whether they are those of a training run.
        processes: What it works on.
        problems: What is wrong.
    """

    opt: Mapping[str, Any]
    is_train: bool
    processes: Processes = field(default_factory=Processes)
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._num_of_types = len(self.problems)

    def get(self, *key: str) -> Any:
        """Return the value of a key; None where it is missing or something is wrong with it."""
        value: Any = self.opt
        for part in key:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value if self.is_sound(*key) else None

    def is_sound(self, *key: str) -> bool:
        """Tell whether nothing is wrong with a key, what is in it, and what it is in."""
        return not any(_concerns(problem, key) for problem in self.problems)

    def has_types(self, *key: str) -> bool:
        """Tell the same, but for checks of several options together."""
        return not any(_concerns(problem, key) for problem in self.problems[: self._num_of_types])

    def add(self, key: KeyPath, message: str, *, is_missing: bool = False) -> None:
        """Add a problem."""
        self.problems.append(Problem(key, message, is_missing))

    @contextmanager
    def collect(self, *key: str) -> Iterator[None]:
        """Turn the error of a check into a problem of a key."""
        try:
            yield
        except (ValueError, TypeError, OSError) as error:
            self.problems.append(Problem.from_error(key, error))

    def datasets(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield phase and section of each set; what is in them may be wrong."""
        datasets = self.opt.get('datasets')
        for phase, dataset in datasets.items() if isinstance(datasets, Mapping) else ():
            if isinstance(dataset, Mapping):
                yield str(phase), dict(dataset)

    @property
    def num_gpu(self) -> int:
        """GPUs that the run uses."""
        wanted = self.get('num_gpu')
        return wanted if isinstance(wanted, int) else self.processes.num_gpu


def _concerns(problem: Problem, key: KeyPath) -> bool:
    return problem.key[: len(key)] == key or (not problem.is_missing and key[: len(problem.key)] == problem.key)
