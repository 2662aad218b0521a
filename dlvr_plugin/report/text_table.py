"""Tables for the terminal."""

import re
from collections.abc import Sequence

_STYLE = re.compile(r'\033\[\d*m')  # takes no room


def format_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows below their headers, columns as wide as they need to be."""
    lines = [list(headers), *map(list, rows)]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(headers))]
    lines.insert(1, ['-' * width for width in widths])
    return '\n'.join(
        '  '.join(cell + ' ' * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _width(cell: str) -> int:
    return len(_STYLE.sub('', cell))
