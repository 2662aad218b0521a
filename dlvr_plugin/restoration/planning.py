"""The plan of a restoration: a look through all frames, from the first to the last that is wanted."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.restoration.background import made_ahead
from dlvr_plugin.restoration.frame_sources import FrameSource, TimedImage
from dlvr_plugin.restoration.scene_cuts import find_scenes

_READ_AHEAD = 8
_TIME = re.compile(r'(?:(?:(?P<hours>\d+):)?(?P<minutes>\d+):)?(?P<seconds>\d+(?:\.\d+)?)s?')


@dataclass(frozen=True)
class Position:
    """A place in a video.

    Attributes:
        frame: Number of a frame, from 0.
        seconds: Time since the first frame, instead.
    """

    frame: int | None = None
    seconds: Fraction | None = None


def parse_position(text: str) -> Position:
    """Return the position that a text names: a number of a frame, or a time.

    Raises:
        InvalidValueError: It is none.

    >>> parse_position('1200')
    Position(frame=1200, seconds=None)
    >>> parse_position('1:02.5')
    Position(frame=None, seconds=Fraction(125, 2))
    >>> parse_position('90s').seconds
    Fraction(90, 1)
    """
    if text.isascii() and text.isdigit():
        return Position(frame=int(text))
    match = _TIME.fullmatch(text)
    if match is None or not text.isascii():
        raise InvalidValueError(
            f'{text!r} is no position in a video; expected the number of a frame (1200), or a time (90s, 1:30, '
            '0:01:30.5).'
        )
    hours, minutes = (int(match[name] or 0) for name in ('hours', 'minutes'))
    return Position(seconds=Fraction(match['seconds']) + 60 * minutes + 3600 * hours)


@dataclass(frozen=True)
class Scan:
    """What a look through a video has found of the frames that are wanted.

    Attributes:
        size: h and w.
        scenes: The frames at which scenes begin, and the number of all frames; numbers count from the first one wanted.
        times: When each frame is shown, in ticks.
        last_duration: How long the last one is, in ticks; 0 if unknown.
    """

    size: tuple[int, int]
    scenes: list[int]
    times: list[int]
    last_duration: int


def scan_video(
    source: FrameSource,
    *,
    start: Position | None = None,
    end: Position | None = None,
    threshold: float = 27.0,
    on_frame: Callable[[], object] = lambda: None,
) -> Scan:
    """Look through a video.

    Args:
        source: The video.
        start: Its first frame that is wanted, None for the first of all.
        end: The frame after the last one wanted, None for all.
        threshold: As for ``find_scenes``.
        on_frame: Called at each frame.

    Raises:
        DataError: A frame cannot be read. InvalidValueError: No frame is left.
    """
    times: list[int] = []
    size, last_duration, num_frames = (0, 0), 0, 0

    def wanted(frames: Iterator[TimedImage]) -> Iterator[np.ndarray]:
        nonlocal size, last_duration, num_frames
        first: int | None = None
        for number, frame in enumerate(frames):
            first = frame.pts if first is None else first
            num_frames = number + 1
            on_frame()
            seconds = (frame.pts - first) * source.time_base
            if end is not None and _is_at(end, number, seconds):
                return
            if start is None or _is_at(start, number, seconds):
                times.append(frame.pts)
                last_duration, size = frame.duration, (frame.image.shape[0], frame.image.shape[1])
                yield frame.image

    with made_ahead(source.read(), _READ_AHEAD) as frames:
        scenes = find_scenes(wanted(frames), threshold=threshold)
    if not times:
        if start is None and end is None:
            raise DataError(f'{source.path} holds no frames.')
        raise InvalidValueError(
            f'{source.path} has no frame between --start and --end'
            + ('.' if end is not None else f': it has {num_frames} frames.')
        )
    return Scan(size, scenes, times, last_duration)


def _is_at(position: Position, number: int, seconds: Fraction) -> bool:
    """Tell whether a frame is at a position or after it."""
    if position.frame is not None:
        return number >= position.frame
    assert position.seconds is not None
    return seconds >= position.seconds
