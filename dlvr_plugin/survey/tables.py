"""Tables of a study: for the terminal, for spreadsheets, and in the form of the paper's Tables 3 and 8."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence

from dlvr_plugin.report.table_formats import escape_latex, escape_markdown, format_latex_table, format_markdown_table
from dlvr_plugin.report.text_table import format_table
from dlvr_plugin.survey.answers import StoredAnswer
from dlvr_plugin.survey.preference import Interval, agreement, binomial_p_value, bradley_terry, exact_interval
from dlvr_plugin.survey.study import Mode, Study
from dlvr_plugin.survey.tally import Group, Reason, Tally, count_wins

MODE_NAMES: dict[Mode, str] = {'toggle': 'switched in one place', 'side': 'side by side'}

_ALL, _MEAN = 'all', 'Avg'
_NONE = '–'


def format_text(study: Study, tally: Tally) -> str:
    """Return all that there is to say, for a terminal."""
    parts = [_format_group(group) for group in tally.groups]
    parts += list(_format_scores(tally))
    return '\n\n'.join([*parts, format_notes(study, tally)]) + '\n'


def format_markdown(study: Study, tally: Tally) -> str:
    """Return the preferences in percent as Markdown, a table a mode in the form of the paper's Table 8."""
    tables = []
    for mode, groups in _by_mode(tally):
        headers, rows = _paper_table(groups)
        table = format_markdown_table([escape_markdown(each) for each in headers], rows)
        tables.append(f'{MODE_NAMES[mode].capitalize()}:\n\n{table}')
    return '\n'.join([*tables, format_notes(study, tally)]) + '\n'


def format_latex(study: Study, tally: Tally) -> str:
    """Return the preferences in percent as LaTeX, a ``tabular`` a mode in the form of the paper's Table 8."""
    comments = ''.join(f'% {line}\n' for line in format_notes(study, tally).splitlines())
    tables = []
    for mode, groups in _by_mode(tally):
        headers, rows = _paper_table(groups)
        escaped = [[row[0], *(cell.replace('%', r'\%') for cell in row[1:])] for row in rows]
        tables.append(f'% {MODE_NAMES[mode]}\n{format_latex_table([escape_latex(each) for each in headers], escaped)}')
    return comments + '\n'.join(tables)


