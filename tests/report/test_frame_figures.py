import cv2
import numpy as np
import pytest

from dlvr_plugin.report.figure_style import add_text, fit_texts, new_figure, save_figure
from dlvr_plugin.report.frame_figures import (
    Box,
    Line,
    draw_crops,
    draw_flow_maps,
    draw_profiles,
    flow_difference,
    flow_of,
    temporal_profile,
)

RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)


def plain(color, size=(48, 64)):
    return np.full((*size, 3), color, np.uint8)


def texture(seed, size=(64, 80)):
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def read_panels(figure, path):
    """Return what each axes of a figure shows in the file, BGR, without its frame."""
    image = cv2.imread(str(save_figure(figure, path, 200)[0]))
    height, width = image.shape[:2]
    panels = []
    for axes in figure.axes:
        place = axes.get_position()
        rows = round((1 - place.y1) * height), round((1 - place.y0) * height)
        columns = round(place.x0 * width), round(place.x1 * width)
        panels.append(image[rows[0] + 6 : rows[1] - 6, columns[0] + 6 : columns[1] - 6])
    return panels


def texts_of(figure):
    return [text.get_text() for text in figure.texts]


@pytest.mark.parametrize('zoom', ['nearest', 'bicubic'])
def test_crops_show_what_is_in_the_box(tmp_path, zoom):
    left, right = plain(RED), plain(BLUE)
    left[10:30, 20:60] = GREEN
    figure = draw_crops(
        {'a': left, 'b': right, 'GT': plain(GREEN)},
        [Box(10, 20, 20, 40)],
        caption='clip, frame 3',
        notes={'a': '1', 'GT': 'PSNR'},
        zoom=zoom,
    )
    reference, *crops = read_panels(figure, tmp_path / 'crops.png')
    for crop, color in zip(crops, (GREEN, BLUE, GREEN), strict=True):
        assert (crop == color).all()
        assert crop.shape[1] / crop.shape[0] == pytest.approx(2, rel=0.1)
    assert (reference[:5] == GREEN).all()
    assert (reference != GREEN).any()  # the box
    assert texts_of(figure) == ['clip, frame 3', 'a', '1', 'b', '', 'GT', 'PSNR']


def test_nearest_crops_keep_pixels_apart(tmp_path):
    image = plain(RED)
    image[10:14, 20:24:2] = BLUE
    crop = read_panels(draw_crops({'GT': image}, [Box(10, 20, 4, 4)], caption=''), tmp_path / 'a.png')[1]
    assert {tuple(color) for color in crop.reshape(-1, 3).tolist()} == {RED, BLUE}


def test_a_profile_stands_below_the_box_that_holds_its_row():
    image, profile = plain(RED), np.zeros((12, 64, 3), np.uint8)
    profile[:, 20:60] = GREEN
    boxes = [Box(10, 20, 20, 40), Box(32, 0, 10, 20)]
    figure = draw_crops({'GT': image}, boxes, caption='', profiles={'GT': profile}, profile_row=12)
    shapes = [axes.get_images()[0].get_array().shape for axes in figure.axes]
    assert shapes == [(48, 64, 3), (20, 40, 3), (12, 40, 3), (10, 20, 3)]
    assert (figure.axes[2].get_images()[0].get_array() == GREEN).all()
    x, y = figure.axes[0].lines[0].get_data()
    assert list(x) == [20, 59]
    assert list(y) == [12, 12]


@pytest.mark.parametrize('num_methods', [1, 4, 9])
def test_both_sides_of_a_crop_comparison_are_equally_high(num_methods):
    frames = {f'method {index}': plain(RED, (100, 180)) for index in range(num_methods)}
    figure = draw_crops(frames, [Box(0, 0, 20, 30), Box(5, 5, 20, 40)], caption='')
    places = [axes.get_position() for axes in figure.axes]
    assert places[0].y0 == pytest.approx(min(place.y0 for place in places[1:]))
    assert places[0].y1 == pytest.approx(max(place.y1 for place in places[1:]))
    assert all(0 <= value <= 1 for place in places for value in place.extents)
    for axes, place in zip(figure.axes, places, strict=True):
        height, width = axes.get_images()[0].get_array().shape[:2]
        size = figure.get_size_inches() * (place.width, place.height)
        assert size[1] / size[0] == pytest.approx(height / width)


