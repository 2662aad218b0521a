"""The table of a sweep in the form of the paper's Table 4: for the terminal, Markdown, LaTeX and spreadsheets."""

import csv
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dlvr_plugin.evaluation.evaluation_file import MetricEntry
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
from dlvr_plugin.sweep.results import SweepResults, choose_metrics
from dlvr_plugin.sweep.statistics import MIN_VALUES, Estimate
from dlvr_plugin.sweep.summary import CaseSummary, compare_series, summarise

_NONE = '-'
_FEW = 5  # seeds or clips of which an interval holds the mean clearly less often than it says
_CSV_COLUMNS = ('case', 'clip', 'metric', 'runs', 'runs_wanted', 'mean', 'low', 'high')
_CSV_DIFFERENCES = ('reference', 'difference', 'difference_low', 'difference_high', 'at_equal')


@dataclass(frozen=True)
class TableContent:
    """What the table of a sweep shows.

    Attributes:
        metrics: Metrics, in the order of the columns.
        reference: Name of the case that the others are compared with.
        summaries: Numbers of all clips together, by case.
        by_clip: The same of each clip; empty where they are not asked for.
        num_clips: How many clips there are.
        protocol: How all was measured.
        at_equal: Metric in which series of cases are brought to the value of the reference, None for none.
        series: Differences of the series from the reference there, by series and metric.
    """

    metrics: Mapping[str, MetricEntry]
    reference: str
    summaries: Mapping[str, CaseSummary]
    by_clip: Mapping[str, Mapping[str, CaseSummary]]
    num_clips: int
    protocol: Mapping[str, object]
    at_equal: str | None = None
    series: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)


class _Table(NamedTuple):
    headers: list[str]
    rows: list[list[str]]


def collect_table(
    results: SweepResults,
    *,
    metrics: Sequence[str] | None = None,
    reference: str,
    per_clip: bool = False,
    at_equal: str | None = None,
) -> TableContent:
    """Return what the table of a sweep shows.

    Args:
        results: What was measured.
        metrics: Metrics to show, None for all.
        reference: Name of the case that the others are compared with.
        per_clip: Whether each clip is shown, too.
        at_equal: Metric in which series of cases are brought to the value of the reference, None for none.

    Raises:
        InvalidValueError: A metric that was not measured, or no series of cases.
    """
    chosen = choose_metrics(results, metrics)
    if at_equal is not None:
        choose_metrics(results, [at_equal], argument='--at-equal')
    clips = results.clips if per_clip and len(results.clips) > 1 else ()
    return TableContent(
        chosen,
        reference,
        summarise(results, chosen, reference),
        {clip: summarise(results, chosen, reference, [clip]) for clip in clips},
        len(results.clips),
        results.protocol,
        at_equal,
        {} if at_equal is None else compare_series(results, at_equal, chosen, reference),
    )


def format_terminal(content: TableContent, *, styled: bool) -> str:
    """Return the means, their intervals and the differences from the reference.

    Args:
        content: What is shown.
        styled: Print the best bold and the second best underlined; else they carry ``*`` and ``_``.
    """
    tables = _tables(content, TERMINAL if styled else PLAIN, heading_of)
    marks = f'{"Bold" if styled else "*"}: best, {"underlined" if styled else "_"}: second best.'
    return '\n\n'.join([*(format_table(*table) for table in tables), '\n'.join([*_notes(content), marks])]) + '\n'


def format_plain(content: TableContent) -> str:
    """Return the same without the styles of a terminal."""
    return format_terminal(content, styled=False)


def format_markdown(content: TableContent) -> str:
    """Return the tables in Markdown, and a list of notes."""
    tables = [format_markdown_table(*table) for table in _tables(content, MARKDOWN, heading_of)]
    return '\n'.join(tables) + '\n' + ''.join(f'- {note}\n' for note in _notes(content))


def format_latex(content: TableContent) -> str:
    """Return a ``tabular`` for each of the tables, and the notes as comments."""
    tables = []
    for headers, rows in _tables(content, LATEX, latex_heading_of):
        signed = [[row[0], *(re.sub(r'-(?=\d)', '$-$', cell) for cell in row[1:])] for row in rows]
        tables.append(format_latex_table(headers, signed))
    return ''.join(f'% {note}\n' for note in _notes(content)) + '\n'.join(tables)


