"""Fixtures and helpers that several test files share."""

import logging
import random
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from dlvr_plugin import host
from dlvr_plugin.data import framework_datasets
from dlvr_plugin.training import step_features

# How tests that were skipped can be had to run, by a part of the reason.
_REMEDIES = {
    'Chromium': 'install Chromium: apt-get install chromium',
    'Playwright': "pip install --editable '.[test]'",
    'mmcv': "pip install --editable '.[mmcv]'",
    'wandb': "pip install --editable '.[wandb]'",
    'ffmpeg': "pip install --editable '.[vmaf]'",
    'GPU': 'run them on a machine with a GPU of NVIDIA',
    'root may': 'run them as another user than root',
    'clips': 'put the clips where the reason says',
}

host.apply()  # as the commands do
framework_datasets.install()
step_features.install()


def pytest_terminal_summary(terminalreporter):
    """Say of every kind of test that was skipped why, and how to have it run."""
    skipped = terminalreporter.stats.get('skipped', ())
    # A file that is skipped as a whole is so twice, as tests and as examples.
    distinct = {(report.nodeid, report.longrepr[2].removeprefix('Skipped: ')) for report in skipped}
    for line in skip_lines(Counter(reason for _, reason in distinct)):
        terminalreporter.write_line(line)


def skip_lines(reasons: Counter[str]) -> list[str]:
    """Return a line for every reason why tests were skipped, with their number."""
    lines = []
    for reason, count in sorted(reasons.items()):
        remedy = next((how for part, how in _REMEDIES.items() if part in reason), None)
        lines.append(f'{count} skipped: {reason}.' + (f' To run: {remedy}.' if remedy else ''))
    return lines


@pytest.fixture(autouse=True)
def _seeded():
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def make_clip(folder: Path, num_frames: int, size: tuple[int, int], suffix: str = '.png', seed: int = 0) -> None:
    """Write a clip of smooth noise that moves by one pixel a frame."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[0] + 8, size[1] + num_frames + 8, 3)).astype(np.uint8)
    texture = cv2.GaussianBlur(noise, (0, 0), 1.5)
    for index in range(num_frames):
        frame = texture[4 : 4 + size[0], 4 + index : 4 + index + size[1]]
        assert cv2.imwrite(str(folder / f'{index:08d}{suffix}'), np.ascontiguousarray(frame))


def make_clips(root: Path, *, number: int = 3, length: int = 7) -> Path:
    """Make clips of 64x80 pixels below ``GT``, and their bicubic LQ below ``X4``."""
    from tests.helpers import make_lq

    for index in range(number):
        make_clip(root / 'GT' / f'{index:03d}', length, (64, 80), seed=index)
    make_lq(root / 'GT', root / 'X4')
    return root


@pytest.fixture
def clip_root(tmp_path):
    """Three clips of 7 frames, 64x80 pixels, below ``GT``, and their bicubic LQ below ``X4``."""
    return make_clips(tmp_path)


@pytest.fixture
def host_log():
    """Messages that go to the host's logger."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = logging.getLogger('basicsr')
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)
    logger.setLevel(level)
