"""Samples of a ClipDataset that are varied: flipped, coloured, standing still, going there and back."""

import itertools
import random

import cv2
import pytest
import torch

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.data import ClipDataset, Degradation
from tests.data.conftest import options


def treated_alike(dataset, seed):
    """Return a sample after looking whether its low-quality frames show the same as the ground truth."""
    random.seed(seed)
    item = dataset[0]
    pooled = torch.nn.functional.avg_pool2d(item['gt'], 4)
    assert (pooled - item['lq']).abs().mean() < 0.03
    return item


def test_augmentation_treats_both_alike(clip_root):
    dataset = ClipDataset(options(clip_root, use_hflip=True, use_rot=True, random_reverse=True, dataroot_lq=None))
    plain = ClipDataset(options(clip_root, dataroot_lq=None))
    seen = set()
    for seed in range(40):
        item = treated_alike(dataset, seed)
        seen.add(tuple(item['gt'][0, 0, 0, :3].tolist()))
    assert len(seen) > 8
    random.seed(3)
    assert plain[0]['gt'].shape == (3, 3, 32, 32)


def place_of(crop, image):
    """Return where a crop (3, h, w) lies in an image (3, H, W)."""
    height, width = crop.shape[1:]
    places = image.unfold(1, height, 1).unfold(2, width, 1)  # (3, rows, columns, h, w)
    rows, columns = torch.nonzero((places == crop[:, None, None]).all(-1).all(-1).all(0), as_tuple=True)
    return int(rows[0]), int(columns[0])


@pytest.mark.parametrize('degradation', ['BD', 'BI'])
def test_the_crop_wanders_over_a_first_frame(clip_root, degradation):
    made = options(clip_root, dataroot_lq=None, degradation=degradation, num_frame=5, moving_first_frame=1)
    dataset = ClipDataset(made)
    whole = torch.from_numpy(cv2.imread(str(clip_root / 'GT/000/00000001.png'))[..., ::-1].copy()).movedim(-1, 0) / 255
    steps = set()
    for seed in range(10):
        random.seed(seed)
        item = dataset[1]
        places = [place_of(frame, whole) for frame in item['gt']]
        steps |= {(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(places)}
        for (row, column), lq in zip(places, item['lq'], strict=True):
            # The low-quality frame of the picture from that place on, away from its borders.
            part = whole[:, row % 4 :, column % 4 :]
            part = part[:, : part.shape[1] // 4 * 4, : part.shape[2] // 4 * 4]
            expected = Degradation(type=degradation)(part[None, None])[0]
            top, left = row // 4, column // 4
            torch.testing.assert_close(lq, expected[:, top : top + 8, left : left + 8], rtol=0, atol=1.01 / 255)
            assert (lq - expected[:, top : top + 8, left : left + 8]).abs().mean() < 1e-4
    assert any(row % 4 or column % 4 for row, column in steps)
    assert max(max(map(abs, step)) for step in steps) == 4


def test_the_crop_of_stored_frames_wanders_by_their_pixels(clip_root):
    dataset = ClipDataset(options(clip_root, moving_first_frame=1, moving_first_frame_step=8))
    gt, lq = (
        torch.from_numpy(cv2.imread(str(clip_root / root / '000/00000001.png'))[..., ::-1].copy()).movedim(-1, 0) / 255
        for root in ('GT', 'X4')
    )
    moved = set()
    for seed in range(10):
        random.seed(seed)
        item = dataset[1]
        places = [place_of(frame, lq) for frame in item['lq']]
        assert [place_of(frame, gt) for frame in item['gt']] == [(4 * row, 4 * column) for row, column in places]
        moved |= {b[1] - a[1] for a, b in itertools.pairwise(places)}
    assert moved == {-2, -1, 0, 1, 2}


def test_a_share_of_the_samples_stands_still(clip_root):
    dataset = ClipDataset(options(clip_root, moving_first_frame=0.3))
    random.seed(0)
    still = [len(set(dataset._choose_frames(dataset.clips['000'], 0))) == 1 for _ in range(1000)]
    assert 250 < sum(still) < 350


def test_colours_vary_alike(clip_root):
    changes = {'color_jitter': {'brightness': 0.3, 'hue': 0.1}, 'permute_channels': True, 'dataroot_lq': None}
    dataset = ClipDataset(options(clip_root, **changes))
    plain = ClipDataset(options(clip_root, dataroot_lq=None))
    means = set()
    for seed in range(10):
        item = treated_alike(dataset, seed)
        random.seed(seed)
        assert plain[0]['gt'].shape == item['gt'].shape
        means.add(tuple(item['gt'].mean((0, 2, 3)).tolist()))
    assert len(means) == 10


def test_still_frames_are_not_blurred_on_the_fly(clip_root):
    with pytest.raises(InvalidValueError, match='clips.moving_first_frame: frames that stand still are not blurred'):
        ClipDataset(options(clip_root, scale=1, dataroot_lq=None, moving_first_frame=0.3))


def test_a_palindrome_goes_there_and_back(clip_root):
    random.seed(2)
    clip = ClipDataset(options(clip_root))[3]
    random.seed(2)
    both = ClipDataset(options(clip_root, palindrome=True))[3]
    for name in ('lq', 'gt'):
        assert torch.equal(both[name][:3], clip[name])
        assert torch.equal(both[name][3:], clip[name][[1, 0]])
    with pytest.raises(InvalidValueError, match='clips.palindrome goes with gt_frames: all'):
        ClipDataset(options(clip_root, palindrome=True, gt_frames='middle'))
