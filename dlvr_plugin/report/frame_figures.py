"""Figures of frames: crops side by side, temporal profiles, and flow maps.

All images are (h, w, 3), BGR, uint8. Where a figure takes images by name, those of the methods come first and the
ground truth last, where there is one.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.metrics.frames import to_grey
from dlvr_plugin.metrics.optical_flow import farneback_flow
from dlvr_plugin.report.figure_style import (
    COLORS,
    SMALL_FONT_SIZE,
    WIDTH,
    add_panel,
    add_text,
    draw_edge,
    figure_style,
    fit_texts,
    new_figure,
    show_image,
)
from dlvr_plugin.report.flow_colors import color_flow, draw_color_wheel

Zoom = Literal['nearest', 'bicubic']

# Inches.
_MARGIN, _GAP, _TEXT_GAP, _TEXT_LINE, _SMALL_LINE = 0.03, 0.05, 0.03, 0.17, 0.13
_PROFILE_REFERENCE, _PROFILE_LABEL, _LEGEND_HEIGHT = 1.7, 0.9, 0.6
_PROFILE_ASPECT = 0.5  # height by width, at most, of a profile below a crop
_REFERENCE_SHARE = 0.4  # of the width, that the reference frame should have beside its crops
_LINE_COLOR = COLORS[0]
_HEAT = 'inferno'
# Pixels that get full colours at least: what stands still seems to move by some hundredths, and is to look still.
_MIN_LENGTH, _MIN_DIFFERENCE = 0.5, 0.01
_BOX_COLORS = tuple(COLORS[index] for index in (1, 2, 4, 3, 5))


class Box(NamedTuple):
    """A part of a frame, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, image: np.ndarray) -> np.ndarray:
        """Return the part of an image."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]

    def cut_columns(self, profile: np.ndarray) -> np.ndarray:
        """Return the box's columns of a temporal profile of whole rows."""
        return profile[:, self.left : self.left + self.width]


@dataclass(frozen=True)
class Line:
    """Pixels ``start`` to ``stop`` (the one after the last) of a row or a column of frames."""

    axis: Literal['row', 'column']
    position: int
    start: int
    stop: int

    def cut(self, image: np.ndarray) -> np.ndarray:
        """Return the pixels (n, 3) of an image."""
        whole = image[self.position] if self.axis == 'row' else image[:, self.position]
        return whole[self.start : self.stop]

    def draw(self, axes: Axes) -> None:
        """Draw the line over an image of the whole frame, dotted."""
        along, across = (self.start, self.stop - 1), (self.position, self.position)
        x, y = (along, across) if self.axis == 'row' else (across, along)
        outline = [withStroke(linewidth=2.2, foreground='white')]
        axes.plot(x, y, color=_LINE_COLOR, linestyle=(0, (1, 1)), linewidth=1.4, path_effects=outline)


def temporal_profile(frames: Iterable[np.ndarray], line: Line) -> np.ndarray:
    """Stack what a line sees in each frame: image (T, n, 3), time downwards."""
    return np.stack([line.cut(frame) for frame in frames])


@dataclass(frozen=True)
class _Panel:
    """One of the panels that a method has below each other: a crop, or the temporal profile of its columns."""

    box: Box
    color: str
    is_profile: bool
    aspect: float  # height by width


