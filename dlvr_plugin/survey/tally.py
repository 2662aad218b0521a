"""What the answers of a study say: which of them count, and how often each method was preferred."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from dlvr_plugin.survey.answers import StoredAnswer
from dlvr_plugin.survey.preference import LEVEL, Interval
from dlvr_plugin.survey.study import Comparison, Mode, Study, Turn

Reason = Literal['failed check', 'too quick', 'no switch']
"""Why an answer is excluded; the first one that holds is counted."""

_DRAWS = 2000  # of participants


class Vote(NamedTuple):
    """An answer that counts, to a comparison of two methods: which one was preferred, and whether that was A."""

    participant: str
    comparison: int
    prefers_first: bool
    chose_a: bool


@dataclass
class Group:
    """Answers to the comparisons of a pair of methods in one mode.

    Attributes:
        pair: Names of the methods.
        mode: How they were shown.
        clips: Names of the clips, in their order.
        votes: What counts.
        no_difference: Answers that saw none, by clip; they are neither excluded nor votes.
        excluded: Answers that do not count, by reason.
    """

    pair: tuple[str, str]
    mode: Mode
    clips: tuple[str, ...]
    votes: list[tuple[str, Vote]] = field(default_factory=list)  # with the clip
    no_difference: Counter[str] = field(default_factory=Counter)
    excluded: Counter[Reason] = field(default_factory=Counter)

    def count(self, clip: str | None = None) -> tuple[int, int]:
        """Return how often the first method was preferred, and the number of votes, of a clip or of all."""
        counted = [vote.prefers_first for name, vote in self.votes if clip in (None, name)]
        return sum(counted), len(counted)

    def questions(self) -> list[tuple[int, int]]:
        """Return the votes for the first and the second method, of each comparison."""
        counts: dict[int, Counter[bool]] = {}
        for _, vote in self.votes:
            counts.setdefault(vote.comparison, Counter())[vote.prefers_first] += 1
        return [(count[True], count[False]) for count in counts.values()]

    def interval_of_participants(self) -> Interval | None:
        """Return the interval of the share by drawing participants anew; None for less than two.

        The exact interval takes answers for independent. Those of one participant are not, where tastes differ.

        Source: the percentile bootstrap; 2000 draws, seed 0.
        """
        totals: dict[str, list[int]] = {}
        for _, vote in self.votes:
            of_participant = totals.setdefault(vote.participant, [0, 0])
            of_participant[0] += vote.prefers_first
            of_participant[1] += 1
        if len(totals) < 2:
            return None
        counts = np.array(list(totals.values()))
        drawn = counts[np.random.default_rng(0).integers(0, len(counts), (_DRAWS, len(counts)))].sum(1)
        tail = (1 - LEVEL) / 2
        low, high = np.quantile(drawn[:, 0] / drawn[:, 1], (tail, 1 - tail))
        return Interval(float(low), float(high))


@dataclass(frozen=True)
class Tally:
    """All that was answered.

    Attributes:
        groups: By pair and mode.
        num_started: Participants with an answer.
        num_finished: Participants who answered all.
        num_failed: Participants who failed more checks than the rules allow.
        same: Answers to a picture against itself: how many chose A, and how many chose A or B.
    """

    groups: tuple[Group, ...]
    num_started: int
    num_finished: int
    num_failed: int
    same: tuple[int, int]


def count_answers(study: Study, answers: Sequence[StoredAnswer]) -> Tally:
    """Apply the rules of a study to its answers, and count what is left."""
    groups: dict[tuple[int, Mode], Group] = {}
    for comparison in study.comparisons:
        if comparison.pair is not None:
            key = (comparison.pair, comparison.mode)
            group = groups.setdefault(key, Group(study.pairs[comparison.pair], comparison.mode, ()))
            if comparison.clip not in group.clips:
                group.clips = (*group.clips, comparison.clip)
    turns = {each.token: each.turns for each in study.participants}
    failed = Counter(
        answer.participant
        for answer, comparison, turn in _resolve(study, answers)
        if _fails(study, answer, comparison, turn)
    )
    refused = {token for token, count in failed.items() if count > study.rules.max_failed_checks}
    same: Counter[str] = Counter()
    for answer, comparison, turn in _resolve(study, answers):
        if comparison.kind == 'same':
            same[answer.choice] += 1
        if comparison.pair is None:
            continue
        group = groups[comparison.pair, comparison.mode]
        if reason := _why_excluded(study, answer, comparison, refused):
            group.excluded[reason] += 1
        elif answer.choice == 'none':
            group.no_difference[comparison.clip] += 1
        else:
            vote = Vote(answer.participant, turn.comparison, _prefers_first(answer, turn), answer.choice == 'a')
            group.votes.append((comparison.clip, vote))
    num_answers = Counter(answer.participant for answer in answers)
    return Tally(
        groups=tuple(groups.values()),
        num_started=len(num_answers),
        num_finished=sum(count == len(turns[token]) for token, count in num_answers.items()),
        num_failed=len(refused),
        same=(same['a'], same['a'] + same['b']),
    )


def _resolve(study: Study, answers: Sequence[StoredAnswer]) -> Iterator[tuple[StoredAnswer, Comparison, Turn]]:
    turns = {each.token: each.turns for each in study.participants}
    for answer in answers:
        turn = turns[answer.participant][answer.turn]
        yield answer, study.comparisons[turn.comparison], turn


def _prefers_first(answer: StoredAnswer, turn: Turn) -> bool:
    return (answer.choice == 'b') == turn.swapped


def _fails(study: Study, answer: StoredAnswer, comparison: Comparison, turn: Turn) -> bool:
    """Tell whether an answer fails a check: bicubic preferred to the original, or a difference where there is none.

    Where 'no difference' is not offered, nothing can be failed in a picture against itself.
    """
    if comparison.kind == 'bicubic':
        return answer.choice == 'none' or not _prefers_first(answer, turn)
    return comparison.kind == 'same' and study.allow_no_difference and answer.choice != 'none'


def _why_excluded(study: Study, answer: StoredAnswer, comparison: Comparison, refused: set[str]) -> Reason | None:
    if answer.participant in refused:
        return 'failed check'
    if answer.record['seconds'] < study.rules.min_seconds:
        return 'too quick'
    if comparison.mode == 'toggle' and answer.record['switches'] < study.rules.min_switches:
        return 'no switch'
    return None


def count_wins(tally: Tally) -> list[tuple[list[str], np.ndarray]]:
    """Return the methods that meet, more than two, and how often each was preferred to each other.

    Methods of pairs that have no method in common, directly or by way of others, do not meet.
    """
    circles: list[set[str]] = []
    for group in tally.groups:
        joined = [circle for circle in circles if circle & set(group.pair)]
        circles = [circle for circle in circles if circle not in joined] + [set(group.pair).union(*joined)]
    order = list(dict.fromkeys(name for group in tally.groups for name in group.pair))
    found = []
    for circle in circles:
        names = [name for name in order if name in circle]
        if len(names) < 3:
            continue
        wins = np.zeros((len(names), len(names)), int)
        for group in tally.groups:
            if group.pair[0] in circle:
                first, second = (names.index(name) for name in group.pair)
                num_first, num_votes = group.count()
                wins[first, second] += num_first
                wins[second, first] += num_votes - num_first
        found.append((names, wins))
    return found
