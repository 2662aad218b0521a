"""A small evaluation whose frames tell by their colour what they are."""

import hashlib
import math
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from dlvr_plugin.evaluation.evaluation_file import format_json
from dlvr_plugin.report.report_page import write_report

NUM_FRAMES, SIZE = 6, (48, 64)
CLIPS = ['000', 'a clip']
METHODS = ['Alpha', '<b>Beta & "co"</b></script>']
METRICS = {
    'psnr': {'label': 'PSNR', 'direction': 'higher', 'decimals': 2, 'unit': 'dB'},
    'lpips': {'label': 'LPIPS', 'direction': 'lower', 'decimals': 3, 'unit': ''},
}


def colour_of(method: int, clip: int, frame: int) -> tuple[int, int, int]:
    """Red, green and blue of a frame; the ground truth is the last method."""
    return 40 + 80 * method, 20 + 35 * frame, 60 + 120 * clip


def _write_clips(root: Path, method: int) -> None:
    for clip, name in enumerate(CLIPS):
        (root / name).mkdir(parents=True)
        for frame in range(NUM_FRAMES):
            image = np.full((*SIZE, 3), colour_of(method, clip, frame)[::-1], np.uint8)
            assert cv2.imwrite(str(root / name / f'{frame:08d}.png'), image)


def hash_clip(root: Path, clip: str) -> dict:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((root / clip).iterdir())}


def _make_result(method: int, clip: int) -> dict:
    psnr = [None] + [20.0 + 5 * method + clip + frame / 10 for frame in range(1, NUM_FRAMES)]
    lpips = [0.3 + 0.1 * method - frame / 100 for frame in range(NUM_FRAMES)]
    if (method, clip) == (1, 1):
        psnr[2] = math.inf
    mean = {'psnr': float(np.mean(psnr[1:])), 'lpips': float(np.mean(lpips))}
    return {'mean': mean, 'frames': {'psnr': psnr, 'lpips': lpips}}


def _make_method(root: Path, method: int) -> dict:
    _write_clips(root, method)
    clips = {name: {**_make_result(method, clip), 'sha256': hash_clip(root, name)} for clip, name in enumerate(CLIPS)}
    mean = {metric: float(np.mean([clips[name]['mean'][metric] for name in CLIPS])) for metric in METRICS}
    intervals = {
        'psnr': {'frames': None, 'clips': None},
        'lpips': {'frames': [mean['lpips'] - 0.01, mean['lpips'] + 0.01], 'clips': None},
    }
    return {'root': str(root), 'mean': mean, 'intervals': intervals, 'clips': clips}


@pytest.fixture
def evaluation_folder(tmp_path):
    """Folder of an evaluation of two methods on two clips."""
    methods = {name: _make_method(tmp_path / 'clips' / str(index), index) for index, name in enumerate(METHODS)}
    frames = [f'{frame:08d}' for frame in range(NUM_FRAMES)]
    truth = tmp_path / 'clips' / 'gt'
    _write_clips(truth, len(METHODS))
    clip = {'size': list(SIZE), 'frames': frames, 'frame_rate': None}
    folder = tmp_path / 'evaluation'
    folder.mkdir()
    evaluation = {
        'format': 1,
        'protocol': {'crop_border': 8, 'color_space': 'RGB', 'draws': {'seed': 0}, 'note': '<i>'},
        'versions': {'numpy': '2.0'},
        'metrics': METRICS,
        'gt_root': str(truth),
        'clips': {name: {**clip, 'sha256': hash_clip(truth, name)} for name in CLIPS},
        'methods': methods,
    }
    (folder / 'metrics.json').write_text(format_json(evaluation))
    return folder


@pytest.fixture(scope='module')
def browser():
    playwright = pytest.importorskip('playwright.sync_api', reason='Playwright is not installed')
    chromium = shutil.which('chromium')
    if chromium is None:
        pytest.skip('Chromium is not installed')
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=['--no-sandbox'])
        yield browser
        browser.close()


@pytest.fixture
def report(evaluation_folder, tmp_path):
    return write_report(evaluation_folder, tmp_path / 'report').page


@pytest.fixture
def open_page(browser):
    """Function that opens a page; at the end no page may have complained."""
    complaints = []
    contexts = []

    def open_page(path, address='', width=1000, height=900, **settings):
        contexts.append(browser.new_context(viewport={'width': width, 'height': height}, **settings))
        page = contexts[-1].new_page()
        page.on('console', lambda message: complaints.append(message.text))
        page.on('pageerror', lambda error: complaints.append(str(error)))
        page.on('requestfailed', lambda request: complaints.append(request.url))
        page.goto(f'{path.as_uri()}{address}')
        page.wait_for_selector('#pane-b img', state='attached')
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture
def page(open_page, report):
    return open_page(report)
