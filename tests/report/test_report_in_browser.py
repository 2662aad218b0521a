import re
import shutil
from urllib.parse import unquote

import cv2
import numpy as np
import pytest

from dlvr_plugin.report.report_page import ReportOptions, write_report
from tests.report.conftest import CLIPS, METHODS, NUM_FRAMES, colour_of

playwright = pytest.importorskip('playwright.sync_api', reason='Playwright is not installed')
expect = playwright.expect
GT = 2

pytestmark = pytest.mark.slow


def expect_source(page, side, method, clip, frame):
    """Wait until a side shows a frame."""
    pattern = re.compile(rf'frames/[^/]+/[^/]+/{frame:08d}\.png$')
    image = page.locator(f'#pane-{side} img')
    expect(image).to_have_attribute('src', pattern)
    name = (*METHODS, 'GT')[method]
    expect(image).to_have_attribute('alt', f'{name}, clip {CLIPS[clip]}, frame {frame:08d}')
    assert unquote(image.get_attribute('src')).split('/')[2] == ('000', 'a-clip')[clip]


def pixel(page, x=0.5, y=0.5, selector='#stage'):
    """Colour on the screen, at a place in parts of an element."""
    content = np.frombuffer(page.locator(selector).screenshot(), np.uint8)
    image = cv2.cvtColor(cv2.imdecode(content, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return tuple(int(value) for value in image[int(y * image.shape[0]), int(x * image.shape[1])])


def scale(page):
    return page.locator('#stage').evaluate('stage => Number(stage.style.getPropertyValue("--scale"))')


def box_of_stage(page):
    page.locator('#stage').scroll_into_view_if_needed()
    return page.locator('#stage').bounding_box()


def choose_mode(page, mode):
    page.locator(f'#modes label:has([value="{mode}"])').click()


def test_click_and_keys_show_the_other_side(page):
    assert pixel(page) == colour_of(0, 0, 0)
    page.locator('#stage').click()
    assert pixel(page) == colour_of(1, 0, 0)
    expect(page.locator('#caption-b')).to_have_attribute('data-visible', 'true')
    expect(page.locator('#caption-a')).to_have_attribute('data-visible', 'false')
    page.keyboard.press(' ')
    assert pixel(page) == colour_of(0, 0, 0)
    page.keyboard.press('t')
    assert pixel(page) == colour_of(1, 0, 0)
    expect_source(page, 'a', 0, 0, 0)
    expect_source(page, 'b', 1, 0, 0)


def test_names_are_shown_as_they_are(page):
    expect(page.locator('#caption-b strong')).to_have_text(f'B: {METHODS[1]}')
    assert page.locator('#results tbody tr').nth(1).locator('th').inner_text() == METHODS[1]


def test_clip_frame_and_methods_can_be_chosen(page):
    page.select_option('#clip', label=CLIPS[1])
    page.fill('#frame-number', '4')
    page.press('#frame-number', 'Enter')
    expect_source(page, 'a', 0, 1, 3)
    assert pixel(page) == colour_of(0, 1, 3)
    page.locator('#next').click()
    expect_source(page, 'a', 0, 1, 4)
    page.locator('#frame').fill('1')
    expect_source(page, 'b', 1, 1, 0)
    page.select_option('#method-a', label='GT')
    expect_source(page, 'a', GT, 1, 0)
    assert pixel(page) == colour_of(GT, 1, 0)
    page.locator('#swap').click()
    expect_source(page, 'b', GT, 1, 0)
    expect_source(page, 'a', 1, 1, 0)


def test_keys_choose_frames_clips_and_methods(page):
    page.keyboard.press('ArrowRight')
    expect_source(page, 'a', 0, 0, 1)
    page.keyboard.press('ArrowLeft')
    page.keyboard.press('ArrowLeft')
    expect_source(page, 'a', 0, 0, NUM_FRAMES - 1)
    page.keyboard.press(']')
    expect_source(page, 'a', 0, 1, NUM_FRAMES - 1)
    page.keyboard.press('[')
    page.keyboard.press('3')
    expect_source(page, 'a', GT, 0, NUM_FRAMES - 1)
    page.keyboard.press('Shift+Digit1')
    expect_source(page, 'b', 0, 0, NUM_FRAMES - 1)
    assert pixel(page) == colour_of(0, 0, NUM_FRAMES - 1)  # what was chosen last is shown
    page.keyboard.press('9')  # there is no such method
    expect_source(page, 'a', GT, 0, NUM_FRAMES - 1)


def test_a_list_that_was_clicked_gives_the_keys_back(page):
    page.locator('#method-a').click()
    page.select_option('#method-a', label='GT')
    page.keyboard.press('ArrowRight')
    expect_source(page, 'a', GT, 0, 1)
    page.locator('#method-a').focus()
    page.keyboard.press('ArrowUp')  # by keyboard it keeps them
    expect_source(page, 'a', 1, 0, 1)


def test_border_of_the_wipe_moves_by_pointer_and_keys(page):
    choose_mode(page, 'wipe')
    assert (pixel(page, 0.4), pixel(page, 0.6)) == (colour_of(0, 0, 0), colour_of(1, 0, 0))
    stage = box_of_stage(page)
    middle = stage['y'] + stage['height'] / 2
    page.mouse.move(stage['x'] + stage['width'] / 2, middle)
    page.mouse.down()
    page.mouse.move(stage['x'] + stage['width'] * 0.7, middle, steps=4)
    page.mouse.up()
    assert (pixel(page, 0.65), pixel(page, 0.75)) == (colour_of(0, 0, 0), colour_of(1, 0, 0))
    expect(page.locator('#handle')).to_have_attribute('aria-valuenow', '70')
    page.locator('#handle').press('ArrowLeft')
    expect(page.locator('#handle')).to_have_attribute('aria-valuenow', '68')
    expect_source(page, 'a', 0, 0, 0)  # the arrow did not choose a frame
    page.locator('#handle').press('Home')
    assert pixel(page, 0.1) == colour_of(1, 0, 0)


def test_side_by_side(page):
    choose_mode(page, 'side')
    assert (pixel(page, 0.25), pixel(page, 0.75)) == (colour_of(0, 0, 0), colour_of(1, 0, 0))


def test_difference_is_multiplied_by_the_gain(page):
    choose_mode(page, 'difference')
    page.locator('#gain').fill('1')
    assert pixel(page) == (80, 0, 0)
    page.locator('#gain').fill('2')
    assert pixel(page) == (160, 0, 0)
    page.keyboard.press('2')
    expect_source(page, 'a', 1, 0, 0)
    assert pixel(page) == (0, 0, 0)


def test_profile_draws_a_line_of_every_frame(page):
    choose_mode(page, 'profile')
    for side, method in (('a', 0), ('b', 1)):
        canvas = f'#profile-{side}'
        page.wait_for_selector(f'{canvas}[data-done]')
        for frame in range(NUM_FRAMES):
            assert pixel(page, 0.3, (frame + 0.5) / NUM_FRAMES, canvas) == colour_of(method, 0, frame)
    expect(page.locator('#profile-line')).to_have_css('display', 'block')
    page.select_option('#profile-axis', 'column')
    page.locator('#profile-position').fill('5')
    expect(page.locator('#profile-label-a')).to_contain_text('column 6')
    page.keyboard.press('Tab')
    expect(page.locator('#profile-value')).to_have_text('6 of 64')
    assert pixel(page, 0.95, 0.5, '#profile-b') == colour_of(1, 0, NUM_FRAMES - 1)


def test_zoom_and_position_stay(page):
    fitted = scale(page)
    stage = box_of_stage(page)
    page.mouse.move(stage['x'] + stage['width'] * 0.9, stage['y'] + stage['height'] * 0.9)
    page.mouse.wheel(0, -300)
    page.wait_for_function('document.getElementById("stage").dataset.zoomed === "true"')
    zoomed = scale(page)
    assert zoomed == pytest.approx(2 * fitted)
    left = 'getComputedStyle(document.getElementById("stage")).getPropertyValue("--left")'
    before = page.evaluate(left)
    page.mouse.down()
    page.mouse.move(stage['x'] + stage['width'] * 0.9 + 40, stage['y'] + stage['height'] * 0.9, steps=3)
    page.mouse.up()
    moved = page.evaluate(left)
    assert float(moved[:-2]) == pytest.approx(float(before[:-2]) + 40, abs=6)
    assert pixel(page) == colour_of(0, 0, 0)  # a drag is no click
    page.keyboard.press('3')
    page.keyboard.press('ArrowRight')
    page.keyboard.press(']')
    expect_source(page, 'a', GT, 1, 1)
    assert scale(page) == zoomed
    assert page.evaluate(left) == moved
    choose_mode(page, 'wipe')
    assert scale(page) == zoomed
    page.keyboard.press('0')
    assert scale(page) == pytest.approx(fitted)
    page.locator('#zoom-actual').click()
    assert scale(page) == pytest.approx(1)


def test_pinch_zooms(open_page, report):
    page = open_page(report, width=390, height=844, has_touch=True)
    fitted = scale(page)
    box = box_of_stage(page)
    x, y = box['x'] + box['width'] / 2, box['y'] + box['height'] / 2
    session = page.context.new_cdp_session(page)
    for kind, distance in (('touchStart', 20), ('touchMove', 30), ('touchMove', 40)):
        points = [{'x': x - distance, 'y': y, 'id': 0}, {'x': x + distance, 'y': y, 'id': 1}]
        session.send('Input.dispatchTouchEvent', {'type': kind, 'touchPoints': points})
    session.send('Input.dispatchTouchEvent', {'type': 'touchEnd', 'touchPoints': []})
    assert scale(page) == pytest.approx(2 * fitted, rel=0.05)


def test_play_goes_on_until_it_is_paused(page):
    page.keyboard.press('p')
    expect(page.locator('#play')).to_have_text('Pause')
    for frame in (2, 0):  # at the end it begins again
        page.wait_for_function(f'document.querySelector("#pane-a img").src.endsWith("{frame:08d}.png")')
    page.locator('#play').click()
    expect(page.locator('#play')).to_have_text('Play')
    page.wait_for_timeout(150)
    stopped = page.input_value('#frame')
    page.wait_for_timeout(200)
    assert page.input_value('#frame') == stopped


def test_points_of_the_curves_choose_a_frame(page):
    points = page.locator('#curves .point')
    expect(points).to_have_count(2 * (NUM_FRAMES - 1))  # the first frame has no value
    page.locator('#curves .point[data-method="1"][data-frame="3"]').click()
    expect_source(page, 'a', 1, 0, 3)
    page.keyboard.press('ArrowRight')
    focused = page.locator('#curves .point:focus')
    expect(focused).to_have_attribute('data-frame', '4')
    expect_source(page, 'a', 1, 0, 4)
    page.locator('#curves .point[data-method="0"][data-frame="4"]').press('Enter')
    expect_source(page, 'a', 0, 0, 4)
    page.select_option('#curve-metric', label='LPIPS')
    expect(points).to_have_count(2 * NUM_FRAMES)
    page.select_option('#clip', label=CLIPS[1])
    expect(page.locator('#curve-clip')).to_have_text(f'clip {CLIPS[1]}')
    page.select_option('#curve-metric', label='PSNR')
    expect(page.locator('#curves .value').last).to_have_text('∞')


def test_address_keeps_the_view(page, open_page, report):
    page.keyboard.press(']')
    page.keyboard.press('ArrowRight')
    page.keyboard.press('3')
    choose_mode(page, 'wipe')
    page.wait_for_function('location.hash.includes("mode=wipe")')
    address = page.evaluate('location.hash')
    other = open_page(report, address)
    expect_source(other, 'a', GT, 1, 1)
    assert pixel(other, 0.7) == colour_of(1, 1, 1)
    assert other.locator('#modes :checked').get_attribute('value') == 'wipe'
    odd = open_page(report, '#clip=none&frame=99&mode=?')
    expect_source(odd, 'a', 0, 0, NUM_FRAMES - 1)


@pytest.mark.parametrize('mode', ['toggle', 'wipe', 'side', 'difference', 'profile'])
def test_narrow_window_is_wide_enough(open_page, report, mode):
    page = open_page(report, f'#mode={mode}', width=390, height=844)
    page.locator('#protocol summary').click()
    page.locator('#help summary').click()
    assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')


@pytest.mark.parametrize('is_phone', [True, False])
def test_keys_are_told_where_there_are_some(open_page, report, is_phone):
    page = open_page(report, width=390, height=844, has_touch=is_phone, is_mobile=is_phone)
    page.locator('#help summary').click()
    text = page.locator('#viewer').inner_text()
    assert ('press Space' in text) == (not is_phone)
    assert ('previous and next frame' in text) == (not is_phone)
    assert ('Tap the picture' in text) == is_phone
    page.locator('#stage').scroll_into_view_if_needed()
    (page.locator('#stage').tap if is_phone else page.locator('#stage').click)()
    expect(page.locator('#caption-b')).to_have_attribute('data-visible', 'true')


def test_embedded_page_may_move(evaluation_folder, tmp_path, open_page):
    report = write_report(evaluation_folder, tmp_path / 'report', ReportOptions(embed=True)).page
    elsewhere = tmp_path / 'elsewhere' / 'page.html'
    elsewhere.parent.mkdir()
    shutil.move(report, elsewhere)
    shutil.rmtree(tmp_path / 'clips')
    page = open_page(elsewhere)
    page.keyboard.press('ArrowRight')
    expect(page.locator('#pane-a img')).to_have_attribute('alt', f'Alpha, clip {CLIPS[0]}, frame 00000001')
    assert pixel(page) == colour_of(0, 0, 1)


def test_a_frame_that_is_missing_is_told(report, browser):
    shutil.rmtree(report.parent / 'frames' / 'GT')
    page = browser.new_page()
    page.goto(report.as_uri())
    page.keyboard.press('3')
    expect(page.locator('#message')).to_contain_text('cannot be loaded')
    page.keyboard.press('1')
    expect(page.locator('#message')).to_be_hidden()
    page.close()
