"""Draw numbers, kinds and strengths that change slowly, all from one source."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Limits = tuple[float, float]


class RandomSource(Protocol):
    """What numbers are drawn from: a ``random.Random``, or the module ``random`` itself."""

    def random(self) -> float:
        """Return a number in [0, 1)."""

    def getrandbits(self, k: int, /) -> int:
        """Return a number of k bits."""


@dataclass(frozen=True)
class Draw:
    """Draws what holds for a clip.

    Attributes:
        rng: What numbers are drawn from.
        num_frames: Frames of the clip.
        change: Factor of the steps of what changes slowly.
    """

    rng: RandomSource
    num_frames: int
    change: float

    def chance(self, probability: float) -> bool:
        """Tell whether something happens."""
        return self.rng.random() < probability

    def number(self, limits: Limits) -> float:
        """Return a number between two, all alike."""
        return limits[0] + (limits[1] - limits[0]) * self.rng.random()

    def whole(self, limits: tuple[int, int], *, step: int = 1) -> int:
        """Return one of the numbers from the first to the last, ``step`` apart, all alike."""
        low, high = limits
        return low + step * int(self.rng.random() * ((high - low) // step + 1))

    def kind(self, weights: Mapping[str, float]) -> Any:
        """Return one of the names, by their weights; the caller knows which ``Literal`` they are."""
        left = self.rng.random() * sum(weights.values())
        for name, weight in weights.items():
            left -= weight
            if left < 0:
                return name
        return name  # after rounding

    def seed(self) -> int:
        """Return a number to seed others with."""
        return self.rng.getrandbits(63)

    def walk(self, limits: Limits, *, step: float, start: float | None = None) -> tuple[float, ...]:
        """Return a strength for each frame, which wanders between two limits.

        Args:
            limits: It stays between them.
            step: The farthest that it moves from frame to frame where ``change`` is 1.
            start: Where it starts; by default it is drawn.
        """
        place = self.number(limits) if start is None else start
        reach = step * self.change
        places = [place]
        for _ in range(self.num_frames - 1):
            if reach:
                place = min(max(place + self.number((-reach, reach)), limits[0]), limits[1])
            places.append(place)
        return tuple(places)
