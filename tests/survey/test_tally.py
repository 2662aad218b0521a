from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from dlvr_plugin.survey.preference import exact_interval
from dlvr_plugin.survey.study import Rules
from dlvr_plugin.survey.tally import count_answers, count_wins
from tests.survey.helpers import plain_study, simulate

PAIRS, CLIPS = (('Ours', 'Base'),), ('walk', 'city', 'foliage', 'calendar')


def change(study, answers, kind, number, *, choice=None, **changes):
    """Change the answers to comparisons of a kind, of the first participants."""
    tokens = [each.token for each in study.participants[:number]]
    turns = {each.token: each.turns for each in study.participants}
    changed = []
    for each in answers:
        turn = turns[each.participant][each.turn]
        if each.participant in tokens and study.comparisons[turn.comparison].kind == kind:
            new = each.choice if choice is None else choice(turn)
            each = each._replace(choice=new, record={**each.record, **changes})
        changed.append(each)
    return changed


def test_counts_are_those_of_the_answers():
    study = plain_study(PAIRS, CLIPS)
    answers = simulate(study, lambda comparison: float(comparison.clip in CLIPS[:2]), seed=0)
    group = count_answers(study, answers).groups[0]
    assert [group.count(clip) for clip in CLIPS] == [(90, 90), (90, 90), (0, 90), (0, 90)]
    assert group.count() == (180, 360)
    assert sorted(group.questions()) == [(0, 30)] * 6 + [(30, 0)] * 6


def test_excluded_by_reason():
    study = plain_study(PAIRS, CLIPS, rules=Rules(min_switches=2, min_seconds=2, max_failed_checks=0))
    answers = simulate(study, lambda _: 1.0, seed=0)
    answers = change(study, answers, 'trial', 3, switches=1)
    answers = change(study, answers, 'trial', 2, seconds=1.99)
    answers = change(study, answers, 'bicubic', 1, choice=lambda turn: 'a' if turn.swapped else 'b')
    tally = count_answers(study, answers)
    # 12 trials each: the first participant fails the check, the second is too quick, the third does not switch.
    assert tally.groups[0].excluded == Counter({'failed check': 12, 'too quick': 12, 'no switch': 12})
    assert tally.groups[0].count() == (27 * 12, 27 * 12)
    assert (tally.num_started, tally.num_finished, tally.num_failed) == (30, 30, 1)


def test_failed_checks_that_are_allowed():
    study = plain_study(PAIRS, CLIPS, rules=Rules(max_failed_checks=1))
    answers = simulate(study, lambda _: 1.0, seed=0)
    answers = change(study, answers, 'bicubic', 4, choice=lambda turn: 'a' if turn.swapped else 'b')
    assert count_answers(study, answers).num_failed == 0


def test_no_difference_is_neither_a_vote_nor_excluded():
    study = plain_study(PAIRS, CLIPS, allow_no_difference=True)
    answers = simulate(study, lambda _: 1.0, seed=0)
    answers = change(study, answers, 'trial', 2, choice=lambda _: 'none')
    tally = count_answers(study, answers)
    assert tally.groups[0].no_difference == Counter(dict.fromkeys(CLIPS, 6))
    assert tally.groups[0].count() == (28 * 12, 28 * 12)
    assert tally.num_failed == 0
    seen = change(study, answers, 'same', 5, choice=lambda _: 'b')
    assert count_answers(study, seen).num_failed == 5
    assert count_answers(study, seen).same == (0, 5)


def test_side_by_side_needs_no_switch():
    study = plain_study(PAIRS, CLIPS)
    study = replace(study, comparisons=tuple(replace(each, mode='side') for each in study.comparisons))
    tally = count_answers(study, simulate(study, lambda _: 1.0, seed=0, switches=0))
    assert not tally.groups[0].excluded
    assert tally.groups[0].mode == 'side'


def test_who_stopped_early_counts_as_far_as_they_went():
    study = plain_study(PAIRS, CLIPS, checks=0)
    answers = [each for each in simulate(study, lambda _: 1.0, seed=0) if each.turn < 5]
    tally = count_answers(study, answers)
    assert (tally.num_started, tally.num_finished, tally.groups[0].count()) == (30, 0, (150, 150))


@pytest.mark.slow
def test_intervals_hold_the_truth():
    """Over 200 seeds; those of clips together with those of all, because one number a seed says little."""
    held, of_participants = {None: [], **{clip: [] for clip in CLIPS}}, []
    for seed in range(200):
        study = plain_study(PAIRS, CLIPS, participants=40, seed=seed)
        group = count_answers(study, simulate(study, lambda _: 0.7, seed=seed)).groups[0]
        for clip, found in held.items():
            low, high = exact_interval(*group.count(clip))
            found.append(low <= 0.7 <= high)
        low, high = group.interval_of_participants()
        of_participants.append(low <= 0.7 <= high)
    assert 0.93 <= np.mean(held[None]) <= 0.97
    assert 0.93 <= np.mean([each for clip in CLIPS for each in held[clip]]) <= 0.97
    assert 0.91 <= np.mean(of_participants) <= 0.98


def test_the_interval_of_participants_is_wider_where_tastes_differ():
    study = plain_study(PAIRS, CLIPS, participants=40, checks=0)
    answers = simulate(study, lambda _: 0.5, seed=0)
    first = {each.token for each in study.participants[:20]}
    turns = {each.token: each.turns for each in study.participants}
    split = [
        each._replace(choice='a' if (each.participant in first) != turns[each.participant][each.turn].swapped else 'b')
        for each in answers
    ]
    group = count_answers(study, split).groups[0]
    exact, drawn = exact_interval(*group.count()), group.interval_of_participants()
    # Half of the participants prefer one always: the share is known as well as by 40 throws of a coin.
    assert drawn.high - drawn.low == pytest.approx(2 * 1.96 * 0.5 / 40**0.5, rel=0.1)
    assert drawn.high - drawn.low > 3 * (exact.high - exact.low)


def test_methods_that_meet():
    pairs = (('A', 'B'), ('C', 'D'), ('B', 'E'))
    study = plain_study(pairs, ('walk',), participants=10, checks=0)
    tally = count_answers(study, simulate(study, lambda each: float(each.pair != 2), seed=0))
    [(names, wins)] = count_wins(tally)
    assert names == ['A', 'B', 'E']  # C and D meet nobody else
    assert wins.tolist() == [[0, 30, 0], [0, 0, 0], [0, 30, 0]]
