import colorsys
import random

import numpy as np
import pytest
import torch

from dlvr_plugin.core.errors import InvalidTypeError, InvalidValueError
from dlvr_plugin.data.augmentation import ColorJitter, draw_walk, permute_channels


def frames(height=8, width=8, seed=0):
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))


def jitter(seed=0, **spreads):
    random.seed(seed)
    return ColorJitter(**spreads)(frames(2, 2, 1), frames())


def drawn(seed, *spreads, hue=0.0):
    """Return the factors, in the order in which the jitter draws them."""
    random.seed(seed)
    return [random.uniform(max(1 - spread, 0), 1 + spread) for spread in spreads], random.uniform(-hue, hue)


@pytest.mark.parametrize('seed', range(3))
def test_brightness_multiplies(seed):
    (factor, *_), _ = drawn(seed, 0.4, 0.0, 0.0)
    lq, gt = jitter(seed, brightness=0.4)
    torch.testing.assert_close(gt, (factor * frames()).clamp(0, 1))
    torch.testing.assert_close(lq, (factor * frames(2, 2, 1)).clamp(0, 1))


@pytest.mark.parametrize('seed', range(3))
def test_contrast_turns_both_about_the_grey_of_the_ground_truth(seed):
    (_, factor, _), _ = drawn(seed, 0.0, 0.5, 0.0)
    lq, gt = jitter(seed, contrast=0.5)
    grey = (frames() * torch.tensor([0.2989, 0.587, 0.114])[:, None, None]).sum(1).mean()
    torch.testing.assert_close(gt, (grey + factor * (frames() - grey)).clamp(0, 1))
    torch.testing.assert_close(lq, (grey + factor * (frames(2, 2, 1) - grey)).clamp(0, 1))


@pytest.mark.parametrize('seed', range(3))
def test_hue_turns_the_colour_circle(seed):
    _, angle = drawn(seed, 0.0, 0.0, 0.0, hue=0.3)
    _, gt = jitter(seed, hue=0.3)
    for before, after in zip(
        frames().movedim(1, -1).reshape(-1, 3).tolist(), gt.movedim(1, -1).reshape(-1, 3).tolist(), strict=True
    ):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        assert after == pytest.approx(colorsys.hsv_to_rgb((hue + angle) % 1, saturation, value), abs=1e-4)


def test_no_saturation_left_is_grey():
    lq, gt = jitter(5, saturation=1.0)
    assert not torch.equal(gt, frames())
    random.seed(0)
    grey = ColorJitter(saturation=1e-9)(lq, gt)[1]
    torch.testing.assert_close(grey, gt)


def test_without_any_spread_nothing_changes():
    assert all(map(torch.equal, jitter(), (frames(2, 2, 1), frames())))


def test_the_order_of_the_changes_varies():
    found = {round(float(jitter(seed, brightness=0.9, contrast=0.9)[1].sum()), 3) for seed in range(20)}
    assert len(found) == 20


@pytest.mark.parametrize(
    ('options', 'error', 'message'),
    [
        ({'hue': 0.6}, InvalidValueError, 'jitter.hue must be at most 0.5'),
        ({'contrast': -0.1}, InvalidValueError, 'jitter.contrast must be at least 0'),
        ({'gamma': 1}, InvalidValueError, 'jitter must be a section with some of brightness, .*, got {.gamma.: 1}'),
        (0.2, InvalidValueError, 'jitter must be a section .* got 0.2'),
        ({'brightness': 'much'}, InvalidTypeError, 'brightness'),
    ],
)
def test_unusable_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        ColorJitter.from_options(options, 'jitter')


def test_channels_are_exchanged_alike():
    seen = set()
    for seed in range(40):
        random.seed(seed)
        lq, gt = permute_channels(frames(2, 2, 1), frames())
        order = [next(k for k in range(3) if torch.equal(gt[:, c], frames()[:, k])) for c in range(3)]
        assert sorted(order) == [0, 1, 2]
        assert torch.equal(lq, frames(2, 2, 1)[:, order])
        seen.add(tuple(order))
    assert len(seen) == 6


def test_a_walk_stays_inside_and_takes_every_step():
    random.seed(0)
    places = draw_walk(5000, 4, largest_step=4, last=40)
    assert min(places) == 0
    assert max(places) == 40
    steps = np.diff(places)
    assert set(steps.tolist()) == set(range(-4, 5))
    assert {place % 4 for place in draw_walk(200, 8, largest_step=10, last=42, unit=4)} == {0}
    assert max(np.abs(np.diff(draw_walk(500, 8, largest_step=10, last=42, unit=4)))) == 8
    assert draw_walk(3, 0, largest_step=4, last=0) == [0, 0, 0, 0]