def test_boxes_that_no_figure_has_room_for():
    with pytest.raises(ValueError, match='too many'):
        draw_crops({'GT': plain(RED)}, [Box(0, 0, 1, 60)] * 120, caption='')


def test_a_temporal_profile_stacks_lines():
    frames = [texture(seed) for seed in range(4)]
    row = temporal_profile(iter(frames), Line('row', 7, 10, 30))
    assert np.array_equal(row, np.stack([frame[7, 10:30] for frame in frames]))
    column = temporal_profile(iter(frames), Line('column', 9, 0, 64))
    assert np.array_equal(column, np.stack([frame[:, 9] for frame in frames]))


def test_profiles_are_drawn_with_time_downwards(tmp_path):
    profile = np.concatenate([plain(RED, (5, 40)), plain(BLUE, (5, 40))])
    line = Line('column', 9, 0, 40)
    figure = draw_profiles(plain(GREEN), line, {'a': profile, 'GT': profile[::-1]}, caption='clip')
    _, first, last = read_panels(figure, tmp_path / 'profile.png')
    assert (first[0] == RED).all()
    assert (first[-1] == BLUE).all()
    assert (last[0] == BLUE).all()
    x, y = figure.axes[0].lines[0].get_data()
    assert list(x) == [9, 9]
    assert list(y) == [0, 39]
    assert texts_of(figure)[:3] == ['a', 'GT', 'clip']


def test_flow_differences_are_those_of_opencv():
    before, after = texture(0), np.roll(texture(0), 1, axis=1)
    blurred = [cv2.GaussianBlur(image, (0, 0), 2) for image in (before, after)]
    flows = []
    for pair in (blurred, (before, after)):
        greys = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in pair]
        flows.append(cv2.calcOpticalFlowFarneback(*greys, None, 0.5, 3, 15, 3, 5, 1.2, 0))
    expected = np.sqrt(((flows[0] - flows[1]) ** 2).sum(axis=-1)).mean()
    pairs = {'blurred': tuple(blurred), 'GT': (before, after)}
    found = flow_difference(flow_of(pairs['blurred']), flow_of(pairs['GT'])).mean()
    assert found == pytest.approx(expected, abs=1e-3)
    figure = draw_flow_maps(pairs, caption='clip, frame 1')
    assert f'mean (tOF) {found:.3f}' in texts_of(figure)
    assert figure.axes[3].get_images()[0].get_array().mean() == pytest.approx(found)


def test_flow_of_a_clip_that_stands_still_is_nearly_white(tmp_path):
    image = texture(1)
    figure = draw_flow_maps({'a': (image, image), 'GT': (image, image)}, caption='')
    _, flow, gt_flow, *_ = read_panels(figure, tmp_path / 'flow.png')
    assert flow.min() > 230
    assert gt_flow.min() > 230
    assert 'mean (tOF) 0.000' in texts_of(figure)


def test_files_are_whole_and_reproducible(tmp_path):
    figure = draw_crops({'GT': plain(RED)}, [Box(0, 0, 9, 9)], caption='')
    paths = save_figure(figure, tmp_path / 'figure', 50)
    assert [path.name for path in paths] == ['figure.png', 'figure.pdf']
    assert sorted(path.name for path in tmp_path.iterdir()) == ['figure.pdf', 'figure.png']
    assert paths[1].read_bytes().startswith(b'%PDF')
    assert b'CreationDate' not in paths[1].read_bytes()
    assert cv2.imread(str(paths[0])).shape[1] == 350
    again = save_figure(figure, tmp_path / 'again', 50)
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    with pytest.raises(ValueError, match=r'\.svg; expected \.png or \.pdf'):
        save_figure(figure, tmp_path / 'figure.svg')
    with pytest.raises(OSError, match=r'missing/figure\.png cannot be written'):
        save_figure(figure, tmp_path / 'missing' / 'figure.png')


def test_texts_become_smaller_before_they_are_cut():
    figure = new_figure(1)
    short, long, longest = (add_text(figure, 1, 0, text) for text in ('abc', 'a name of a method', 'words ' * 30))
    assert fit_texts([short, long, longest], 0.8) <= 0.8
    assert short.get_fontsize() > long.get_fontsize() >= 5
    assert long.get_text() == 'a name of a method'
    assert longest.get_text().endswith('…')
