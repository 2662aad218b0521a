import csv
import io
import re

import pytest

from dlvr_plugin.report.figure_style import save_figure
from dlvr_plugin.survey.preference_figure import draw_preferences
from dlvr_plugin.survey.tables import format_csv, format_latex, format_markdown, format_text
from dlvr_plugin.survey.tally import count_answers
from tests.survey.helpers import plain_study, simulate

# The paper's Table 8: the share of each scene, in percent, that preferred the proposed method.
DVD = ('720p', '0003', '0021', '0030', '0031', '0032', '0033', '0037', '0039', '0049')
TABLE_8 = {
    ('Ours(OVD)', 'OVD'): (71.6, 83.0, 57.5, 65.2, 73.3, 61.6, 78.9, 82.4, 54.7, 65.1),
    ('Ours(STFAN)', 'STFAN'): (58.2, 65.8, 64.6, 40.3, 58.6, 80.7, 68.4, 60.9, 60.0, 45.0),
}


@pytest.fixture(scope='module')
def table_8():
    """A study of the size of the paper's, 30 answers to each of 3 frames a scene, from simulated participants."""
    study = plain_study(tuple(TABLE_8), DVD)
    answers = simulate(study, lambda each: list(TABLE_8.values())[each.pair][DVD.index(each.clip)] / 100, seed=0)
    return study, answers, count_answers(study, answers)


def test_markdown_has_the_form_of_table_8(table_8):
    study, _, tally = table_8
    lines = format_markdown(study, tally).splitlines()
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines if line.startswith('|')]
    assert rows[0] == ['Method', *DVD, 'Avg', '95 % of all']
    assert [row[0] for row in rows[2:]] == ['Ours(OVD)', 'OVD', 'Ours(STFAN)', 'STFAN']
    for (pair, shares), first in zip(TABLE_8.items(), (2, 4), strict=True):
        ours, theirs = ([float(cell) for cell in row[1:-1]] for row in rows[first : first + 2])
        assert [one + other for one, other in zip(ours, theirs, strict=True)] == pytest.approx([100] * 11, abs=0.11)
        assert ours[-1] == pytest.approx(sum(ours[:-1]) / 10, abs=0.1)
        # 90 answers a scene: four standard deviations are 21 percent, and 7 for all scenes.
        assert ours[:-1] == pytest.approx(shares, abs=21), pair
        assert ours[-1] == pytest.approx(sum(shares) / 10, abs=7)


def test_latex_has_the_same_numbers(table_8):
    study, _, tally = table_8
    numbers = re.findall(r'\d+\.\d', format_latex(study, tally).split('\\hline', 1)[1])
    assert numbers == re.findall(r'\d+\.\d', ''.join(format_markdown(study, tally).split('\n\n')[1]))
    assert r'95 \% of all' in format_latex(study, tally)
    lines = [line for line in format_latex(study, tally).splitlines() if not line.startswith('%')]
    assert not [line for line in lines if re.search(r'(?<!\\)%', line)]


def test_text_says_all(table_8):
    study, _, tally = table_8
    text = format_text(study, tally)
    num_first, num_votes = tally.groups[0].count('0003')
    assert re.search(rf'0003 +{num_votes} +0 +{100 * num_first / num_votes:.1f} % +\d+\.\d to \d+\.\d %', text)
    for part in ('< 0.0001', 'Interval of participants', "Fleiss' kappa", '30 participants were invited', 'seed 0'):
        assert part in text
    assert 'Bradley-Terry' not in text  # no method meets more than one other


def test_scores_where_methods_meet():
    study = plain_study((('A', 'B'), ('B', 'C'), ('A', 'C')), ('walk',))
    text = format_text(study, count_answers(study, simulate(study, lambda _: 0.7, seed=0)))
    table = text[text.index('Bradley-Terry') :]
    assert [line.split()[0] for line in table.splitlines()[2:5]] == ['A', 'B', 'C']
    text = format_text(study, count_answers(study, simulate(study, lambda _: 1.0, seed=0)))
    assert 'No Bradley-Terry scores of A, B, C' in text


def test_without_answers():
    study = plain_study((('A', 'B'),), ('walk',))
    tally = count_answers(study, [])
    assert 'walk  0' in format_text(study, tally)
    assert '–' in format_markdown(study, tally)
    assert '0 answered' in format_latex(study, tally)


def test_csv_has_a_line_an_answer():
    study = plain_study((('=1+1', 'B'),), ('walk', 'city'), participants=4)
    answers = simulate(study, lambda each: float(each.clip == 'walk'), seed=0)
    rows = list(csv.DictReader(io.StringIO(format_csv(study, answers))))
    assert len(rows) == len(answers)
    trials = [row for row in rows if row['kind'] == 'trial']
    assert all(row['preferred'] == ("'=1+1" if row['clip'] == 'walk' else 'B') for row in trials)
    assert all(row[row['choice']] == row['preferred'] for row in trials)
    assert {row['participant'] for row in rows} == {'0', '1', '2', '3'}
    assert not any(each.token in format_csv(study, answers) for each in study.participants)


def test_names_that_mean_something_to_latex_and_markdown():
    study = plain_study((('a_b & 50%', 'x|y'),), ('c_1|2',))
    tally = count_answers(study, simulate(study, lambda _: 0.5, seed=0))
    assert r'a\_b \& 50\%' in format_latex(study, tally)
    assert r'c\_1|2' in format_latex(study, tally)
    assert r'x\|y' in format_markdown(study, tally)
    assert r'c\_1' not in format_markdown(study, tally)
    assert r'c_1\|2' in format_markdown(study, tally)


def test_picture(table_8, tmp_path):
    paths = save_figure(draw_preferences(table_8[2]), tmp_path / 'preferences')
    assert [path.suffix for path in paths] == ['.png', '.pdf']
    figure = draw_preferences(table_8[2])
    assert [axes.get_yticklabels()[0].get_text() for axes in figure.axes] == ['all', 'all']
    shares = [line.get_xdata()[0] for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    group = table_8[2].groups[0]
    expected = [100 * first / votes for first, votes in (group.count(clip) for clip in (None, *reversed(DVD)))]
    assert shares == pytest.approx(expected)
