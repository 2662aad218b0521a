"""The page of an evaluation without ground truth, with the low-quality input beside the results."""

import json

import cv2
import numpy as np
import pytest

from dlvr_plugin.report.report_page import write_report
from tests.report.conftest import CLIPS, METHODS, NUM_FRAMES, SIZE, colour_of, hash_clip
from tests.report.test_report_in_browser import choose_mode, pixel

playwright = pytest.importorskip('playwright.sync_api', reason='Playwright is not installed')
expect = playwright.expect

pytestmark = pytest.mark.slow

INPUT_COLOUR = (250, 10, 130)


@pytest.fixture
def without_truth(evaluation_folder, tmp_path):
    """Folder of an evaluation as that of the fixture, with an input of a quarter of the size in place of the truth."""
    root = tmp_path / 'clips/input'
    for name in CLIPS:
        (root / name).mkdir(parents=True)
        for frame in range(NUM_FRAMES):
            image = np.full((SIZE[0] // 4, SIZE[1] // 4, 3), INPUT_COLOUR[::-1], np.uint8)
            assert cv2.imwrite(str(root / name / f'{frame:08d}.png'), image)
    file = evaluation_folder / 'metrics.json'
    content = json.loads(file.read_text())
    del content['gt_root']
    for clip in content['clips'].values():
        del clip['sha256']
    clips = {name: {'sha256': hash_clip(root, name)} for name in CLIPS}
    content['input'] = {'root': str(root), 'scale': 4, 'clips': clips}
    file.write_text(json.dumps(content).replace('Infinity', '1e999'))
    return evaluation_folder


def test_the_input_is_seen_in_place_of_the_truth(without_truth, tmp_path, open_page):
    page = open_page(write_report(without_truth, tmp_path / 'report').page)
    assert page.locator('#method-a option').all_inner_texts() == [*METHODS, 'Input (bicubic)']
    assert 'no ground truth' in page.locator('header').inner_text()
    assert page.locator('#results tbody th').all_inner_texts() == METHODS
    assert pixel(page) == colour_of(0, 0, 0)
    page.select_option('#method-b', label='Input (bicubic)')
    page.keyboard.press('t')
    page.keyboard.press('t')
    assert pixel(page) == INPUT_COLOUR
    expect(page.locator('#caption-b')).to_contain_text('B: Input (bicubic)')
    assert page.locator('#caption-b small').inner_text() == ''  # nothing was measured of it
    choose_mode(page, 'wipe')
    assert (pixel(page, 0.4), pixel(page, 0.6)) == (colour_of(0, 0, 0), INPUT_COLOUR)
    for mode in ('side', 'difference', 'profile'):
        choose_mode(page, mode)
    size = page.locator('#pane-b img').evaluate('image => [image.naturalHeight, image.naturalWidth]')
    assert size == list(SIZE)


def test_one_method_alone(without_truth, tmp_path, open_page):
    file = without_truth / 'metrics.json'
    content = json.loads(file.read_text())
    del content['input'], content['methods'][METHODS[1]]
    file.write_text(json.dumps(content).replace('Infinity', '1e999'))
    page = open_page(write_report(without_truth, tmp_path / 'report').page)
    assert page.locator('#method-a option').all_inner_texts() == [METHODS[0]]
    assert pixel(page) == colour_of(0, 0, 0)
    page.keyboard.press('t')
    assert pixel(page) == colour_of(0, 0, 0)
    page.keyboard.press('ArrowRight')
    page.wait_for_function("document.querySelector('#pane-b img').src.includes('00000001')")
    assert pixel(page) == colour_of(0, 0, 1)