def format_csv(study: Study, answers: Sequence[StoredAnswer]) -> str:
    """Return a line an answer, practice and checks included, with what it was an answer to."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(_COLUMNS)
    numbers = {each.token: index for index, each in enumerate(study.participants)}
    for answer in answers:
        participant = numbers[answer.participant]
        turn = study.participants[participant].turns[answer.turn]
        comparison = study.comparisons[turn.comparison]
        pair = study.pairs[comparison.pair] if comparison.pair is not None else ('', '')
        sides = pair[::-1] if turn.swapped else pair
        preferred = {'a': sides[0], 'b': sides[1], 'none': ''}[answer.choice]
        record = answer.record
        frame = '' if comparison.frame is None else comparison.frame
        row = [participant, answer.turn, comparison.kind, comparison.mode, _as_text(comparison.clip), frame]
        row += [*map(_as_text, sides), answer.choice, _as_text(preferred), record['seconds'], record['switches']]
        row += [*(record['screen'][name] for name in _SCREEN), record['view']['scale']]
        writer.writerow([*row, record['language'], f'{answer.received:.3f}'])
    return text.getvalue()


_SCREEN = ('width', 'height', 'window_width', 'window_height', 'pixel_ratio')
_COLUMNS = [
    *('participant', 'turn', 'kind', 'mode', 'clip', 'frame', 'a', 'b', 'choice', 'preferred', 'seconds', 'switches'),
    *(f'screen_{name}' for name in _SCREEN),
    *('scale', 'language', 'received'),
]


def _as_text(name: str) -> str:
    """Return a name that no spreadsheet takes for a formula."""
    return f"'{name}" if name.startswith(('=', '+', '-', '@')) else name


def format_notes(study: Study, tally: Tally) -> str:
    """Return what a reader of the numbers has to know."""
    rules = study.rules
    excluded = sum((group.excluded for group in tally.groups), Counter[Reason]())
    counted = ', '.join(f'{count} {reason}' for reason, count in sorted(excluded.items())) or 'none'
    notes = [
        f'{len(study.participants)} participants were invited, {tally.num_started} answered, {tally.num_finished} of '
        'them to the end.',
        f'Rules, fixed before the first answer: at least {rules.min_seconds:g} s an answer, {rules.min_switches} '
        f'switches where one picture is shown at a time, at most {rules.max_failed_checks} failed checks.',
        f'Answers excluded: {counted}; {tally.num_failed} participants failed their checks.',
        f'Pictures: {study.picture}. Sides and order were drawn for each participant, seed {study.seed}.',
        'Intervals of 95 %: exact (Clopper-Pearson), which take answers for independent; of participants: drawn anew. '
        'p: two-sided binomial test of no preference.',
    ]
    votes = [vote for group in tally.groups for _, vote in group.votes]
    chose_a = sum(vote.chose_a for vote in votes)
    if votes:
        notes.append(f'A was chosen in {_percent_of(chose_a, len(votes))} of the answers that count.')
    if tally.same[1]:
        notes.append(f'Of {tally.same[1]} choices between a picture and itself, {_percent_of(*tally.same)} were A.')
    return '\n'.join(notes)


def _format_group(group: Group) -> str:
    title = f'{group.pair[0]} against {group.pair[1]}, {MODE_NAMES[group.mode]}'
    rows = []
    for clip in (*group.clips, None):
        num_first, num_votes = group.count(clip)
        ties = group.no_difference.total() if clip is None else group.no_difference[clip]
        shares = (
            [f'{100 * part / num_votes:.1f} %' for part in (num_first, num_votes - num_first)]
            if num_votes
            else [_NONE] * 2
        )
        interval = _format_interval(exact_interval(num_first, num_votes)) if num_votes else _NONE
        p_value = format_p_value(binomial_p_value(num_first, num_votes)) if num_votes else _NONE
        rows.append([clip or _ALL, str(num_votes), str(ties), shares[0], interval, shares[1], p_value])
    headers = ['clip', 'answers', 'no difference', group.pair[0], '95 % interval', group.pair[1], 'p']
    lines = [title, format_table(headers, rows)]
    if (of_participants := group.interval_of_participants()) is not None:
        lines.append(f'Interval of participants: {_format_interval(of_participants)}.')
    if (found := agreement(group.questions())) is not None:
        kappa = 'undefined' if found.kappa is None else f'{found.kappa:.3f}'
        lines.append(f"Agreement of two participants: {100 * found.observed:.1f} %, Fleiss' kappa {kappa}.")
    if excluded := ', '.join(f'{count} {reason}' for reason, count in sorted(group.excluded.items())):
        lines.append(f'Excluded: {excluded}.')
    return '\n'.join(lines)


def _format_scores(tally: Tally) -> Iterator[str]:
    for names, wins in count_wins(tally):
        scores = bradley_terry(wins)
        if scores is None:
            yield (
                f'No Bradley-Terry scores of {", ".join(names)}: one of them, or some together, never won or never '
                'lost against the others, which would take an infinite score.'
            )
            continue
        ranked = sorted(zip(names, scores, strict=True), key=lambda each: -each[1].score)
        rows = [
            [name, f'{each.score:+.3f}', f'{each.interval.low:+.3f} to {each.interval.high:+.3f}']
            for name, each in ranked
        ]
        yield format_table(['Bradley-Terry', 'score', '95 % interval'], rows)


def _by_mode(tally: Tally) -> Iterator[tuple[Mode, list[Group]]]:
    for mode in dict.fromkeys(group.mode for group in tally.groups):
        yield mode, [group for group in tally.groups if group.mode == mode]


def _paper_table(groups: Sequence[Group]) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows, two for each pair: the preference for each clip, and the average over clips."""
    clips = list(dict.fromkeys(clip for group in groups for clip in group.clips))
    rows = []
    for group in groups:
        counts = [group.count(clip) for clip in clips]
        for is_second, name in enumerate(group.pair):
            shares = [
                100 * ((num_votes - num_first) if is_second else num_first) / num_votes if num_votes else None
                for num_first, num_votes in counts
            ]
            known = [share for share in shares if share is not None]
            mean = sum(known) / len(known) if len(known) == len(clips) else None
            num_first, num_votes = group.count()
            interval = exact_interval(num_votes - num_first if is_second else num_first, num_votes)
            cells = [_NONE if share is None else f'{share:.1f}' for share in (*shares, mean)]
            rows.append([name, *cells, _format_interval(interval) if num_votes else _NONE])
    return ['Method', *clips, _MEAN, '95 % of all'], rows


def _format_interval(interval: Interval) -> str:
    return f'{100 * interval.low:.1f} to {100 * interval.high:.1f} %'


def format_p_value(value: float) -> str:
    """Return a p-value as a table shows it."""
    return '< 0.0001' if value < 0.0001 else f'{value:.4f}'


def _percent_of(count: int, total: int) -> str:
    interval = exact_interval(count, total)
    return f'{100 * count / total:.1f} % ({_format_interval(interval)})'
