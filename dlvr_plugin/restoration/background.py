"""Work that goes on in threads beside the one that restores: bounded queues in, bounded queues out."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

_Item = TypeVar('_Item')
_POLL_SECONDS = 0.1


class _End:
    """Stands in a queue for the end of the items, and for the error that was the reason."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


@contextmanager
def made_ahead(items: Iterable[_Item], size: int) -> Iterator[Iterator[_Item]]:
    """Let a thread make items ahead of those who take them.

    Args:
        items: What makes them.
        size: Most items that wait.

    Yields:
        The items; an error that made an end to them is raised there. At the end, the thread has ended.
    """
    waiting: queue.Queue[_Item | _End] = queue.Queue(size)
    is_over = threading.Event()

    def work() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not _put(waiting, item, is_over):
                    break
        except BaseException as problem:
            error = problem
        finally:
            close = getattr(items, 'close', None)  # of a generator, which may hold files
            if close is not None:
                close()
        _put(waiting, _End(error), is_over)

    def take() -> Iterator[_Item]:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield take()
    finally:
        is_over.set()
        thread.join()


def _put(waiting: queue.Queue[Any], item: Any, is_over: threading.Event) -> bool:
    """Put an item into a queue as soon as there is room; tell whether that was before nobody wanted it any more."""
    while not is_over.is_set():
        try:
            waiting.put(item, timeout=_POLL_SECONDS)
            return True
        except queue.Full:
            continue
    return False


@contextmanager
def done_behind(function: Callable[[_Item], Any], size: int) -> Iterator[Callable[[_Item], None]]:
    """Let a thread work on items, in their order, while others are made.

    Args:
        function: The work on an item.
        size: Most items that wait.

    Yields:
        What takes an item; the error of an earlier one is raised there, or at the end, which waits for all work. After
        an error of the caller's own, what waits is left.
    """
    waiting: queue.Queue[_Item | _End] = queue.Queue(size)
    errors: list[BaseException] = []

    def work() -> None:
        while not isinstance(item := waiting.get(), _End):
            if errors:
                continue
            try:
                function(item)
            except BaseException as problem:
                errors.append(problem)

    def put(item: _Item) -> None:
        if errors:
            raise errors[0]
        waiting.put(item)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield put
    except BaseException as problem:
        errors.append(problem)  # what waits is thrown away
        raise
    finally:
        waiting.put(_End())
        thread.join()
    if errors:
        raise errors[0]
