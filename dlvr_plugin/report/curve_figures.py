"""Figures of numbers: training curves, and the tradeoff between distortion and perception."""

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import EngFormatter, MaxNLocator

from dlvr_plugin.evaluation.evaluation_file import MetricEntry
from dlvr_plugin.report.checkpoint_names import Checkpoint, parse_checkpoint
from dlvr_plugin.report.figure_style import (
    COLORS,
    MARKERS,
    SMALL_FONT_SIZE,
    WIDTH,
    figure_style,
    line_style,
    new_figure,
)
from dlvr_plugin.report.training_log import Series, short_name, smooth

_PANEL_HEIGHT = 1.65  # inches
_LOG_RANGE = 100  # largest by smallest value beyond which an axis is logarithmic
_GAPS = (6, 12, 20, 32, 48)  # points between a marker's centre and its label, the first that will do
_MAX_SMALL_PLOT = 8  # points that one column of a paper has room for


def draw_curves(runs: Mapping[str, Mapping[str, Series]], tags: Sequence[str], *, smoothing: float = 0.9) -> Figure:
    """Draw training curves, a panel a tag: logged values faint, their averages strong.

    Of several runs that differ in their seeds, the mean of their averages is strong, in a faint band from the lowest to
    the highest.

    Args:
        runs: Series by tag, by the name of the run, or of what several runs have in common.
        tags: What is drawn; a run that lacks a tag is left out of its panel.
        smoothing: Weight of the past in the averages, in [0, 1).

    Raises:
        ValueError: Another weight.
    """
    num_columns = 2 if len(tags) in (2, 4) else min(3, len(tags))
    num_rows = math.ceil(len(tags) / num_columns)
    handles = [Line2D([], [], label=name, **line_style(index)) for index, name in enumerate(runs)]
    if any(tag in run and not np.isfinite(run[tag].values).all() for run in runs.values() for tag in tags):
        handles.append(Line2D([], [], color='0.3', marker='x', linestyle='none', markersize=4, label='NaN or infinite'))
    has_legend = len(handles) > 1
    with figure_style():
        height = num_rows * _PANEL_HEIGHT + 0.2 + 0.2 * has_legend
        figure = new_figure(height, WIDTH if num_columns > 1 else WIDTH / 2)
        figure.set_layout_engine('constrained', h_pad=0.04, w_pad=0.04)
        grid = figure.subplots(num_rows, num_columns, squeeze=False)
        panels = list(grid.flat)
        for tag, axes in zip(tags, panels, strict=False):
            _draw_curve_panel(axes, tag, runs, smoothing)
        for axes in panels[len(tags) :]:
            axes.remove()
        for axes in panels[max(0, len(tags) - num_columns) : len(tags)]:
            axes.set_xlabel('iteration')
        if has_legend:
            figure.legend(handles=handles, loc='outside lower center', ncols=min(4, len(handles)), frameon=False)
    return figure


def _draw_curve_panel(axes: Axes, tag: str, runs: Mapping[str, Mapping[str, Series]], smoothing: float) -> None:
    all_values = []
    for index, run in enumerate(runs.values()):
        if tag not in run:
            continue
        style, steps, values = line_style(index), run[tag].steps, np.atleast_2d(run[tag].values)
        finite = np.isfinite(values)
        all_values.append(values[finite])
        averages = np.array([smooth(row, smoothing) for row in values])  # (runs, n)
        is_whole = finite.all(axis=0)
        if len(values) > 1:
            axes.fill_between(
                steps, averages.min(axis=0), averages.max(axis=0), color=style['color'], linewidth=0, alpha=0.2
            )
        elif smoothing > 0:
            axes.plot(steps, np.where(finite, values, np.nan)[0], color=style['color'], linewidth=0.5, alpha=0.3)
        # A single value has no line.
        marker = '.' if is_whole.sum() == 1 else None
        axes.plot(steps, averages.mean(axis=0), **style, linewidth=1.1, marker=marker)
        lost = steps[~is_whole]
        axes.plot(
            lost,
            np.full(len(lost), 0.96),  # there is no place for them on the axis, so they stand at its upper end
            color=style['color'],
            marker='x',
            markersize=4,
            markeredgewidth=0.6,
            linestyle='none',
            transform=axes.get_xaxis_transform(),
        )
    if is_wide(np.concatenate(all_values)):
        axes.set_yscale('log')
    axes.set_title(short_name(tag), pad=3)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(EngFormatter(sep=''))
    axes.grid(True)
    axes.spines[['top', 'right']].set_visible(False)


