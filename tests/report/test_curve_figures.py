import numpy as np
import pytest
from matplotlib.text import Text

from dlvr_plugin.report.checkpoint_names import parse_checkpoint
from dlvr_plugin.report.curve_figures import choose_offset, draw_curves, draw_tradeoff, is_wide
from dlvr_plugin.report.figure_style import line_style
from dlvr_plugin.report.training_log import Series, smooth

PSNR = {'label': 'PSNR', 'direction': 'higher', 'decimals': 2, 'unit': 'dB'}
LPIPS = {'label': 'LPIPS', 'direction': 'lower', 'decimals': 3, 'unit': ''}


def series(*values):
    return Series(np.arange(1, len(values) + 1) * 1000, np.array(values, float))


def test_raw_values_and_averages_are_drawn():
    runs = {'a': {'losses/l_g_pix': series(1, 2, 3)}, 'b': {'losses/l_g_pix': series(3, 2, 2), 't_acc': series(0.5)}}
    figure = draw_curves(runs, ['losses/l_g_pix', 't_acc'], smoothing=0.5)
    losses, accuracy = figure.axes
    assert losses.get_title() == 'l_g_pix'
    raw, strong = losses.lines[:2]
    assert raw.get_ydata().tolist() == [1, 2, 3]
    assert raw.get_alpha() < 1
    assert strong.get_ydata() == pytest.approx(smooth(np.array([1.0, 2, 3]), 0.5))
    assert losses.get_yscale() == 'linear'
    # A run keeps its colour where another is missing, and a single value is seen.
    assert accuracy.lines[1].get_color() == line_style(1)['color']
    assert accuracy.lines[1].get_marker() == '.'
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ['a', 'b']
    assert losses.xaxis.get_major_formatter()(600_000) == '600k'
    assert losses.xaxis.get_major_formatter()(1_500_000) == '1.5M'


def test_values_that_are_not_finite_are_marked():
    figure = draw_curves({'a': {'l_x': series(1, np.nan, np.inf, 2)}}, ['l_x'])
    marks = figure.axes[0].lines[-1]
    assert marks.get_xdata().tolist() == [2000, 3000]
    assert marks.get_marker() == 'x'
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ['a', 'NaN or infinite']
    draw_curves({'a': {'l_x': series(np.nan, np.nan)}}, ['l_x'])


def test_the_axis_is_logarithmic_where_values_span_decades():
    assert is_wide(np.array([0.001, 0.2]))
    assert not is_wide(np.array([0.01, 0.9]))
    assert not is_wide(np.array([-1, 1000.0]))
    assert not is_wide(np.array([0, 1000.0]))
    assert not is_wide(np.array([]))
    assert draw_curves({'a': {'l_x': series(1, 1e-4)}}, ['l_x']).axes[0].get_yscale() == 'log'


@pytest.mark.parametrize('num_tags', [1, 2, 4, 5, 7])
def test_every_tag_gets_a_panel(num_tags):
    tags = [f'l_{index}' for index in range(num_tags)]
    figure = draw_curves({'a': {tag: series(1, 2) for tag in tags}}, tags)
    assert [axes.get_title() for axes in figure.axes] == tags
    assert not figure.legends


def test_names_of_checkpoints():
    assert parse_checkpoint('ours@5000') == ('ours', 5000)
    assert parse_checkpoint('ours') == ('ours', None)
    assert parse_checkpoint('me@home') == ('me@home', None)


def texts_of(axes):
    return [text.get_text() for text in axes.texts]


def test_checkpoints_are_joined_in_their_order():
    points = {'ours@20000': (24, 0.1), 'EDVR': (26, 0.3), 'ours@5000': (25, 0.2), 'ours@100000': (23, 0.05)}
    axes = draw_tradeoff(points, PSNR, LPIPS).axes[0]
    assert axes.lines[0].get_xdata().tolist() == [25, 24, 23]
    assert axes.lines[1].get_xdata().tolist() == [26]
    assert texts_of(axes) == ['better', '5k', '20k', 'ours 100k', 'EDVR']
    assert axes.get_xlabel() == 'PSNR [dB] ↑'
    assert axes.get_ylabel() == 'LPIPS ↓'


@pytest.mark.parametrize(('x', 'y', 'corner'), [(PSNR, LPIPS, (1, 0)), (LPIPS, PSNR, (0, 1)), (PSNR, PSNR, (1, 1))])
def test_the_arrow_points_to_the_better_corner(x, y, corner):
    points = {f'{x}{y}': (x, y) for x in (1, 2) for y in (1, 2)}
    figure = draw_tradeoff(points, x, y)
    axes = figure.axes[0]
    arrow = axes.texts[0]
    assert arrow.xy == pytest.approx(corner, abs=0.02)
    figure.draw_without_rendering()
    extent = arrow.get_window_extent().padded(4)
    assert not any(extent.contains(*axes.transData.transform(point)) for point in points.values())


def test_labels_keep_clear_of_points_and_of_each_other():
    points = {f'method {index}': (25 + 0.1 * (index % 3), 0.2 + 0.004 * (index // 3)) for index in range(9)}
    figure = draw_tradeoff({**points, 'far': (20, 0.5)}, PSNR, LPIPS)
    axes = figure.axes[0]
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in axes.texts[1:]]
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:index])
        assert not any(box.contains(*axes.transData.transform(point)) for point in points.values())
        assert axes.bbox.containsx(box.x0)
        assert axes.bbox.containsx(box.x1)


def test_a_label_takes_the_first_free_side():
    point, size, bounds = np.array([50.0, 50.0]), (20.0, 8.0), np.array([0.0, 0, 100, 100])
    nothing = np.zeros((0, 4))
    assert choose_offset(point, size, nothing, bounds) == (16, 0)
    right = np.array([[61.0, 40, 80, 60]])
    assert choose_offset(point, size, right, bounds) == (0, 10)
    at_edge = np.array([98.0, 50.0])
    x, _ = choose_offset(at_edge, size, nothing, bounds)
    assert x < 0
