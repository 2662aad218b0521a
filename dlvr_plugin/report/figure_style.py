"""What all figures share: fonts, colours, sizes, and how they are written."""

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.files import write_atomic

WIDTH = 7.0
"""Width of a figure in inches: both columns of a paper."""

COLORS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000')
"""Colours that colour-blind people tell apart (Okabe and Ito, without the yellow that white paper swallows)."""

MARKERS = ('o', 's', '^', 'D', 'v', 'P')  # fewer than colours, so that pairs of the two repeat late
SUFFIXES = ('.png', '.pdf')
FONT_SIZE, SMALL_FONT_SIZE, _MIN_FONT_SIZE = 8.0, 7.0, 5.0

_LINE_STYLES = ('-', '--', '-.', ':')
_STYLE: dict[Any, Any] = {  # matplotlib's names of settings are typed, and differ between its versions
    'font.family': 'DejaVu Sans',  # comes with matplotlib: the same picture on every machine
    'font.size': FONT_SIZE,
    'axes.titlesize': FONT_SIZE,
    'axes.labelsize': FONT_SIZE,
    'xtick.labelsize': SMALL_FONT_SIZE,
    'ytick.labelsize': SMALL_FONT_SIZE,
    'legend.fontsize': SMALL_FONT_SIZE,
    'axes.linewidth': 0.6,
    'xtick.major.width': 0.6,
    'ytick.major.width': 0.6,
    'xtick.major.size': 2.5,
    'ytick.major.size': 2.5,
    'axes.grid': False,
    'grid.color': '0.88',
    'grid.linewidth': 0.5,
    'pdf.fonttype': 42,  # TrueType; publishers refuse Type 3
}


def figure_style() -> AbstractContextManager[None]:
    """Return the context in which figures are drawn and written; other figures of the process keep their style."""
    return matplotlib.rc_context(_STYLE)


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure, in inches, whose texts can be measured."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def line_style(index: int) -> dict[str, Any]:
    """Return colour and dashes of a line; dashes change where the colours begin again."""
    return {
        'color': COLORS[index % len(COLORS)],
        'linestyle': _LINE_STYLES[index // len(COLORS) % len(_LINE_STYLES)],
    }


def add_panel(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes without ticks, placed in inches from the upper left corner."""
    total_width, total_height = figure.get_size_inches()
    axes = figure.add_axes(
        (left / total_width, 1 - (top + height) / total_height, width / total_width, height / total_height)
    )
    axes.set(xticks=[], yticks=[])
    return axes


def show_image(axes: Axes, image: np.ndarray, *, interpolation: str = 'auto') -> None:
    """Fill axes with an image (h, w, 3), BGR, uint8."""
    axes.imshow(image[..., ::-1], interpolation=interpolation, aspect='auto')
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def draw_edge(axes: Axes, color: str, width: float) -> None:
    """Frame axes with a line, ``width`` points wide."""
    axes.spines[:].set(visible=True, color=color, linewidth=width)


def add_text(figure: Figure, x: float, y: float, text: str, **properties: Any) -> Text:
    """Write at a place in inches from the upper left corner, by default centred and below it."""
    width, height = figure.get_size_inches()
    return figure.text(x / width, 1 - y / height, text, **{'ha': 'center', 'va': 'top', **properties})


def fit_texts(texts: Sequence[Text], width: float) -> float:
    """Make texts smaller that are wider than ``width`` inches; those that would become too small to read are cut.

    Returns:
        Width of the widest in inches.
    """
    widths = [0.0]
    for text in texts:
        figure = text.get_figure(root=True)
        assert figure is not None
        room = width * figure.dpi
        if (measured := _measure(text)) > room:
            text.set_fontsize(max(_MIN_FONT_SIZE, 0.97 * room / measured * float(text.get_fontsize())))
        content = text.get_text()
        while len(content) > 1 and _measure(text) > room:
            content = content[:-1]
            text.set_text(f'{content.rstrip()}…')
        widths.append(_measure(text) / figure.dpi)
    return max(widths)


def _measure(text: Text) -> float:
    """Return the length of a text in pixels, upright ones too."""
    extent = text.get_window_extent()
    return extent.height if text.get_rotation() == 90 else extent.width


def check_suffix(path: Path) -> list[Path]:
    """Return the files that are written for a path: itself, or a PNG and a PDF where it has no extension.

    Raises:
        InvalidValueError: Another extension.
    """
    if not path.suffix:
        return [path.with_name(path.name + suffix) for suffix in SUFFIXES]
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidValueError(
            f'{path} has the extension {path.suffix}; expected {" or ".join(SUFFIXES)}, or none for both of them.'
        )
    return [path]


def save_figure(figure: Figure, path: Path, dpi: int = 300) -> list[Path]:
    """Write a figure; the same figure gives the same bytes.

    Args:
        figure: To write.
        path: PNG or PDF by its extension, both without one.
        dpi: Pixels an inch, of the images in a PDF, too.

    Returns:
        The files written.

    Raises:
        InvalidValueError: Another extension. OSError: A file cannot be written.
    """
    paths = check_suffix(path)
    for target in paths:
        suffix = target.suffix.lower()
        content = io.BytesIO()
        with figure_style():
            metadata = {'CreationDate': None} if suffix == '.pdf' else None
            figure.savefig(content, format=suffix[1:], dpi=dpi, metadata=metadata)  # type: ignore[arg-type]
        try:
            write_atomic(target, content.getvalue())
        except OSError as error:
            raise OSError(f'{target} cannot be written: {error.strerror}.') from error
    return paths
