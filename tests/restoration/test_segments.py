"""Segments cover all frames once, end at cuts where they can, and are shared by whole chains."""

import random

import pytest

from dlvr_plugin.restoration.overlapping_chunks import OverlappingChunks
from dlvr_plugin.restoration.segments import plan_segments, share_of

WAYS = {
    'anywhere': (lambda scene: scene, False),
    'with a state': (lambda scene: scene, True),
    'chunks': (OverlappingChunks(lambda clip: clip, length=7, overlap=3).starts, False),
}


@pytest.mark.parametrize('way', WAYS)
def test_segments_cover_all_frames(way):
    starts, has_state = WAYS[way]
    rng = random.Random(0)
    for _ in range(200):
        count = rng.randint(1, 300)
        scenes = sorted({0, count, *(rng.randrange(1, count + 1) for _ in range(rng.randint(0, 8)))})
        segments = plan_segments(scenes, length=20, starts=starts, has_state=has_state)
        assert [each.number for each in segments] == list(range(len(segments)))
        assert [frame for each in segments for frame in range(each.start, each.stop)] == list(range(count))
        for each in segments:
            scene = max(begin for begin in scenes if begin <= each.start)
            end = min(end for end in scenes if end > each.start)
            assert each.start in starts(range(scene, end))
            is_first = each.start == scene or not has_state
            assert is_first == (each.number == 0 or each.chain != segments[each.number - 1].chain)
            if way != 'chunks':
                assert each.stop - each.start <= 30


def test_shares_are_whole_chains_of_about_the_same_length():
    segments = plan_segments([0, 90, 100, 220, 260], length=20, starts=lambda scene: scene, has_state=True)
    shares = [share_of(segments, number, 2) for number in range(2)]
    assert sorted(shares[0] + shares[1]) == segments
    assert not {each.chain for each in shares[0]} & {each.chain for each in shares[1]}
    assert abs(sum(each.stop - each.start for each in shares[0]) - 130) <= 30
    assert share_of(segments[:1], 1, 2) == []
