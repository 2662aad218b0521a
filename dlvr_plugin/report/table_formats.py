"""What tables of results share, in the terminal, in Markdown and in LaTeX: ranks, names, headings, rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from dlvr_plugin.evaluation.evaluation_file import MetricEntry

_BOLD, _UNDERLINE, _RESET = '\033[1m', '\033[4m', '\033[0m'


class Marks(NamedTuple):
    """How the best and the second best stand out."""

    best: Callable[[str], str]
    second: Callable[[str], str]


TERMINAL = Marks(lambda text: f'{_BOLD}{text}{_RESET}', lambda text: f'{_UNDERLINE}{text}{_RESET}')
PLAIN = Marks(lambda text: f'*{text}*', lambda text: f'_{text}_')
MARKDOWN = Marks(lambda text: f'**{text}**', lambda text: f'<u>{text}</u>')
LATEX = Marks(lambda text: f'\\textbf{{{text}}}', lambda text: f'\\underline{{{text}}}')


def format_value(value: float, decimals: int) -> str:
    """Return a value as a table shows it."""
    return '∞' if value == float('inf') else f'{value:.{decimals}f}'


def mark_ranks(values: Mapping[str, float], metric: MetricEntry, marks: Marks) -> dict[str, str]:
    """Return the values of one metric as a table shows them; of several the best and the second best are marked.

    Ranks are those of the numbers as they are shown: what looks equal is equal.
    """
    shown = {name: format_value(value, metric['decimals']) for name, value in values.items()}
    numbers = {text: float(text.replace('∞', 'inf')) for text in shown.values()}
    ranked = sorted(numbers, key=lambda text: numbers[text], reverse=metric['direction'] == 'higher')
    mark_of = dict(zip(ranked, marks, strict=False)) if len(values) > 1 else {}
    return {name: mark_of.get(text, str)(text) for name, text in shown.items()}


def heading_of(metric: MetricEntry) -> str:
    """Return the name of a metric with an arrow to its better values."""
    return metric['label'] + ('↑' if metric['direction'] == 'higher' else '↓')


def latex_heading_of(metric: MetricEntry) -> str:
    """Return the same for LaTeX."""
    return escape_latex(metric['label']) + (r'$\uparrow$' if metric['direction'] == 'higher' else r'$\downarrow$')


def format_markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows below their headers; the first column holds names, the others numbers."""
    head, *body = [[escape_markdown(row[0]), *row[1:]] for row in (headers, *rows)]
    lines = [head, ['---', *(['---:'] * (len(headers) - 1))], *body]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def format_latex_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a ``tabular`` of rows below their headers; the first column holds names, the others numbers."""
    cells = [[escape_latex(row[0]), *row[1:]] for row in (headers, *rows)]
    head, *body = [' & '.join(line).replace('∞', r'$\infty$') + r' \\' for line in cells]
    lines = [f'\\begin{{tabular}}{{l{"c" * (len(headers) - 1)}}}', r'\hline', head, r'\hline', *body, r'\hline']
    return '\n'.join([*lines, r'\end{tabular}']) + '\n'


def escape_markdown(text: str) -> str:
    """Return text that may stand in a cell, and begins no element of HTML."""
    return text.replace('|', '\\|').replace('<', '&lt;')


def escape_latex(text: str) -> str:
    """Return text that LaTeX sets as it is."""
    replacements = {character: f'\\{character}' for character in '&%$#_{}'}
    replacements |= {'\\': r'\textbackslash{}', '~': r'\textasciitilde{}', '^': r'\textasciicircum{}'}
    return ''.join(replacements.get(character, character) for character in text)