def is_wide(values: np.ndarray) -> bool:
    """Tell whether finite values are all positive and span more than two decades, so that they need a log axis."""
    return len(values) > 0 and values.min() > 0 and values.max() / values.min() > _LOG_RANGE


def draw_tradeoff(points: Mapping[str, tuple[float, float]], x: MetricEntry, y: MetricEntry) -> Figure:
    """Draw methods by two metrics, usually one of distortion and one of perception.

    Args:
        points: Finite values of the two metrics by method. Methods of names NAME@ITER are checkpoints of one run, and
            are joined in the order of ITER.
        x: Metric of the horizontal axis.
        y: Metric of the vertical axis.
    """
    runs: dict[str, list[tuple[Checkpoint, tuple[float, float]]]] = defaultdict(list)
    for name, point in points.items():
        checkpoint = parse_checkpoint(name)
        runs[checkpoint.run].append((checkpoint, point))
    large = len(points) > _MAX_SMALL_PLOT
    with figure_style():
        figure = new_figure(3.6 if large else 2.8, WIDTH if large else WIDTH / 2)
        figure.set_layout_engine('constrained')
        axes = figure.subplots()
        labels = []
        for index, members in enumerate(runs.values()):
            members.sort(key=lambda member: member[0].iteration or 0)
            color, marker = COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)]
            places = [point for _, point in members]
            axes.plot(*zip(*places, strict=True), color=color, marker=marker, markersize=4.5, linewidth=0.9)
            for number, (checkpoint, point) in enumerate(members):
                is_last = number == len(members) - 1
                labels.append((_label(checkpoint, is_last), color, point))
        for metric, axis in ((x, axes.xaxis), (y, axes.yaxis)):
            arrow = '↑' if metric['direction'] == 'higher' else '↓'
            axis.set_label_text(f'{metric["label"]}{" [" + metric["unit"] + "]" if metric["unit"] else ""} {arrow}')
            axis.set_major_locator(MaxNLocator(6))
        axes.margins(0.2)  # room for labels
        low, high = axes.get_ylim()  # and for the mark of the better corner
        room = 0.15 * (high - low)
        axes.set_ylim((low, high + room) if y['direction'] == 'higher' else (low - room, high))
        axes.grid(True)
        axes.set_axisbelow(True)
        axes.spines[['top', 'right']].set_visible(False)
        figure.draw_without_rendering()  # what follows needs the places of things
        corner = _mark_better_corner(axes, x, y)
        lines = [np.array([point for _, point in members]) for members in runs.values()]
        _place_labels(axes, labels, lines, corner)
    return figure


def _label(checkpoint: Checkpoint, is_last: bool) -> str:
    """Return the label of a point: the run's name at its last one, iterations at all checkpoints."""
    if checkpoint.iteration is None:
        return checkpoint.run
    iteration = EngFormatter(sep='')(checkpoint.iteration)
    return f'{checkpoint.run} {iteration}' if is_last else iteration


_Extent = tuple[float, float, float, float]  # left, bottom, right, top in pixels


