"""Tables of an evaluation: for the terminal, for spreadsheets, for Markdown and LaTeX."""

import csv
import io
from collections.abc import Mapping, Sequence

from dlvr_plugin.evaluation.bootstrap import MIN_CLIPS
from dlvr_plugin.evaluation.evaluation_file import Evaluation
from dlvr_plugin.evaluation.protocol import format_protocol
from dlvr_plugin.report.table_formats import (
    LATEX,
    MARKDOWN,
    PLAIN,
    TERMINAL,
    Marks,
    format_latex_table,
    format_markdown_table,
    format_value,
    heading_of,
    latex_heading_of,
    mark_ranks,
)
from dlvr_plugin.report.text_table import format_table

_INTERVAL_OF = {'frames': 'of frames', 'clips': 'of clips'}


def format_terminal(evaluation: Evaluation, *, styled: bool = True) -> str:
    """Return the means with their intervals, and the means of each clip.

    Args:
        evaluation: What was measured.
        styled: Print the best bold and the second best underlined; else they carry ``*`` and ``_``.
    """
    tables = []
    for title, means in _all_means(evaluation):
        header = [title, *map(heading_of, evaluation['metrics'].values())]
        tables.append(format_table(header, _rows(evaluation, means, TERMINAL if styled else PLAIN)))
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
    header = ['Method', *map(heading_of, evaluation['metrics'].values())]
    table = format_markdown_table(header, _rows(evaluation, _means(evaluation), MARKDOWN))
    return f'{table}\n{format_protocol(evaluation["protocol"])}\n'


def format_latex(evaluation: Evaluation) -> str:
    """Return the means as a LaTeX ``tabular`` in the form of the paper's Table 2."""
    header = ['Method', *map(latex_heading_of, evaluation['metrics'].values())]
    table = format_latex_table(header, _rows(evaluation, _means(evaluation), LATEX))
    return f'% {format_protocol(evaluation["protocol"])}\n{table}'


def _means(evaluation: Evaluation) -> dict[str, Mapping[str, float]]:
    return {method: entry['mean'] for method, entry in evaluation['methods'].items()}


def _all_means(evaluation: Evaluation) -> list[tuple[str, Mapping[str, Mapping[str, float]]]]:
    """Return the title and the means by method of all clips together and, where there are several, of each."""
    tables: list[tuple[str, Mapping[str, Mapping[str, float]]]] = []
    if len(evaluation['clips']) > 1:
        for clip in evaluation['clips']:
            tables.append((clip, {name: entry['clips'][clip]['mean'] for name, entry in evaluation['methods'].items()}))
    return [*tables, (f'mean of {len(evaluation["clips"])} clips' if tables else 'Method', _means(evaluation))]


def _rows(evaluation: Evaluation, means: Mapping[str, Mapping[str, float]], marks: Marks) -> list[list[str]]:
    """Return the name and the cells of each method; with several methods the best and the second best are marked."""
    columns = [
        mark_ranks({method: mean[name] for method, mean in means.items()}, metric, marks)
        for name, metric in evaluation['metrics'].items()
    ]
    return [[method, *(column[method] for column in columns)] for method in means]


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
    return [
        table,
        f'There is no interval of clips for {count}: it takes at least {MIN_CLIPS} to say more than their values do.',
    ]
