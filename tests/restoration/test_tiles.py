"""Tiles cover the frame, and add up to what the whole frame gives where the overlap is enough."""

from itertools import pairwise

import pytest
import torch

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.restoration.engine import Engine, EngineOptions
from dlvr_plugin.restoration.tiles import spans, tiles_of, weights_of
from tests.restoration.test_engine import restored
from tests.restoration.videos import moving_images, tiny_generator


@pytest.mark.parametrize('length', [1, 64, 65, 80, 97, 200, 331])
def test_spans_cover_the_line(length):
    found = spans(length, 64, 16)
    assert found[0][0] == 0
    assert found[-1][1] == length
    assert all(start % 16 == 0 for start, _ in found)
    assert all(later[0] <= earlier[1] - 32 for earlier, later in pairwise(found))


def test_weights_leave_no_pixel_out():
    size = (100, 130)
    total = torch.zeros(200, 260)
    for tile in tiles_of(size, 64, 16):
        tile.crop(total, 2).add_(weights_of(tile, size, 16, 2))
    assert total.min() > 0.5
    plain = spans(160, 64, 16)
    assert plain[:2] == [(0, 64), (32, 96)]
    tile = tiles_of((16, 160), 64, 16)[1]
    row = weights_of(tile, (16, 160), 16, 1)[0]
    assert row[:12].max() == 0  # three quarters of the overlap
    assert row[20:44].min() == 1
    assert torch.all(row[12:20].diff() > 0)


@pytest.mark.parametrize('name', ['SRVGGNetCompact', 'FRNet', 'STRCNN'])
def test_tiles_give_what_whole_frames_give(name):
    images = moving_images(3, (50, 90))
    generator = tiny_generator(name)
    whole = restored(Engine(generator), images)
    tiled = restored(Engine(generator, EngineOptions(tile=64, tile_overlap=20)), images)
    assert tiled.shape == whole.shape
    assert (tiled.clamp(0, 1) - whole.clamp(0, 1)).abs().max() < 2 / 255


def test_states_of_tiles_are_saved():
    engine = Engine(tiny_generator('FRNet'), EngineOptions(tile=48, tile_overlap=8))
    images = moving_images(6, (40, 70))
    assert torch.equal(restored(engine, images, cuts=[2, 4]), restored(engine, images))


def test_a_tile_that_is_all_overlap():
    engine = Engine(tiny_generator('FRNet'), EngineOptions(tile=64, tile_overlap=32))
    with pytest.raises(InvalidValueError, match='at least 80 pixels'):
        engine.restorer((200, 200))
