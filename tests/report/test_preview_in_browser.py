"""The page of a preview: what is on which side, and in which frame."""

import cv2
import numpy as np
import pytest

from dlvr_plugin.report.preview_page import write_preview_page
from dlvr_plugin.restoration.preview import PreviewFrame

pytestmark = pytest.mark.slow

SIZE = (90, 160)
TITLE = 'a<b>&</script>.mp4, restored'


@pytest.fixture
def page(open_page, tmp_path):
    frames = []
    for index in range(2):
        names = {name: tmp_path / f'{name}_{index + 1}.png' for name in ('before', 'after', 'both')}
        for level, path in zip((40, 120), names.values(), strict=False):
            assert cv2.imwrite(str(path), np.full((*SIZE, 3), level + 80 * index, np.uint8))
        frames.append(PreviewFrame(seconds=1.25 + index, size=SIZE, **names))
    return open_page(write_preview_page(frames, title=TITLE))


def levels(page):
    """Grey levels of the shown picture at its left and at its right."""
    image = cv2.imdecode(np.frombuffer(page.locator('#stage').screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE)
    row = image[len(image) // 4]
    return int(row[len(row) // 8]), int(row[7 * len(row) // 8])


def test_frames_and_modes(page):
    assert page.title() == page.locator('h1').inner_text() == TITLE
    assert levels(page) == (40, 120)  # wiped
    page.keyboard.press('ArrowRight')
    page.wait_for_function("document.querySelector('#pane-b img').src.endsWith('after_2.png')")
    assert levels(page) == (120, 200)
    assert page.locator('#pane-a img').get_attribute('alt') == 'Frame at 2.25 s, before'
    page.get_by_text('1.25 s').click()
    page.wait_for_function("document.querySelector('#pane-b img').src.endsWith('after_1.png')")
    page.get_by_text('Toggle').click()
    assert levels(page) == (120, 120)
    page.locator('h1').click()
    page.keyboard.press(' ')
    assert levels(page) == (40, 40)
    page.locator('#stage').click()
    assert levels(page) == (120, 120)
    page.get_by_text('Side by side').click()
    assert levels(page) == (40, 120)
