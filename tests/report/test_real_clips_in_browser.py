"""The whole chain on real footage, where it is at hand beside the checkout: evaluate, report, look."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from dlvr_plugin.cli.main import main
from tests.helpers import REPOSITORY

playwright = pytest.importorskip('playwright.sync_api', reason='Playwright is not installed')
VID4 = REPOSITORY.parent / 'shared' / 'data' / 'vid4' / 'GT'
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not VID4.is_dir(), reason='the real clips, ../shared/data/vid4, are not here'),
]

CLIPS, NUM_FRAMES = ('calendar', 'city'), 6


@pytest.fixture
def page_file(tmp_path):
    """The report of six frames of each clip, blurred weakly and strongly."""
    for clip in CLIPS:
        for index, path in enumerate(sorted((VID4 / clip).iterdir())[:NUM_FRAMES]):
            for method, sigma in (('GT', 0), ('weak', 1), ('strong', 2.5)):
                target = tmp_path / method / clip / f'{index:08d}.png'
                target.parent.mkdir(parents=True, exist_ok=True)
                image = cv2.imread(str(path))
                cv2.imwrite(str(target), cv2.GaussianBlur(image, (0, 0), sigma) if sigma else image)
    results = [f'{method}={tmp_path / method}' for method in ('weak', 'strong')]
    out = tmp_path / 'out'
    assert main(['evaluate', '--gt', str(tmp_path / 'GT'), '--results', *results, '--out', str(out)]) == 0
    assert main(['report', str(out)]) == 0
    means = {name: entry['mean'] for name, entry in json.loads((out / 'metrics.json').read_text())['methods'].items()}
    assert means['weak']['psnr'] > means['strong']['psnr']
    assert means['weak']['tof'] < means['strong']['tof']
    return out / 'report' / 'index.html'


def sharpness(page, left, right):
    """Variance of the Laplacian between two places, in parts of the picture's width."""
    content = np.frombuffer(page.locator('#stage').screenshot(), np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
    height, width = image.shape
    part = image[height // 4 : 3 * height // 4, int(left * width) : int(right * width)]
    return cv2.Laplacian(part, cv2.CV_64F).var()


def file_of(page, side):
    """The frame that a side shows."""
    source = page.locator(f'#pane-{side} img').evaluate('image => decodeURIComponent(new URL(image.src).pathname)')
    return cv2.imread(source)


def drag_border(page, start, end):
    """Drag the border of the wipe between places in parts of the picture's width."""
    stage = page.locator('#stage').bounding_box()
    middle = stage['y'] + stage['height'] / 2
    page.mouse.move(stage['x'] + stage['width'] * start, middle)
    page.mouse.down()
    page.mouse.move(stage['x'] + stage['width'] * end, middle, steps=4)
    page.mouse.up()
    playwright.expect(page.locator('#handle')).to_have_attribute('aria-valuenow', str(round(100 * end)))


@pytest.mark.parametrize('width', [1280, 390])
def test_toggle_wipe_clip_and_frame(browser, page_file, tmp_path, width):
    page = browser.new_page(viewport={'width': width, 'height': 900})
    page.goto(f'{Path(page_file).as_uri()}#clip=city&frame=3&a=weak&b=strong&mode=toggle')
    page.wait_for_selector('#pane-b img', state='attached')
    assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')
    for side, method in (('a', 'weak'), ('b', 'strong')):
        truth = cv2.imread(str(tmp_path / method / 'city' / '00000002.png'))
        np.testing.assert_array_equal(file_of(page, side), truth)
    weak = sharpness(page, 0.3, 0.7)
    page.locator('#stage').click()
    assert sharpness(page, 0.3, 0.7) < 0.6 * weak  # the strongly blurred one has taken its place

    page.locator('#modes label:has([value="wipe"])').click()
    drag_border(page, 0.5, 0.6)
    of_a = sharpness(page, 0.45, 0.58)  # to the left of the border
    drag_border(page, 0.6, 0.4)
    assert sharpness(page, 0.45, 0.58) < 0.6 * of_a  # the same place, now to the right of it

    page.select_option('#clip', label='calendar')
    page.fill('#frame-number', '5')
    page.press('#frame-number', 'Enter')
    playwright.expect(page.locator('#pane-a img')).to_have_attribute('alt', 'weak, clip calendar, frame 00000004')
    truth = cv2.imread(str(tmp_path / 'weak' / 'calendar' / '00000004.png'))
    np.testing.assert_array_equal(file_of(page, 'a'), truth)
    page.close()
