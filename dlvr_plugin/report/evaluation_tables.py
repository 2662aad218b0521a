"""Tables of an evaluation: for the terminal, for spreadsheets, for Markdown and LaTeX."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence

from dlvr_plugin.evaluation.bootstrap import MIN_CLIPS
from dlvr_plugin.evaluation.evaluation_file import Evaluation, MetricEntry
from dlvr_plugin.evaluation.protocol import format_protocol
from dlvr_plugin.report.text_table import format_table

_BOLD, _UNDERLINE, _RESET = '\033[1m', '\033[4m', '\033[0m'
_INTERVAL_OF = {'frames': 'of frames', 'clips': 'of clips'}

Mark = Callable[[str], str]


def format_terminal(evaluation: Evaluation, *, styled: bool = True) -> str:
    """Return the means with their intervals, and the means of each clip.

    Args:
        evaluation: What was measured.
        styled: Print the best bold and the second best underlined; else they carry ``*`` and ``_``.
    """
    best: Mark = (lambda text: f'{_BOLD}{text}{_RESET}') if styled else (lambda text: f'*{text}*')
    second: Mark = (lambda text: f'{_UNDERLINE}{text}{_RESET}') if styled else (lambda text: f'_{text}_')
    tables = []
    for title, means in _all_means(evaluation):
        cells = _mark_ranks(evaluation, means, best, second)
        header = [title, *(_heading(metric, _arrow(metric)) for metric in evaluation['metrics'].values())]
        tables.append(format_table(header, [[method, *row] for method, row in cells.items()]))
    lines = ['\n\n'.join(tables), '', *_format_intervals(evaluation), '', format_protocol(evaluation['protocol'])]
    lines.append(f'{"Bold" if styled else "*"}: best, {"underlined" if styled else "_"}: second best.')
    return '\n'.join(lines) + '\n'


def format_csv(evaluation: Evaluation) -> str:
    """Return the value of each frame: columns method, clip, frame and the metrics; empty where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    metrics = list(evaluation['metrics'])
    writer.writerow(['method', 'clip', 'frame', *metrics])
    for method, entry in evaluation['methods'].items():
        for clip, result in entry['clips'].items():
            for index, frame in enumerate(evaluation['clips'][clip]['frames']):
                values = (result['frames'][metric][index] for metric in metrics)
                writer.writerow([method, clip, frame, *('' if value is None else repr(value) for value in values)])
    return text.getvalue()


def format_markdown(evaluation: Evaluation) -> str:
    """Return the means as a Markdown table in the form of the paper's Table 2, the protocol below."""
    cells = _mark_ranks(evaluation, _means(evaluation), lambda text: f'**{text}**', lambda text: f'<u>{text}</u>')
    header = ['Method', *(_heading(metric, _arrow(metric)) for metric in evaluation['metrics'].values())]
    rows = [header, ['---', *(['---:'] * len(evaluation['metrics']))]]
    rows += [[method.replace('|', '\\|'), *row] for method, row in cells.items()]
    return ''.join(f'| {" | ".join(row)} |\n' for row in rows) + f'\n{format_protocol(evaluation["protocol"])}\n'


def format_latex(evaluation: Evaluation) -> str:
    """Return the means as a LaTeX ``tabular`` in the form of the paper's Table 2."""
    cells = _mark_ranks(
        evaluation, _means(evaluation), lambda text: f'\\textbf{{{text}}}', lambda text: f'\\underline{{{text}}}'
    )
    arrows = {'higher': r'$\uparrow$', 'lower': r'$\downarrow$'}
    header = ['Method']
    header += [
        _escape_latex(metric['label']) + arrows[metric['direction']] for metric in evaluation['metrics'].values()
    ]
    rows = [header, *([_escape_latex(method), *row] for method, row in cells.items())]
    body = [' & '.join(row).replace('∞', r'$\infty$') + r' \\' for row in rows]
    lines = [
        f'% {format_protocol(evaluation["protocol"])}',
        f'\\begin{{tabular}}{{l{"c" * len(evaluation["metrics"])}}}',
        r'\hline',
    ]
    lines += [body[0], r'\hline', *body[1:], r'\hline', r'\end{tabular}']
    return '\n'.join(lines) + '\n'


def format_value(value: float, decimals: int) -> str:
    """Return a value as a table shows it."""
    return '∞' if value == float('inf') else f'{value:.{decimals}f}'


def _means(evaluation: Evaluation) -> dict[str, Mapping[str, float]]:
    return {method: entry['mean'] for method, entry in evaluation['methods'].items()}


def _all_means(evaluation: Evaluation) -> list[tuple[str, Mapping[str, Mapping[str, float]]]]:
    """Return the title and the means by method of all clips together and, where there are several, of each."""
    tables: list[tuple[str, Mapping[str, Mapping[str, float]]]] = []
    if len(evaluation['clips']) > 1:
        for clip in evaluation['clips']:
            tables.append((clip, {name: entry['clips'][clip]['mean'] for name, entry in evaluation['methods'].items()}))
    return [*tables, (f'mean of {len(evaluation["clips"])} clips' if tables else 'Method', _means(evaluation))]


def _mark_ranks(
    evaluation: Evaluation, means: Mapping[str, Mapping[str, float]], best: Mark, second: Mark
) -> dict[str, list[str]]:
    """Return the cells of each method; with several methods the best and the second best are marked.

    Ranks are those of the numbers as they are shown: what looks equal is equal.
    """
    cells: dict[str, list[str]] = {method: [] for method in means}
    for metric, entry in evaluation['metrics'].items():
        shown = {method: format_value(mean[metric], entry['decimals']) for method, mean in means.items()}
        values = {text: float(text.replace('∞', 'inf')) for text in shown.values()}
        ranked = sorted(values, key=lambda text: values[text], reverse=entry['direction'] == 'higher')
        for method, text in shown.items():
            rank = ranked.index(text) if len(means) > 1 else None
            cells[method].append({0: best, 1: second}.get(rank, str)(text) if rank is not None else text)
    return cells


def _heading(metric: MetricEntry, arrow: str) -> str:
    return metric['label'] + arrow


def _arrow(metric: MetricEntry) -> str:
    return '↑' if metric['direction'] == 'higher' else '↓'


def _format_intervals(evaluation: Evaluation) -> list[str]:
    """Return the intervals of the means as a table."""
    rows = []
    for method, entry in evaluation['methods'].items():
        for drawn, title in _INTERVAL_OF.items():
            cells = []
            for metric, description in evaluation['metrics'].items():
                bounds: Sequence[float] | None = entry['intervals'][metric][drawn]  # type: ignore[literal-required]
                decimals = description['decimals']
                cells.append('-' if bounds is None else ' to '.join(format_value(bound, decimals) for bound in bounds))
            rows.append([method, title, *cells])
    labels = [metric['label'] for metric in evaluation['metrics'].values()]
    table = format_table(['95 % interval (bootstrap)', 'drawn anew', *labels], rows)
    if (num_clips := len(evaluation['clips'])) >= MIN_CLIPS:
        return [table]
    count = f'{num_clips} clip{"" if num_clips == 1 else "s"}'
    return [table, f'There is no interval of clips for {count}: it takes at least {MIN_CLIPS}.']


def _escape_latex(text: str) -> str:
    replacements = {character: f'\\{character}' for character in '&%$#_{}'}
    replacements |= {'\\': r'\textbackslash{}', '~': r'\textasciitilde{}', '^': r'\textasciicircum{}'}
    return ''.join(replacements.get(character, character) for character in text)
