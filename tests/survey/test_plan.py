from collections import Counter

import pytest

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.survey.plan import draw_turns, sample_frames
from tests.survey.helpers import plain_study

PAIRS, CLIPS = (('A', 'B'), ('C', 'D')), ('walk', 'city', 'foliage')


def test_a_seed_draws_the_same_and_another_one_something_else():
    plans = [tuple(each.turns for each in plain_study(PAIRS, CLIPS, seed=seed).participants) for seed in (3, 3, 4)]
    assert plans[0] == plans[1] != plans[2]
    assert len(set(plans[0])) == len(plans[0])  # each participant has an order of their own


def test_everybody_is_shown_all_and_sides_are_balanced():
    study = plain_study(PAIRS, CLIPS, checks=2)
    for participant in study.participants:
        shown = [turn.comparison for turn in participant.turns]
        assert sorted(shown) == list(range(len(study.comparisons)))
        trials = [turn for turn in participant.turns if study.comparisons[turn.comparison].kind == 'trial']
        assert sum(turn.swapped for turn in trials) == len(trials) / 2
    swapped = Counter(turn.comparison for each in study.participants for turn in each.turns if turn.swapped)
    assert all(5 <= swapped[index] <= 25 for index in range(len(study.comparisons)))  # of 30, for each comparison


def test_parts_are_drawn_equally_often():
    study = plain_study(PAIRS, CLIPS, participants=25, trials=7)
    counts = Counter(turn.comparison for each in study.participants for turn in each.turns)
    trials = [counts[index] for index, each in enumerate(study.comparisons) if each.kind == 'trial']
    assert sum(trials) == 25 * 7
    assert max(trials) - min(trials) <= 1
    for participant in study.participants:
        assert len({turn.comparison for turn in participant.turns}) == len(participant.turns) == 7 + 2


def test_checks_stand_anywhere():
    study = plain_study(PAIRS, CLIPS, participants=200)
    places = [
        index
        for each in study.participants
        for index, turn in enumerate(each.turns)
        if study.comparisons[turn.comparison].kind == 'bicubic'
    ]
    assert set(places) == set(range(len(study.comparisons)))


@pytest.mark.parametrize('trials', [0, 19])
def test_more_trials_than_there_are(trials):
    study = plain_study(PAIRS, CLIPS)
    with pytest.raises(InvalidValueError, match='1 to 18 trials'):
        draw_turns(study.comparisons, num_participants=1, num_trials=trials, seed=0)


@pytest.mark.parametrize(
    ('num_frames', 'num_wanted', 'expected'), [(41, 3, [6, 20, 34]), (3, 3, [0, 1, 2]), (10, 1, [5]), (4, 2, [1, 3])]
)
def test_frames_are_sampled_at_equal_distances(num_frames, num_wanted, expected):
    assert sample_frames(num_frames, num_wanted) == expected


def test_more_frames_than_there_are():
    with pytest.raises(InvalidValueError, match='1 to 5'):
        sample_frames(5, 6)
