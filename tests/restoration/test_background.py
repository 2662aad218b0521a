"""Threads beside the main one: order, bounds, errors and ends."""

import threading
import time

import pytest

from dlvr_plugin.restoration.background import done_behind, made_ahead


def test_items_are_made_ahead_but_not_without_bound():
    made = []

    def items():
        for index in range(100):
            made.append(index)
            yield index

    with made_ahead(items(), 3) as taken:
        assert next(taken) == 0
        time.sleep(0.3)
        assert 3 <= len(made) <= 6
        assert list(taken) == list(range(1, 100))


def test_errors_of_what_makes_items():
    def items():
        yield 1
        raise ValueError('no more')

    with made_ahead(items(), 2) as taken:
        assert next(taken) == 1
        with pytest.raises(ValueError, match='no more'):
            next(taken)


def test_what_is_not_taken_does_not_keep_the_thread():
    before, closed = threading.active_count(), []

    def items():
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    with pytest.raises(KeyError), made_ahead(items(), 2) as taken:  # noqa: PT012
        next(taken)
        raise KeyError
    assert threading.active_count() == before
    assert closed == [True]


def test_work_behind_keeps_the_order_and_is_waited_for():
    done = []

    def work(item):
        time.sleep(0.01)
        done.append(item)

    with done_behind(work, 2) as put:
        for index in range(10):
            put(index)
    assert done == list(range(10))


def test_errors_of_work_behind():
    def work(item):
        raise OSError(28, 'No space left on device')

    with pytest.raises(OSError, match='No space'), done_behind(work, 2) as put:  # noqa: PT012
        for index in range(1000):
            put(index)
            time.sleep(0.001)


def test_work_is_left_after_an_error_of_the_caller():
    done = []

    def work(item):
        time.sleep(0.2)
        done.append(item)

    with pytest.raises(KeyError), done_behind(work, 5) as put:  # noqa: PT012
        for index in range(5):
            put(index)
        raise KeyError
    assert len(done) <= 1
