"""An answer as the page sends it: read strictly, because anybody may send anything."""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.survey.study import CHOICES, Participant, Study

MOST_BYTES = 2**16
"""Of an answer: the events of some hundred switches take a tenth of it."""

_MOST_EVENTS = 1000
_EVENTS = ('switch', 'zoom', 'pan', 'play', 'pause', 'hide', 'show')
_MEANS = ('key', 'button', 'picture', '')
_SUBMISSION = re.compile(r'[0-9a-f]{32}')


class Answer(NamedTuple):
    """An answer that is well-formed.

    Attributes:
        turn: Which turn of the participant it answers, from 0.
        submission: Sent again with the same answer, so that it counts once.
        choice: One of ``CHOICES``.
        record: How it came about, see ``_FIELDS``.
    """

    turn: int
    submission: str
    choice: str
    record: dict[str, Any]


def parse_json(content: bytes | str) -> Any:
    """Read JSON that came from outside.

    Raises:
        DataError: It is none, or nested too deeply.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f'no JSON: {type(error).__name__}') from error


def read_answer(content: Any, study: Study, participant: Participant) -> Answer:
    """Read an answer of a participant.

    Raises:
        DataError: It is not as the page sends it, or answers no turn of this participant.
    """
    if not isinstance(content, Mapping) or content.keys() != _FIELDS.keys():
        raise DataError(f'an answer must have {", ".join(_FIELDS)}')
    for name, is_fit in _FIELDS.items():
        if not is_fit(content[name]):
            raise DataError(f'{name} of an answer is not as the page sends it')
    if content['choice'] == 'none' and not study.allow_no_difference:
        raise DataError('this study does not take "none" for an answer')
    if content['language'] not in study.texts:
        raise DataError('language of an answer is none of this study')
    turns = {study.turn_id(participant.token, index): index for index in range(len(participant.turns))}
    if content['turn'] not in turns:
        raise DataError('turn of an answer is none of this participant')
    record = {name: content[name] for name in _FIELDS if name not in ('turn', 'submission', 'choice')}
    return Answer(turns[content['turn']], content['submission'], content['choice'], record)


def _number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and math.isfinite(value) and low <= value <= high


def _count(high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and 0 <= value <= high


def _has(**fields: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def is_fit(value: Any) -> bool:
        return (
            isinstance(value, Mapping)
            and value.keys() == fields.keys()
            and all(check(value[name]) for name, check in fields.items())
        )

    return is_fit


def _is_event(value: Any) -> bool:
    """Milliseconds since the pictures were in place, what was done, and by what means."""
    return (
        isinstance(value, list)
        and len(value) == 3
        and _number(0, 1e9)(value[0])
        and value[1] in _EVENTS
        and value[2] in _MEANS
    )


_SIDE = _number(0, 1e5)
_FIELDS: dict[str, Callable[[Any], bool]] = {
    'turn': lambda value: isinstance(value, str),
    'submission': lambda value: isinstance(value, str) and _SUBMISSION.fullmatch(value) is not None,
    'choice': lambda value: value in CHOICES,
    'seconds': _number(0, 1e6),
    'switches': _count(10**6),
    'events': lambda value: isinstance(value, list) and len(value) <= _MOST_EVENTS and all(map(_is_event, value)),
    'means': lambda value: value in ('key', 'button'),
    'screen': _has(width=_SIDE, height=_SIDE, window_width=_SIDE, window_height=_SIDE, pixel_ratio=_number(0, 100)),
    'view': _has(scale=_number(0, 1e4), x=_number(0, 1), y=_number(0, 1)),
    'language': lambda value: isinstance(value, str),
}
"""What an answer consists of.

``seconds`` from the pictures' being in place to the answer; ``scale`` is screen pixels for a pixel of the picture;
``x`` and ``y`` are the middle of what is seen, in parts of the picture; sizes of screen and window are in CSS pixels.
"""
