from collections import Counter

import cv2
import numpy as np
import pytest

from dlvr_plugin.survey.preference import exact_interval
from dlvr_plugin.survey.tally import count_answers
from tests.survey.conftest import PARTICIPANTS, RunningServer
from tests.survey.helpers import CLIPS, METHODS, NUM_FRAMES, image_of, names_in, write_study

playwright = pytest.importorskip('playwright.sync_api', reason='Playwright is not installed')
from tests.survey.visitor import OPEN  # noqa: E402  (it needs Playwright)

expect = playwright.expect

pytestmark = pytest.mark.slow


def test_all_participants_hold_the_whole_study(serve, visit):
    running = serve('browser')
    study, rng = running.study, np.random.default_rng(7)
    bodies = []
    for first in range(0, PARTICIPANTS, 8):
        visitors = [visit(running, first + index, width=800, height=600) for index in range(8)]
        if first == 0:
            visitors[0].page.on('response', lambda response: bodies.append((response.url, response.body())))
            visitors[0].page.reload()
        for each in visitors:
            each.agree()
        for turn in range(visitors[0].num_turns):
            for each in visitors:
                prefers_first = each.comparison(turn).kind != 'trial' or rng.random() < 0.7
                each.wait_for(turn)
                each.answer(turn, each.first_side(turn) if prefers_first else 'ab'[each.first_side(turn) == 'a'])
        for each in visitors:
            each.expect_end()
            each.page.context.close()
    answers = running.store.read()
    assert len(answers) == PARTICIPANTS * len(study.participants[0].turns)
    tally = count_answers(study, answers)
    assert (tally.num_started, tally.num_finished, tally.num_failed) == (PARTICIPANTS, PARTICIPANTS, 0)
    assert {group.mode for group in tally.groups} == {'toggle', 'side'}
    assert not any(group.excluded for group in tally.groups)
    assert sum(group.count()[1] for group in tally.groups) == 6 * PARTICIPANTS
    for group in tally.groups:
        low, high = exact_interval(*group.count())
        assert low <= 0.7 <= high
    assert len(bodies) > 10
    for url, body in bodies:
        assert not names_in(body + url.encode(), study), url


def shown_on_screen(page, side):
    """What is on the screen where the picture of a side lies: an image (h, w, 3) in pixels of the screen, BGR."""
    box, ratio = page.evaluate(
        f"""() => {{
          const box = document.querySelector('#pane-{side} img').getBoundingClientRect();
          return [[box.left, box.top, box.width, box.height], devicePixelRatio];
        }}"""
    )
    left, top, width, height = (value * ratio for value in box)
    assert (left, top) == pytest.approx((round(left), round(top)), abs=0.05)  # on a pixel of the screen
    left, top, width, height = map(round, (left, top, width, height))
    content = np.frombuffer(page.screenshot(scale='device'), np.uint8)
    screen = cv2.imdecode(content, cv2.IMREAD_COLOR)
    return screen[top : top + height, left : left + width]


def expected_image(visitor, turn, side):
    comparison = visitor.comparison(turn)
    owner = METHODS.index(visitor.study.pairs[comparison.pair][side != visitor.first_side(turn)])
    return image_of(owner, CLIPS.index(comparison.clip), comparison.frame)


@pytest.mark.parametrize(
    ('width', 'ratio'), [(1280, 1), (999, 1), (1001, 1.25), (1000, 2), (390, 3)], ids=lambda value: str(value)
)
def test_the_screen_shows_the_pixels_of_the_files(serve, visit, width, ratio):
    running = serve('browser')
    visitor = visit(running, width=width, height=844, device_scale_factor=ratio)
    visitor.agree()
    seen = Counter()
    for turn in range(visitor.num_turns):
        visitor.wait_for(turn)
        comparison = visitor.comparison(turn)
        if comparison.kind == 'trial' and seen[comparison.mode] < 1:
            seen[comparison.mode] += 1
            scale = max(round(ratio), 1)
            for side in 'ab':
                if comparison.mode == 'toggle' and side == 'b':
                    visitor.page.locator('#switch').click()
                    expect(visitor.page.locator('#stage')).to_have_attribute('data-shown', 'b')
                expected = expected_image(visitor, turn, side).repeat(scale, 0).repeat(scale, 1)
                assert np.array_equal(shown_on_screen(visitor.page, side), expected), (comparison.mode, side)
        if len(seen) == 2:
            break
        visitor.answer(turn, 'a')
    assert seen == {'toggle': 1, 'side': 1}