@dataclass(frozen=True)
class _CropGrid:
    """Where the crops stand: blocks of one method each, in lines beside the reference, which is as high as they are."""

    num_columns: int
    crop_width: float
    block_height: float  # without the label
    label_height: float
    reference_size: tuple[float, float]  # width and height

    @classmethod
    def fit(cls, num_methods: int, panels: Sequence[_Panel], frame_aspect: float, label_height: float) -> '_CropGrid':
        """Choose how many lines there are, so that the reference gets its share of the width."""
        grids = []
        for num_lines in range(1, num_methods + 1):
            num_columns = math.ceil(num_methods / num_lines)
            room = WIDTH - 2 * _MARGIN - (num_columns + 1) * _GAP
            gaps = num_lines * (len(panels) - 1) * _GAP + (num_lines - 1) * (label_height + _GAP)
            aspect = sum(panel.aspect for panel in panels)
            # Both sides are equally high: frame_aspect * (room - columns * crop) = lines * aspect * crop + gaps.
            crop = (frame_aspect * room - gaps) / (num_lines * aspect + frame_aspect * num_columns)
            width = room - num_columns * crop
            block = aspect * crop + (len(panels) - 1) * _GAP
            grids.append(cls(num_columns, crop, block, label_height, (width, width * frame_aspect)))
        usable = [grid for grid in grids if grid.crop_width > 0]
        if not usable:
            raise InvalidValueError('The boxes are too many or too high for one figure. Take fewer, or wider ones.')
        return min(usable, key=lambda grid: abs(grid.reference_size[0] / WIDTH - _REFERENCE_SHARE))

    def corner(self, index: int) -> tuple[float, float]:
        """Return left and top of a method's block."""
        line, column = divmod(index, self.num_columns)
        left = _MARGIN + self.reference_size[0] + 2 * _GAP + column * (self.crop_width + _GAP)
        return left, _MARGIN + line * (self.block_height + self.label_height + _GAP)


def draw_crops(
    frames: Mapping[str, np.ndarray],
    boxes: Sequence[Box],
    *,
    caption: str,
    notes: Mapping[str, str] | None = None,
    profiles: Mapping[str, np.ndarray] | None = None,
    profile_row: int = 0,
    zoom: Zoom = 'nearest',
) -> Figure:
    """Draw the last frame, the ground truth where there is one, with boxes, and beside it what all have in them.

    Args:
        frames: The same frame of every method and of the ground truth, by name.
        boxes: What is enlarged, at least one.
        caption: Below the last frame.
        notes: Second lines below the names, such as metrics.
        profiles: Temporal profiles (T, w, 3) of a whole row, by name; shown for the boxes that hold the row.
        profile_row: That row.
        zoom: Interpolation of the crops.

    Raises:
        InvalidValueError: The boxes do not fit on one figure.
    """
    reference = list(frames.values())[-1]
    panels = _plan_panels(boxes, len(next(iter(profiles.values()))) if profiles else 0, profile_row)
    label_height = _TEXT_LINE + (_SMALL_LINE if notes else 0)
    grid = _CropGrid.fit(len(frames), panels, reference.shape[0] / reference.shape[1], label_height)
    lines = math.ceil(len(frames) / grid.num_columns)
    with figure_style():
        figure = new_figure(grid.corner(lines * grid.num_columns)[1] - _GAP + _MARGIN)
        _draw_reference(figure, grid.reference_size, reference, panels, profile_row)
        below = _MARGIN + grid.reference_size[1] + _TEXT_GAP
        width = grid.reference_size[0]
        fit_texts([add_text(figure, _MARGIN + width / 2, below, caption)], width)
        names, seconds = [], []
        for index, (name, frame) in enumerate(frames.items()):
            left, top = grid.corner(index)
            _draw_block(
                figure, (left, top), grid.crop_width, panels, frame, profiles[name] if profiles else frame, zoom
            )
            x, y = left + grid.crop_width / 2, top + grid.block_height + _TEXT_GAP
            names.append(add_text(figure, x, y, name))
            if notes:
                note = notes.get(name, '')
                seconds.append(add_text(figure, x, y + _SMALL_LINE, note, fontsize=SMALL_FONT_SIZE))
        fit_texts(names, grid.crop_width)
        fit_texts(seconds, grid.crop_width)
    return figure


def _plan_panels(boxes: Sequence[Box], num_frames: int, row: int) -> list[_Panel]:
    """Return the panels of a method, from above; profiles where ``num_frames`` is not 0."""
    panels = []
    for index, box in enumerate(boxes):
        color = _BOX_COLORS[index % len(_BOX_COLORS)]
        panels.append(_Panel(box, color, False, box.height / box.width))
        if num_frames and box.top <= row < box.top + box.height:
            panels.append(_Panel(box, color, True, min(_PROFILE_ASPECT, num_frames / box.width)))
    return panels


