"""What is measured before the work: overlaps, chunks, and tiles that fit."""

import pytest
import torch

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.restoration import measured_limits
from dlvr_plugin.restoration.engine import Engine, EngineOptions
from dlvr_plugin.restoration.find_sources import find_sources
from dlvr_plugin.restoration.measured_limits import choose_tiles, measure_chunks, measure_overlap
from dlvr_plugin.restoration.overlapping_chunks import OverlappingChunks, difference_of_chunks
from dlvr_plugin.restoration.planning import Scan, scan_video
from tests.cli.test_restore_command import write_frames
from tests.restoration.videos import moving_images, tiny_generator


def test_a_network_of_short_reach_needs_the_smallest_overlap():
    overlap, difference = measure_overlap(Engine(tiny_generator('SRVGGNetCompact')), moving_images(1, (170, 180)))
    assert overlap == 16
    assert difference < 0.01


@pytest.mark.parametrize('size', [(20, 30), (40, 300), (100, 20)])
def test_small_frames_are_measured_as_far_as_they_go(size):
    overlap, difference = measure_overlap(Engine(tiny_generator('SRVGGNetCompact')), moving_images(1, size))
    assert overlap == 16
    assert difference < 0.01


def test_the_difference_of_chunks():
    def running_sum(clip):  # what every frame gives, all later ones see
        return clip.cumsum(dim=1)

    clip = torch.full((1, 6, 3, 2, 2), 0.1)
    chunks, whole = (OverlappingChunks(running_sum, length=length, overlap=1) for length in (2, 6))
    # Frames 2 and 3 are restored from 1 on, 4 and 5 as the end of a chunk from 3 on: three frames less.
    assert difference_of_chunks(chunks, whole, clip) == pytest.approx(0.3 * 255)


@pytest.fixture
def source(tmp_path):
    return find_sources([write_frames(tmp_path / 'in', moving_images(9, (40, 48)))])[0]


@pytest.mark.slow
def test_chunks_are_measured_where_there_are_several(source, host_log):
    scan = scan_video(source)
    assert scan == Scan((40, 48), [0, 9], list(range(9)), 1)
    engine = Engine(tiny_generator('BasicVSR'), EngineOptions(chunk_frames=3, chunk_overlap=1))
    difference = measure_chunks(engine, source, scan)
    assert 0 < difference < 255
    assert any(f'differ by at most {difference:.2f}/255' in line for line in host_log)
    assert measure_chunks(Engine(tiny_generator('BasicVSR')), source, scan) is None


def test_tiles_that_fit(source, monkeypatch):
    engine, scan = Engine(tiny_generator('SRVGGNetCompact')), scan_video(source)
    assert choose_tiles(engine, source, scan, tile=0, overlap=None) == (0, 0)
    assert choose_tiles(engine, source, scan, tile=48, overlap=None) == (0, 0)
    assert choose_tiles(engine, source, scan, tile=32, overlap=5) == (32, 5)
    assert choose_tiles(engine, source, scan, tile=None, overlap=None) == (0, 0)  # small frames are not measured
    with pytest.raises(InvalidValueError, match='at least 48 pixels a side with an overlap of 16, got 16'):
        choose_tiles(engine, source, scan, tile=1, overlap=None)
    large = Scan((2000, 3000), scan.scenes, scan.times, 1)
    monkeypatch.setattr(measured_limits, '_free_bytes', lambda device: 2**50)
    assert choose_tiles(engine, source, large, tile=None, overlap=8) == (0, 0)
    monkeypatch.setattr(measured_limits, '_free_bytes', lambda device: 2**20)
    side, overlap = choose_tiles(engine, source, large, tile=None, overlap=8)
    assert 0 < side < 2000
    assert overlap == 8
