import pytest
import torch

from dlvr_plugin.losses import shift_at_random


def test_without_a_shift_nothing_is_drawn():
    clip = torch.rand(2, 3, 3, 8, 9)
    state = torch.random.get_rng_state()
    (same,) = shift_at_random([clip], 0)
    assert same is clip
    assert torch.equal(torch.random.get_rng_state(), state)


def test_all_clips_are_cut_at_one_place_and_each_place_comes_as_often():
    rows, columns = torch.meshgrid(torch.arange(7.0), torch.arange(9.0), indexing='ij')
    clip = torch.stack((rows, columns)).expand(2, 3, 2, 7, 9)
    torch.manual_seed(0)
    counts = torch.zeros(4, 4)
    for _ in range(1600):
        part, other = shift_at_random([clip, clip[:, :1]], 4)
        top, left = (int(value) for value in part[0, 0, :, 0, 0])
        assert torch.equal(part, clip[..., top : top + 3, left : left + 5])
        assert torch.equal(other, part[:, :1])
        counts[top, left] += 1
    assert counts.min() > 60  # of 100 expected, with a standard deviation of 9.7
    assert counts.max() < 140


def test_frames_of_which_nothing_is_left_are_refused():
    with pytest.raises(ValueError, match='random_shift: 8 leaves nothing of frames of 8x9'):
        shift_at_random([torch.rand(1, 1, 3, 8, 9)], 8)