def format_csv(content: TableContent) -> str:
    """Return a line for each case and metric, of all clips together (an empty clip) and of each; empty for none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow([*_CSV_COLUMNS, *_CSV_DIFFERENCES])
    for clip, summaries in {'': content.summaries, **content.by_clip}.items():
        for case, summary in summaries.items():
            for metric in content.metrics:
                runs = (summary.num_runs, summary.num_wanted)
                mean, difference = summary.means.get(metric), summary.differences.get(metric)
                difference_of = (content.reference, *_numbers(difference), '')
                writer.writerow([case, clip, metric, *runs, *_numbers(mean), *difference_of])
    for series, differences in content.series.items():
        for metric, difference in differences.items():
            difference_of = (content.reference, *_numbers(difference), content.at_equal or '')
            writer.writerow([series, '', metric, '', '', *_numbers(None), *difference_of])
    return text.getvalue()


FORMATS: Mapping[str, tuple[str, Callable[[TableContent], str]]] = {
    'text': ('table.txt', format_plain),
    'markdown': ('table.md', format_markdown),
    'latex': ('table.tex', format_latex),
    'csv': ('table.csv', format_csv),
}
"""By format: the name of its file, and what makes it."""


def _numbers(estimate: Estimate | None) -> list[str]:
    value, interval = estimate or (math.nan, None)
    return ['' if math.isnan(number) else repr(number) for number in (value, *(interval or (math.nan, math.nan)))]


def _tables(content: TableContent, marks: Marks, heading: Callable[[MetricEntry], str]) -> list[_Table]:
    """Return the means of each clip where asked for, those of all, their intervals, and the differences."""
    metrics = [heading(metric) for metric in content.metrics.values()]
    title = f'mean of {content.num_clips} clips' if content.by_clip else 'Case'
    tables = [
        _Table([title, 'runs', *metrics], _mean_rows(content, summaries, marks))
        for title, summaries in [*content.by_clip.items(), (title, content.summaries)]
    ]
    intervals, differences = [], []
    for case, summary in content.summaries.items():
        means = [(summary.means.get(name), metric['decimals']) for name, metric in content.metrics.items()]
        intervals.append([case, *(_format_interval(*mean, format_value) for mean in means)])
        if case != content.reference:
            differences.append(_difference_row(content, case, summary.differences))
    tables.append(_Table(['95 % interval', *metrics], intervals))
    if differences:
        tables.append(_Table([f'Difference from {content.reference}', *metrics], differences))
    if content.at_equal is not None:
        title = f'Difference from {content.reference} at equal {content.at_equal}'
        rows = [_difference_row(content, series, each) for series, each in content.series.items()]
        tables.append(_Table([title, *metrics], rows))
    return tables


def _difference_row(content: TableContent, name: str, differences: Mapping[str, Estimate]) -> list[str]:
    changes = [(differences.get(metric), entry['decimals']) for metric, entry in content.metrics.items()]
    return [name, *(_format_difference(*change) for change in changes)]


def _mean_rows(content: TableContent, summaries: Mapping[str, CaseSummary], marks: Marks) -> list[list[str]]:
    """Return name, runs and means of each case; ranks are those of cases that are whole."""
    columns = []
    for name, metric in content.metrics.items():
        means = {case: summary.means[name].value for case, summary in summaries.items() if summary.means}
        shown = {case: format_value(mean, metric['decimals']) for case, mean in means.items()}
        whole = {case: mean for case, mean in means.items() if summaries[case].is_whole}
        columns.append(shown | mark_ranks(whole, metric, marks))
    return [
        [case, _format_runs(summary), *(column.get(case, _NONE) for column in columns)]
        for case, summary in summaries.items()
    ]


def _format_runs(summary: CaseSummary) -> str:
    return str(summary.num_runs) if summary.is_whole else f'{summary.num_runs} of {summary.num_wanted}'


def _format_interval(estimate: Estimate | None, decimals: int, form: Callable[[float, int], str]) -> str:
    if estimate is None or estimate.interval is None:
        return _NONE
    return ' to '.join(form(bound, decimals) for bound in estimate.interval)


def _format_difference(estimate: Estimate | None, decimals: int) -> str:
    if estimate is None or math.isnan(estimate.value):  # of two infinite values
        return _NONE
    interval = _format_interval(estimate, decimals, _format_signed)
    return _format_signed(estimate.value, decimals) + ('' if interval == _NONE else f' ({interval})')


def _format_signed(value: float, decimals: int) -> str:
    """Return a difference with its sign, which nothing has that is shown as 0."""
    if math.isinf(value):
        return '+∞' if value > 0 else '-∞'
    text = f'{value:+.{decimals}f}'
    return text if float(text) else text[1:]


def _notes(content: TableContent) -> list[str]:
    """Return what a reader has to know of the numbers."""
    summaries = content.summaries
    num_clips = content.num_clips
    clips = f'{num_clips} clip{"" if num_clips == 1 else "s"}'
    notes = [
        f'Means over seeds, each of {clips}; 95 % intervals by bootstrap over seeds and clips. Differences are of the '
        'same seeds and clips.'
    ]
    single = [case for case, summary in summaries.items() if summary.num_runs == 1]
    if single and num_clips >= MIN_VALUES:
        notes.append(f'One run: {", ".join(single)}. Its interval is for other clips, and says nothing of other seeds.')
    if num_clips == 1:
        notes.append('One clip: the intervals are for other seeds, and say nothing of other clips.')
    fewest = min((summary.num_runs for summary in summaries.values() if summary.num_runs > 1), default=_FEW)
    if num_clips < _FEW or fewest < _FEW:
        notes.append(
            f'With less than {_FEW} seeds or clips, intervals hold the mean less often than with 95 %; of fewer than '
            f'{MIN_VALUES} values there is none.'
        )
    if unfinished := [f'{case} ({_format_runs(each)})' for case, each in summaries.items() if not each.is_whole]:
        notes.append(f'Not finished, and not ranked: {", ".join(unfinished)}.')
    if content.at_equal is not None:
        notes.append(
            f'At equal {content.at_equal}, a series of cases (NAME@NUMBER) lies on the straight lines between them; '
            f'{_NONE} where it does not reach {content.reference}.'
        )
    return [*notes, format_protocol(content.protocol)]
