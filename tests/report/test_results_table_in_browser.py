import json

import cv2
import numpy as np
import pytest

from dlvr_plugin.report.report_page import write_report
from tests.report.conftest import CLIPS

playwright = pytest.importorskip('playwright.sync_api', reason='Playwright is not installed')
expect = playwright.expect

pytestmark = pytest.mark.slow


def rows(page):
    return [int(row.get_attribute('data-method')) for row in page.locator('#results tbody tr').all()]


def test_table_marks_and_sorts(page):
    cells = page.locator('#results tbody td')
    assert [cell.locator('.number').inner_text() for cell in cells.all()] == ['20.80', '0.275', '∞', '0.375']
    assert [cell.get_attribute('class') for cell in cells.all()] == ['second', 'best', 'best', 'second']
    header = page.locator('#results th[data-column="0"]')
    header.locator('button').click()
    assert rows(page) == [1, 0]
    expect(header).to_have_attribute('aria-sort', 'descending')
    expect(header.locator('button')).to_be_focused()
    page.keyboard.press('Enter')
    assert rows(page) == [0, 1]
    expect(header).to_have_attribute('aria-sort', 'ascending')
    page.select_option('#table-scope', label=f'clip {CLIPS[0]}')
    assert page.locator('#results tr[data-method="1"] .number').first.inner_text() == '25.30'


def test_intervals_are_shown_on_demand(page):
    cell = page.locator('#results tbody td').nth(1)
    expect(cell).to_have_attribute('title', '95 % interval over frames: 0.265 – 0.285')
    expect(cell.locator('small')).to_have_count(0)
    page.check('#show-intervals')
    expect(cell.locator('small')).to_have_text('0.265 – 0.285')


@pytest.fixture
def wide_report(evaluation_folder, tmp_path):
    """A page whose table has three metrics more."""
    path = evaluation_folder / 'metrics.json'
    content = json.loads(path.read_text())
    for name in ('tof', 'ssim', 'vmaf'):
        content['metrics'][name] = {**content['metrics']['lpips'], 'label': name.upper()}
        for method in content['methods'].values():
            for entry in (method, *method['clips'].values()):
                entry['mean'][name] = entry['mean']['lpips']
            method['intervals'][name] = method['intervals']['lpips']
            for clip in method['clips'].values():
                clip['frames'][name] = clip['frames']['lpips']
    path.write_text(json.dumps(content).replace('Infinity', '1e999'))
    return write_report(evaluation_folder, tmp_path / 'wide').page


def edge_of(page, place):
    """Columns of a picture of the table's frame: eight at its left or right edge, all rows."""
    content = np.frombuffer(page.locator('#results-frame').screenshot(), np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_COLOR).astype(int)
    return image[:, :8] if place == 'left' else image[:, -8:]


def test_a_table_that_is_too_wide_shows_that_it_goes_on(open_page, wide_report):
    page = open_page(wide_report, width=390, height=844)
    frame, note = page.locator('#results-frame'), page.locator('#scroll-note')
    expect(frame).to_have_attribute('data-after', 'true')
    expect(frame).to_have_attribute('data-before', 'false')
    expect(note).to_be_visible()
    at_start = {place: edge_of(page, place) for place in ('left', 'right')}
    page.locator('#results-scroll').evaluate('table => table.scrollTo(table.scrollWidth, 0)')
    expect(frame).to_have_attribute('data-after', 'false')
    expect(frame).to_have_attribute('data-before', 'true')
    at_end = {place: edge_of(page, place) for place in ('left', 'right')}
    # The paper is as bright as at the other end, where there is no shadow; below it, it is darker by some grey levels.
    assert np.median(at_end['right']) - np.median(at_start['right']) > 20
    assert np.median(at_start['left']) - np.median(at_end['left']) > 20
    last = page.locator('#results thead th').last.bounding_box()
    assert last['x'] + last['width'] <= 390


def test_a_table_that_fits_shows_no_edge(page):
    expect(page.locator('#results-frame')).to_have_attribute('data-after', 'false')
    expect(page.locator('#scroll-note')).to_be_hidden()
