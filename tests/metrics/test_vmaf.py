from importlib import import_module

import cv2
import pytest

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.metrics.vmaf import ffmpeg_version, find_ffmpeg, vmaf

vmaf_module = import_module('dlvr_plugin.metrics.vmaf')  # the package exports the function of this name


@pytest.fixture(autouse=True)
def _needs_ffmpeg():
    try:
        find_ffmpeg()
    except DataError as error:
        pytest.skip(str(error))


def test_less_blur_is_better(moving):
    truth = moving(1, 0)
    little, much = ([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in truth] for sigma in (0.6, 2))
    for best, better, worse in zip(vmaf(truth, truth), vmaf(little, truth), vmaf(much, truth), strict=True):
        assert 100 >= best > better > worse >= 0


def test_version_of_ffmpeg():
    assert ffmpeg_version()[0].isdigit() or ffmpeg_version().startswith('n')


def test_clips_that_cannot_be_compared_are_refused(moving):
    frames = moving(1, 0)
    with pytest.raises(ValueError, match=r'4 frames of \(96, 128\) and 3 of \(96, 128\)'):
        vmaf(frames, frames[1:])
    with pytest.raises(ValueError, match='at least two frames'):
        vmaf(frames[:1], frames[:1])
    with pytest.raises(ValueError, match='frames of one size'):
        vmaf([frames[0], frames[1][1:]], frames[:2])


def test_without_ffmpeg_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(vmaf_module.shutil, 'which', lambda name: None)
    monkeypatch.setitem(__import__('sys').modules, 'imageio_ffmpeg', None)
    with pytest.raises(DataError, match='pip install imageio-ffmpeg'):
        find_ffmpeg.__wrapped__()
