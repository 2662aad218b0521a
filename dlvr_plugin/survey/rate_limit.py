"""How often somebody may ask: a bucket that fills at a steady rate, for each name."""

import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_NAMES = 10_000  # what is remembered of others must not fill the memory


class RateLimit:
    """Lets so many requests through.

    Args:
        per_second: Requests a second that may go on for ever.
        burst: Requests at once after a rest.
        clock: Seconds.

    >>> limit = RateLimit(per_second=1, burst=2, clock=lambda: 0.0)
    >>> [limit.allows('somebody') for _ in range(3)]
    [True, True, False]
    """

    def __init__(self, *, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_second, self.burst, self._clock = per_second, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and when

    def allows(self, name: str) -> bool:
        """Tell whether a request may pass, and count it if so."""
        left = self._left(name)
        passes = left >= 1
        self._buckets[name] = (left - passes, self._clock())
        self._buckets.move_to_end(name)
        while len(self._buckets) > _MOST_NAMES:
            self._buckets.popitem(last=False)
        return passes

    def _left(self, name: str) -> float:
        left, since = self._buckets.get(name, (self.burst, 0.0))
        return min(self.burst, left + (self._clock() - since) * self.per_second)
