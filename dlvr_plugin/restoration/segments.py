"""Segments of a video: what is restored and kept at a time, so that work can be stopped, resumed and shared."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple


class Segment(NamedTuple):
    """Frames ``start`` to ``stop - 1``.

    Attributes:
        number: Its number, from 0.
        start: The first frame.
        stop: The frame after the last one.
        chain: Number of its chain: segments that have to be restored one after the other, each with the hidden state
            that the one before has left.
    """

    number: int
    start: int
    stop: int
    chain: int


def plan_segments(
    scenes: Sequence[int],
    *,
    length: int,
    starts: Callable[[range], range],
    has_state: bool,
) -> list[Segment]:
    """Divide frames into segments.

    A segment ends where a scene does if one does between half and one and a half times the length; else within a scene,
    where the next part of it may begin.

    Args:
        scenes: The frames at which scenes begin, and the number of all frames at the end.
        length: About how many frames a segment has.
        starts: Where a part of a scene may begin.
        has_state: Whether a segment that begins within a scene needs the state of the one before.

    >>> plan_segments([0, 8, 20], length=10, starts=lambda scene: scene, has_state=True)
    [Segment(number=0, start=0, stop=8, chain=0), Segment(number=1, start=8, stop=20, chain=1)]
    """
    cuts, stop = scenes[1:-1], scenes[-1]
    borders = [0]
    while borders[-1] + 1.5 * length < stop:
        borders.append(_next_border(borders[-1], scenes, cuts, length, starts))
        if borders[-1] >= stop:
            borders.pop()
            break
    borders.append(stop)
    segments: list[Segment] = []
    for begin, end in pairwise(borders):
        is_new = not has_state or begin == 0 or begin in cuts
        chain = 0 if not segments else segments[-1].chain + int(is_new)
        segments.append(Segment(len(segments), begin, end, chain))
    return segments


def _next_border(
    last: int, scenes: Sequence[int], cuts: Sequence[int], length: int, starts: Callable[[range], range]
) -> int:
    near = [cut for cut in cuts if last + 0.5 * length <= cut <= last + 1.5 * length]
    if near:
        return min(near, key=lambda cut: abs(cut - last - length))
    wanted = last + length
    begin, end = next((begin, end) for begin, end in pairwise(scenes) if begin <= wanted < end)
    allowed = [each for each in starts(range(begin, end)) if each > last]
    return min(allowed, key=lambda each: abs(each - wanted), default=end)


def share_of(segments: Sequence[Segment], number: int, count: int) -> list[Segment]:
    """Return the segments of one of several workers: whole chains, of about as many frames each.

    Args:
        segments: All of them.
        number: Number of the worker, from 0.
        count: How many there are.
    """
    frames: dict[int, int] = {}
    for segment in segments:
        frames[segment.chain] = frames.get(segment.chain, 0) + segment.stop - segment.start
    loads, owner = [0] * count, {}
    for chain in sorted(frames, key=lambda chain: (-frames[chain], chain)):  # the longest first
        worker = loads.index(min(loads))
        owner[chain] = worker
        loads[worker] += frames[chain]
    return [segment for segment in segments if owner[segment.chain] == number]