def _draw_reference(
    figure: Figure, size: tuple[float, float], frame: np.ndarray, panels: Sequence[_Panel], row: int
) -> None:
    axes = add_panel(figure, _MARGIN, _MARGIN, *size)
    show_image(axes, frame)
    for panel in panels:
        box = panel.box
        if panel.is_profile:
            Line('row', row, box.left, box.left + box.width).draw(axes)
        else:
            corner = (box.left - 0.5, box.top - 0.5)  # pixels are centred at whole numbers
            axes.add_patch(Rectangle(corner, box.width, box.height, fill=False, color=panel.color, linewidth=1.4))


def _draw_block(
    figure: Figure,
    corner: tuple[float, float],
    width: float,
    panels: Sequence[_Panel],
    frame: np.ndarray,
    profile: np.ndarray,
    zoom: Zoom,
) -> None:
    """Draw the panels of one method."""
    left, top = corner
    for panel in panels:
        image = panel.box.cut_columns(profile) if panel.is_profile else panel.box.cut(frame)
        axes = add_panel(figure, left, top, width, width * panel.aspect)
        show_image(axes, image, interpolation=zoom)
        draw_edge(axes, panel.color, 1.2)
        top += width * panel.aspect + _GAP


def draw_profiles(reference: np.ndarray, line: Line, profiles: Mapping[str, np.ndarray], *, caption: str) -> Figure:
    """Draw temporal profiles one below the other, beside a small frame that shows their line.

    Args:
        reference: A frame of the ground truth, or of a method.
        line: What the profiles show.
        profiles: Images (T, n, 3), time downwards, by name.
        caption: Below the frame.
    """
    num_frames, num_pixels = next(iter(profiles.values())).shape[:2]
    height = _PROFILE_REFERENCE * reference.shape[0] / reference.shape[1]
    with figure_style():
        figure = new_figure(1)
        labels = [add_text(figure, 0, 0, name, ha='right', va='center') for name in profiles]
        left = _MARGIN + _PROFILE_REFERENCE + fit_texts(labels, _PROFILE_LABEL) + 4 * _GAP
        width = WIDTH - left - _MARGIN
        # Square pixels where that gives strips that can be read; the strips are at least as high as the frame.
        strip = min(max(width * num_frames / num_pixels, 0.35), 1.2)
        strip = max(strip, (height - (len(profiles) - 1) * _GAP) / len(profiles))
        bottom = _MARGIN + len(profiles) * (strip + _GAP) - _GAP
        total = max(bottom, _MARGIN + height) + _TEXT_LINE + _MARGIN
        figure.set_size_inches(WIDTH, total)
        axes = add_panel(figure, _MARGIN, _MARGIN, _PROFILE_REFERENCE, height)
        show_image(axes, reference)
        line.draw(axes)
        text = add_text(figure, _MARGIN + _PROFILE_REFERENCE / 2, _MARGIN + height + _TEXT_GAP, caption)
        fit_texts([text], _PROFILE_REFERENCE)
        for index, (label, profile) in enumerate(zip(labels, profiles.values(), strict=True)):
            top = _MARGIN + index * (strip + _GAP)
            show_image(add_panel(figure, left, top, width, strip), profile)
            label.set_position(((left - _GAP) / WIDTH, 1 - (top + strip / 2) / total))
        axis = 'x' if line.axis == 'row' else 'y'
        note = f'{axis} = {line.start} … {line.stop - 1} →      t: {num_frames} frames ↓'
        add_text(figure, left + width / 2, bottom + _TEXT_GAP, note, fontsize=SMALL_FONT_SIZE)
    return figure


