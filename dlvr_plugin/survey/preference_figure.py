"""The picture of a study: how often the first method of each pair was preferred, with intervals."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlvr_plugin.report.figure_style import COLORS, FONT_SIZE, WIDTH, add_text, figure_style, fit_texts, new_figure
from dlvr_plugin.survey.preference import exact_interval
from dlvr_plugin.survey.tables import MODE_NAMES
from dlvr_plugin.survey.tally import Group, Tally

_ROW, _TITLE, _BOTTOM, _LEFT, _RIGHT = 0.22, 0.32, 0.42, 1.3, 0.9  # inches


def draw_preferences(tally: Tally) -> Figure:
    """Return a panel a pair and mode: a line a clip, one for all, the share of the first method in percent."""
    groups = tally.groups
    heights = [_ROW * (len(group.clips) + 1) for group in groups]
    with figure_style():
        figure = new_figure(sum(heights) + len(groups) * (_TITLE + _BOTTOM))
        top = 0.0
        for group, height in zip(groups, heights, strict=True):
            title = f'{group.pair[0]} preferred to {group.pair[1]}, {MODE_NAMES[group.mode]}'
            text = add_text(figure, WIDTH / 2, top + 0.1, title, fontsize=FONT_SIZE)
            fit_texts([text], WIDTH - 0.2)
            total_height = figure.get_size_inches()[1]
            bottom = 1 - (top + _TITLE + height) / total_height
            axes = figure.add_axes((_LEFT / WIDTH, bottom, (WIDTH - _LEFT - _RIGHT) / WIDTH, height / total_height))
            _fill(axes, group)
            fit_texts(axes.get_yticklabels(), _LEFT - 0.1)
            top += _TITLE + height + _BOTTOM
    return figure


def _fill(axes: Axes, group: Group) -> None:
    lines: Sequence[str | None] = [None, *reversed(group.clips)]
    for y, clip in enumerate(lines):
        num_first, num_votes = group.count(clip)
        axes.text(101, y, f' n = {num_votes}', va='center', fontsize=FONT_SIZE - 1)
        if not num_votes:
            continue
        share, bounds = 100 * num_first / num_votes, [100 * bound for bound in exact_interval(num_first, num_votes)]
        color = COLORS[1] if clip is None else COLORS[0]
        axes.plot(bounds, [y, y], color=color, linewidth=1.2, solid_capstyle='butt')
        axes.plot([share], [y], 'D' if clip is None else 'o', color=color, markersize=4)
    axes.axvline(50, color='0.5', linewidth=0.7, linestyle='--', zorder=0)
    axes.set(xlim=(0, 100), ylim=(-0.6, len(lines) - 0.4), xlabel='preferred in % of the answers, 95 % interval')
    axes.set_yticks(range(len(lines)), [clip or 'all' for clip in lines])
    axes.grid(axis='x')
    axes.spines[['top', 'right']].set_visible(False)