def test_clips_play_in_step(serve, visit):
    running = serve('clips')
    visitor = visit(running)
    visitor.agree()
    visitor.wait_for(0)
    clip = CLIPS.index(visitor.comparison(0).clip)
    owners = [METHODS.index(running.study.pairs[0][side != visitor.first_side(0)]) for side in 'ab']
    found = []
    for _ in range(20):
        visitor.page.wait_for_timeout(150)
        boxes = visitor.page.evaluate(
            '["a", "b"].map((side) => document.querySelector(`#pane-${side} img`).getBoundingClientRect().toJSON())'
        )
        screen = cv2.imdecode(np.frombuffer(visitor.page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
        frames = []
        for box, owner in zip(boxes, owners, strict=True):
            top, left = round(box['y']), round(box['x'])
            image = screen[top : top + 48, left : left + 64]
            frames += [each for each in range(NUM_FRAMES) if np.array_equal(image, image_of(owner, clip, each))]
        found.append(tuple(frames))
    assert all(len(frames) == 2 and frames[0] == frames[1] for frames in found), found
    assert len(set(found)) > 2  # they move
    visitor.page.keyboard.press('p')
    visitor.page.wait_for_timeout(200)
    still = visitor.page.locator('#pane-a img').get_attribute('src')
    visitor.page.wait_for_timeout(300)
    assert visitor.page.locator('#pane-a img').get_attribute('src') == still
    visitor.page.keyboard.press('2')
    visitor.wait_for(1)
    events = [event[1:] for event in running.store.read()[0].record['events']]
    assert ['pause', 'key'] in events


def test_a_reload_goes_on_where_it_was(serve, visit):
    running = serve('browser')
    visitor = visit(running)
    visitor.agree()
    visitor.go_on(0)
    visitor.wait_for(1)
    visitor.page.reload()
    visitor.go_on(1)  # without being asked for consent again
    visitor.wait_for(2)
    visitor.page.goto('about:blank')
    visitor.page.go_back()
    visitor.go_on(2)
    visitor.wait_for(3)
    assert [each.turn for each in running.store.read()] == [0, 1, 2]


def test_a_double_click_is_one_answer(serve, visit):
    running = serve('browser')
    visitor = visit(running)
    visitor.agree()
    for turn in range(3):
        visitor.wait_for(turn)
        visitor.page.locator('[data-choice="a"]').dblclick()
        visitor.wait_for(turn + 1)
        assert len(running.store.read()) == turn + 1
    visitor.page.keyboard.press('1')
    visitor.page.keyboard.press('1')
    visitor.page.keyboard.press('2')
    visitor.wait_for(4)
    assert [each.choice for each in running.store.read()] == ['a'] * 4


def test_a_lost_connection_loses_nothing(serve, visit):
    running = serve('browser')
    visitor = visit(running)
    visitor.agree()
    visitor.wait_for(0)
    running.stop()
    visitor.answer(0, 'b')
    expect(visitor.page.locator('#notice')).to_contain_text('No connection')
    running.start()
    visitor.wait_for(1)
    expect(visitor.page.locator('#notice')).to_be_hidden()
    assert [(each.turn, each.choice) for each in running.store.read()] == [(0, 'b')]
    # The answer arrives, its acknowledgement does not: it is sent again, and counts once.
    lost = []

    def lose_first(route):
        if lost:
            route.continue_()
        else:
            lost.append(route.fetch())
            route.abort()

    visitor.page.route('**/answers', lose_first)
    visitor.answer(1, 'a')
    visitor.wait_for(2)
    assert lost[0].status == 200
    assert [(each.turn, each.choice) for each in running.store.read()] == [(0, 'b'), (1, 'a')]
    # The page is closed before the server is back: the answer is kept, and sent when the page is opened again.
    running.stop()
    visitor.answer(2, 'b')
    expect(visitor.page.locator('#notice')).to_contain_text('No connection')
    context = visitor.page.context
    visitor.page.close()
    running.start()
    again = visit(running, context=context)
    again.wait_for(3)
    assert [(each.turn, each.choice) for each in running.store.read()] == [(0, 'b'), (1, 'a'), (2, 'b')]


def test_two_tabs_are_one_participant(serve, visit):
    running = serve('browser')
    one = visit(running)
    one.agree()
    one.wait_for(0)
    other = visit(running, context=one.page.context)
    other.wait_for(0)
    other.answer(0, 'b')
    other.wait_for(1)
    one.answer(0, 'a')  # its view is an old one
    expect(one.page.locator('#notice')).to_contain_text('another tab')
    one.wait_for(1)
    one.answer(1, 'a')
    one.wait_for(2)
    assert [(each.turn, each.choice) for each in running.store.read()] == [(0, 'b'), (1, 'a')]


def test_what_is_recorded(serve, visit):
    running = serve('browser')
    visitor = visit(running, width=390, height=844, has_touch=True, device_scale_factor=3, locale='de-DE')
    expect(visitor.page.locator('#agree')).to_have_text('Ich bin einverstanden, beginnen')
    visitor.agree()
    turn = next(index for index in range(visitor.num_turns) if visitor.comparison(index).mode == 'toggle')
    for earlier in range(turn):
        visitor.go_on(earlier)
    visitor.wait_for(turn)
    page = visitor.page
    page.locator('#stage').tap()
    expect(page.locator('#shown')).to_have_text('Zu sehen: B')
    page.locator('#switch').tap()
    expect(page.locator('#stage')).to_have_attribute('data-shown', 'a')
    page.keyboard.press('t')
    page.locator('#zoom-in').tap()
    page.locator('[data-choice="b"]').tap()
    visitor.wait_for(turn + 1)
    record = running.store.read()[-1].record
    assert [event[1:] for event in record['events']] == [
        ['switch', 'picture'], ['switch', 'button'], ['switch', 'key'], ['zoom', ''],
    ]  # fmt: skip
    times = [event[0] for event in record['events']]
    assert times == sorted(times)
    assert times[-1] <= 1000 * record['seconds'] < 60_000
    assert (record['switches'], record['means'], record['language']) == (3, 'button', 'de')
    assert record['screen']['window_width'] == 390
    assert record['screen']['pixel_ratio'] == 3
    assert record['view']['scale'] == pytest.approx(4.5)  # three screen pixels for a pixel, and once more by 1.5


def test_by_keyboard_alone(serve, visit):
    running = serve('browser')
    page = visit(running).page
    page.locator('#agree').focus()
    page.keyboard.press('Enter')
    page.wait_for_selector(OPEN.format(0))
    expect(page.locator('#stage')).to_be_focused()
    page.locator('[data-choice="b"]').focus()
    page.keyboard.press('Enter')
    page.wait_for_selector(OPEN.format(1))
    expect(page.locator('#stage')).to_be_focused()  # Space does not press the button of the last answer
    assert [each.choice for each in running.store.read()] == ['b']
    names = page.locator('#trial button:visible').evaluate_all(
        'buttons => buttons.map(each => each.getAttribute("aria-label") || each.textContent)'
    )
    assert all(len(name) > 3 for name in names)


def test_scripts_in_texts_are_text(visit, tmp_path):
    text = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    path = tmp_path / 'mine.yml'
    path.write_text(f"language: en\nquestion: '{text}'\nconsent: '{text}'\n")
    running = RunningServer(write_study(tmp_path, texts=['en', str(path)])[0])
    visitor = visit(running)
    expect(visitor.page.locator('#consent')).to_have_text(text)
    visitor.agree()
    visitor.wait_for(0)
    expect(visitor.page.locator('#question')).to_have_text(text)
    assert visitor.page.title() == 'Which picture looks better?'
    running.stop()
