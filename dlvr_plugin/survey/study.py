"""``study.json``: what a study compares, by which rules, and what each participant is shown.

It holds what the participants must not know: which picture is whose, and the key that names and signatures are made of.
"""

import dataclasses
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from dlvr_plugin.core.declarations import NOT_NEGATIVE, Range, check_fields
from dlvr_plugin.core.errors import DataError, UserError
from dlvr_plugin.core.regular_files import read_json, read_regular

STUDY, SITE, FRAMES = 'study.json', 'site', 'frames'
FORMAT = 1

Mode = Literal['toggle', 'side']
"""One picture at a time in one place, or both beside each other."""

Kind = Literal['trial', 'same', 'bicubic', 'practice']
"""Two methods; a check, a picture with itself; a check, a picture with bicubic; something to begin with.

The picture that bicubic is made of is the ground truth or, where there is none, that of a method.
"""

CHOICES = ('a', 'b', 'none')
"""What a participant answers: the picture A, the picture B, or no difference."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Which answers do not count; fixed when the study is made.

    Attributes:
        min_switches: Switches between the two pictures that an answer takes, where one is shown at a time.
        min_seconds: Seconds from the first view of both pictures' place to the answer.
        max_failed_checks: Checks that a participant may fail; after more, no answer of the participant counts.
    """

    min_switches: Annotated[int, NOT_NEGATIVE] = 1
    min_seconds: Annotated[float, Range(minimum=0, maximum=3600)] = 1.0
    max_failed_checks: Annotated[int, NOT_NEGATIVE] = 0

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class Stimulus:
    """A picture or a clip as it is shown.

    Attributes:
        size: Height and width.
        frame_rate: Frames a second, None for one picture.
        files: Names in the folder of frames, in the order of time; they tell nothing.
    """

    size: tuple[int, int]
    frame_rate: float | None
    files: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two stimuli that are compared.

    Attributes:
        kind: What for.
        mode: How they are shown.
        pair: Index of the pair of methods, None unless it is a trial.
        clip: Name of the clip.
        frame: Index of the frame, None for the whole clip.
        first: Index of the stimulus of the pair's first method; of a check with bicubic that of the better picture.
        second: Index of the other one.
    """

    kind: Kind
    mode: Mode
    pair: int | None
    clip: str
    frame: int | None
    first: int
    second: int


class Turn(NamedTuple):
    """What a participant is shown at a time: the comparison, and whether its second stimulus is A (on the left)."""

    comparison: int
    swapped: bool


@dataclass(frozen=True, kw_only=True)
class Participant:
    """Someone who takes part.

    Attributes:
        token: Names the participant and lets in; whoever has it may answer.
        turns: What is shown, in this order.
    """

    token: str
    turns: tuple[Turn, ...]


@dataclass(frozen=True, kw_only=True)
class Study:
    """The whole file.

    Attributes:
        id: Of the study.
        key: Secret, hexadecimal.
        seed: Of the order and the sides.
        name: Of the evaluation.
        picture: What was done to the pictures, for the table.
        allow_no_difference: Whether a third answer is offered.
        rules: Of exclusion.
        pairs: Names of the methods that are compared.
        stimuli: What is shown.
        comparisons: What is asked.
        participants: Who is asked what.
        texts: Of the page, by language.
    """

    id: str
    key: str
    seed: int
    name: str
    picture: str
    allow_no_difference: bool
    rules: Rules
    pairs: tuple[tuple[str, str], ...]
    stimuli: tuple[Stimulus, ...]
    comparisons: tuple[Comparison, ...]
    participants: tuple[Participant, ...]
    texts: Mapping[str, Mapping[str, str]]

    def participant(self, token: str) -> Participant | None:
        """Return who has a token, None where nobody has."""
        return next((each for each in self.participants if each.token == token), None)

    def turn_id(self, token: str, index: int) -> str:
        """Return what the page calls a turn of a participant."""
        return derive(self.key, f'turn/{token}/{index}')[:24]

    def signing_key(self, token: str) -> str:
        """Return the key, hexadecimal, that signs the answers of a participant."""
        return derive(self.key, f'answers/{token}')


def derive(key: str, purpose: str) -> str:
    """Return a name or a key, hexadecimal, that tells nothing about what it is for (HMAC-SHA256)."""
    return hmac.new(bytes.fromhex(key), purpose.encode(), hashlib.sha256).hexdigest()


def format_study(study: Study) -> bytes:
    """Return the content of the file."""
    content = {'format': FORMAT, **dataclasses.asdict(study)}
    return (json.dumps(content, ensure_ascii=False, indent=None, separators=(',', ':')) + '\n').encode()


def read_study(folder: Path) -> tuple[Study, str]:
    """Read the file of a study.

    Args:
        folder: What ``dlvr survey make`` wrote.

    Returns:
        The study, and the SHA-256 of its file, hexadecimal.

    Raises:
        DataError: It is missing, no regular file, damaged, or of another version.
    """
    path = folder / STUDY
    if not path.exists():
        raise DataError(f'{path} is missing: {folder} is not the output of dlvr survey make --out.')
    content = read_json(path)
    if not isinstance(content, dict) or content.pop('format', None) != FORMAT:
        raise DataError(f'{path} is no study of format {FORMAT}. Make the study again.')
    try:
        study = _build(content)
    except (KeyError, TypeError, ValueError, UserError) as error:
        raise DataError(f'{path} is damaged, or was edited: {error}. Put back the file that was made.') from error
    return study, hashlib.sha256(read_regular(path)).hexdigest()


def _build(content: Mapping[str, Any]) -> Study:
    stimuli = [_build_stimulus(each) for each in content['stimuli']]
    fields = {
        **content,
        'rules': Rules(**content['rules']),
        'pairs': tuple((str(one), str(other)) for one, other in content['pairs']),
        'stimuli': tuple(stimuli),
        'comparisons': tuple(Comparison(**each) for each in content['comparisons']),
        'participants': tuple(_build_participant(each) for each in content['participants']),
    }
    return Study(**fields)


def _build_stimulus(entry: Mapping[str, Any]) -> Stimulus:
    height, width = entry['size']
    return Stimulus(size=(height, width), frame_rate=entry['frame_rate'], files=tuple(entry['files']))


def _build_participant(entry: Mapping[str, Any]) -> Participant:
    turns: Sequence[Any] = entry['turns']
    return Participant(token=entry['token'], turns=tuple(Turn(int(index), bool(swapped)) for index, swapped in turns))