def flow_of(pair: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Compute the flow (h, w, 2) in pixels between two frames."""
    previous, current = map(to_grey, pair)
    return farneback_flow(previous, current)


def flow_difference(flow: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the Euclidean distance (h, w) of two flows, in pixels; its mean is the tOF of the frame."""
    return np.linalg.norm(flow - reference, axis=-1)


def draw_flow_maps(
    pairs: Mapping[str, tuple[np.ndarray, np.ndarray]], *, caption: str, max_length: float | None = None
) -> Figure:
    """Draw, a method a line: the frame, its flow, the flow of the ground truth, and how far they differ.

    Args:
        pairs: The frame before and the frame, of every method and of the ground truth, by name.
        caption: Above the frames.
        max_length: Length of flow that gets full colours, in pixels; None for the 99th percentile of the ground truth.

    Raises:
        InvalidValueError: ``max_length`` is not above 0.
    """
    flows = {name: flow_of(pair) for name, pair in pairs.items()}
    gt_flow = flows.pop(list(flows)[-1])
    differences = {name: flow_difference(flow, gt_flow) for name, flow in flows.items()}
    if max_length is None:
        max_length = _scale_of(np.linalg.norm(gt_flow, axis=-1), _MIN_LENGTH)
    max_difference = _scale_of(np.stack(list(differences.values())), _MIN_DIFFERENCE)
    frame_height, frame_width = gt_flow.shape[:2]
    left = _MARGIN + _TEXT_LINE
    width = (WIDTH - left - _MARGIN - 3 * _GAP) / 4
    height = width * frame_height / frame_width
    lefts = [left + column * (width + _GAP) for column in range(4)]
    top = _MARGIN + _TEXT_LINE
    with figure_style():
        figure = new_figure(top + len(flows) * (height + _TEXT_LINE) + _LEGEND_HEIGHT + _MARGIN)
        titles = (caption, 'flow', 'flow of ground truth', 'difference')
        fit_texts(
            [add_text(figure, x + width / 2, _MARGIN, text) for x, text in zip(lefts, titles, strict=True)], width
        )
        labels = []
        for name, flow in flows.items():
            images = (pairs[name][1], *(color_flow(part, max_length)[..., ::-1] for part in (flow, gt_flow)))
            for x, image in zip(lefts, images, strict=False):
                axes = add_panel(figure, x, top, width, height)
                show_image(axes, image)
                draw_edge(axes, '0.5', 0.5)  # still parts are as white as the paper
            axes = add_panel(figure, lefts[3], top, width, height)
            axes.imshow(differences[name], cmap=_HEAT, vmin=0, vmax=max_difference, aspect='auto')
            draw_edge(axes, '0.5', 0.5)
            mean = f'mean (tOF) {differences[name].mean():.3f}'
            add_text(figure, lefts[3] + width / 2, top + height + _TEXT_GAP, mean, fontsize=SMALL_FONT_SIZE)
            label = add_text(figure, _MARGIN, top + height / 2, name, rotation=90, ha='left', va='center')
            labels.append(label)
            top += height + _TEXT_LINE
        fit_texts(labels, height)
        _draw_flow_legend(figure, top + _GAP, lefts[1] + width + _GAP / 2, max_length)
        _draw_heat_legend(figure, top + _GAP, lefts[3], width, max_difference)
    return figure


def _scale_of(lengths: np.ndarray, least: float) -> float:
    """Return the length that gets full colours."""
    return max(float(np.percentile(lengths, 99)), least)


def _draw_flow_legend(figure: Figure, top: float, center: float, max_length: float) -> None:
    """Draw the colour wheel, and beside it what its rim means."""
    size = _LEGEND_HEIGHT - _GAP
    axes = add_panel(figure, center - size, top, size, size)
    show_image(axes, draw_color_wheel(401)[..., ::-1])
    text = f'rim: {max_length:.2g} pixels/frame\nor more'
    add_text(figure, center + _GAP, top + size / 2, text, ha='left', va='center', fontsize=SMALL_FONT_SIZE)


def _draw_heat_legend(figure: Figure, top: float, left: float, width: float, max_difference: float) -> None:
    axes = add_panel(figure, left + 0.1 * width, top, 0.8 * width, 0.08)
    colors = ScalarMappable(Normalize(0, max_difference), _HEAT)
    bar = figure.colorbar(colors, cax=axes, orientation='horizontal', extend='max')
    bar.locator = MaxNLocator(4)
    bar.set_label('pixels/frame', fontsize=SMALL_FONT_SIZE, labelpad=1)