def _mark_better_corner(axes: Axes, x: MetricEntry, y: MetricEntry) -> _Extent:
    """Draw an arrow into the corner of the better values, and return what it takes."""
    x_end, y_end = (float(metric['direction'] == 'higher') for metric in (x, y))
    inwards = (1 - 2 * x_end, 1 - 2 * y_end)
    text = axes.annotate(
        'better',
        xy=(x_end + 0.01 * inwards[0], y_end + 0.01 * inwards[1]),
        xytext=(36 * inwards[0], 16 * inwards[1]),
        xycoords='axes fraction',
        textcoords='offset points',
        ha='center',
        va='center',
        fontsize=SMALL_FONT_SIZE,
        color='0.4',
        arrowprops={'arrowstyle': '->', 'color': '0.4', 'linewidth': 0.8, 'shrinkA': 0, 'shrinkB': 0},
    )
    text.set_in_layout(False)
    return text.get_window_extent().extents


def _place_labels(
    axes: Axes,
    labels: Sequence[tuple[str, str, tuple[float, float]]],
    lines: Sequence[np.ndarray],
    corner: _Extent,
) -> None:
    """Write labels (text, colour, point) beside their points where they hide least."""
    to_pixels = axes.transData.transform
    unit = axes.get_figure(root=True).dpi / 72  # type: ignore[union-attr]
    taken: list[_Extent] = [corner]
    for line in lines:
        pixels = to_pixels(line)
        for start, end in itertools.pairwise(pixels):
            taken += [_around(place, unit) for place in np.linspace(start, end, 30)]
        taken += [_around(place, 4 * unit) for place in pixels]
    for text, color, point in labels:
        label = axes.annotate(
            text,
            point,
            textcoords='offset points',
            xytext=(0, 0),
            ha='center',
            va='center',
            fontsize=SMALL_FONT_SIZE,
            color=color,
            arrowprops={'arrowstyle': '-', 'color': color, 'linewidth': 0.5, 'shrinkA': 0, 'shrinkB': 3},
        )
        label.set_in_layout(False)
        extent = Text.get_window_extent(label)  # its size, without the line to the point
        size = (extent.width / unit, extent.height / unit)
        offset = choose_offset(
            to_pixels(point) / unit, size, np.array(taken) / unit, np.array(axes.bbox.extents) / unit
        )
        label.set_position(offset)
        assert label.arrow_patch is not None
        distance = max(abs(offset[0]) - size[0] / 2, abs(offset[1]) - size[1] / 2)
        label.arrow_patch.set_visible(distance > _GAPS[1])  # near ones need no line to their points
        center, half = to_pixels(point) + np.array(offset) * unit, np.array(size) * unit / 2
        taken.append((*(center - half), *(center + half)))


def _around(place: np.ndarray, half: float) -> _Extent:
    return place[0] - half, place[1] - half, place[0] + half, place[1] + half


def choose_offset(
    point: np.ndarray, size: tuple[float, float], taken: np.ndarray, bounds: np.ndarray
) -> tuple[float, float]:
    """Choose where a label stands beside its point.

    Args:
        point: Its place (2).
        size: Width and height of the label.
        taken: Extents (n, 4) to keep clear: left, bottom, right, top.
        bounds: Extent (4) to stay in.

    Returns:
        From the point to the centre of the label: the nearest of some places that overlaps with nothing, or the one
        that overlaps least.
    """
    best, least = (0.0, 0.0), math.inf
    for gap in _GAPS:
        for x_side, y_side in ((1, 0), (1, 1), (1, -1), (0, 1), (0, -1), (-1, 0), (-1, 1), (-1, -1)):
            reach = gap if x_side == 0 or y_side == 0 else gap * 0.6
            offset = (x_side * (reach + size[0] / 2), y_side * (reach + size[1] / 2))
            center = point + offset
            extent = np.concatenate([center - np.array(size) / 2, center + np.array(size) / 2])
            overlap = _overlap(extent, taken).sum() + size[0] * size[1] - _overlap(extent, bounds[None]).sum()
            if overlap < least - 1e-6:
                best, least = offset, overlap
    return best


def _overlap(extent: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the areas (n) that an extent (4) has in common with others (n, 4)."""
    sides = np.minimum(extent[2:], others[:, 2:]) - np.maximum(extent[:2], others[:, :2])
    return np.maximum(sides, 0).prod(axis=1)
