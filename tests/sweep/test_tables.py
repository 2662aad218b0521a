import csv
import io
import math

import pytest

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.evaluation.evaluation_file import format_json
from dlvr_plugin.sweep.results import read_results
from dlvr_plugin.sweep.tables import collect_table, format_csv, format_latex, format_markdown, format_terminal
from tests.sweep.made_sweeps import PROTOCOL, add_measured, make_evaluation, make_sweep

# Cases differ by as much in all clips, so that draws of clips change no difference, and those of two seeds go from one
# seed to the other. Of three clips one draw of 27 takes the same one three times: more than an interval leaves out.
TEXT = """\
Case        runs    PSNR↑    LPIPS↓
----------  ------  -------  -------
Pretrained  1       *27.00*  _0.300_
Ours        2       _26.50_  *0.200*
w/o | 50%   1 of 2  26.50    0.100
late        0 of 2  -        -

95 % interval  PSNR↑           LPIPS↓
-------------  --------------  --------------
Pretrained     25.00 to 30.00  0.300 to 0.300
Ours           24.50 to 29.50  0.190 to 0.210
w/o | 50%      24.50 to 29.50  0.100 to 0.100
late           -               -

Difference from Ours  PSNR↑                   LPIPS↓
--------------------  ----------------------  -------------------------
Pretrained            +0.50 (+0.50 to +0.50)  +0.100 (+0.090 to +0.110)
w/o | 50%             0.00 (0.00 to 0.00)     -0.110 (-0.110 to -0.110)
late                  -                       -

Means over seeds, each of 3 clips; 95 % intervals by bootstrap over seeds and clips. Differences are of the same \
seeds and clips.
One run: Pretrained, w/o | 50%. Its interval is for other clips, and says nothing of other seeds.
With less than 5 seeds or clips, intervals hold the mean less often than with 95 %; of fewer than 3 values there is \
none.
Not finished, and not ranked: w/o | 50% (1 of 2), late (0 of 2).
Protocol: skip_frames 0, average clip.
*: best, _: second best.
"""


@pytest.fixture
def sweep(tmp_path):
    """A sweep of which two cases are measured, one of them a single run for both seeds, and one in part."""
    cases = ['Pretrained', 'Ours', 'w/o | 50%', 'late']
    sweep = make_sweep(tmp_path, cases, shared=['Pretrained'], reference='Ours')
    add_measured(sweep, 'Pretrained', 0, {'psnr': [25, 26, 30], 'lpips': [0.3] * 3})
    add_measured(sweep, 'Ours', 0, {'psnr': [24.5, 25.5, 29.5], 'lpips': [0.21] * 3})
    add_measured(sweep, 'Ours', 1, {'psnr': [24.5, 25.5, 29.5], 'lpips': [0.19] * 3})
    add_measured(sweep, 'w/o | 50%', 0, {'psnr': [24.5, 25.5, 29.5], 'lpips': [0.1] * 3})
    return sweep


def table_of(sweep, **options):
    return collect_table(read_results(sweep), **{'reference': sweep.reference, **options})


def test_text(sweep):
    assert format_terminal(table_of(sweep), styled=False) == TEXT


def test_styles_of_a_terminal(sweep):
    text = format_terminal(table_of(sweep), styled=True)
    assert '\033[1m27.00\033[0m' in text
    assert '\033[4m26.50\033[0m' in text
    assert 'Bold: best, underlined: second best.' in text


def test_markdown(sweep):
    lines = format_markdown(table_of(sweep, metrics=['psnr'])).splitlines()
    assert lines[:7] == [
        '| Case | runs | PSNR↑ |',
        '| --- | ---: | ---: |',
        '| Pretrained | 1 | **27.00** |',
        '| Ours | 2 | <u>26.50</u> |',
        '| w/o \\| 50% | 1 of 2 | 26.50 |',
        '| late | 0 of 2 | - |',
        '',
    ]
    assert '| Difference from Ours | PSNR↑ |' in lines
    assert '| Pretrained | +0.50 (+0.50 to +0.50) |' in lines
    assert lines[-1] == '- Protocol: skip_frames 0, average clip.'


def test_latex(sweep):
    text = format_latex(table_of(sweep, metrics=['lpips']))
    assert text.startswith('% Means over seeds, each of 3 clips;')
    assert '\\begin{tabular}{lcc}\n\\hline\nCase & runs & LPIPS$\\downarrow$ \\\\\n\\hline\n' in text
    assert 'Ours & 2 & \\textbf{0.200} \\\\\n' in text
    assert '95 \\% interval & LPIPS$\\downarrow$ \\\\\n' in text
    assert 'w/o | 50\\% & $-$0.110 ($-$0.110 to $-$0.110) \\\\\n' in text
    assert text.count('\\begin{tabular}') == text.count('\\end{tabular}') == 3


def test_names_are_escaped_in_headings_too(tmp_path):
    sweep = make_sweep(tmp_path, ['<b>a|b', 'c_d'], seeds=[0])
    for case in ('<b>a|b', 'c_d'):
        add_measured(sweep, case, 0, {'psnr': [25, 26]})
    text = format_markdown(table_of(sweep))
    assert '| &lt;b>a\\|b | 1 |' in text
    assert '| Difference from &lt;b>a\\|b | PSNR↑ |' in text
    assert 'Difference from c\\_d & PSNR$\\uparrow$' in format_latex(table_of(sweep, reference='c_d'))


def test_csv_has_all_digits(sweep):
    rows = list(csv.DictReader(io.StringIO(format_csv(table_of(sweep, per_clip=True)))))
    assert len(rows) == 4 * (1 + 3) * 2
    found = {(row['case'], row['clip'], row['metric']): row for row in rows}
    ours = found['Ours', '', 'lpips']
    assert (float(ours['mean']), float(ours['low']), float(ours['high'])) == pytest.approx((0.2, 0.19, 0.21))
    assert ours['difference'] == ''
    assert (ours['runs'], ours['runs_wanted'], ours['reference']) == ('2', '2', 'Ours')
    assert float(found['Pretrained', 'clip2', 'psnr']['difference']) == 0.5
    assert found['Pretrained', 'clip2', 'psnr']['low'] == ''
    assert found['late', '', 'psnr']['mean'] == ''


def test_each_clip_is_shown_where_asked_for(sweep):
    text = format_terminal(table_of(sweep, per_clip=True), styled=False)
    assert text.startswith(
        'clip0       runs    PSNR↑    LPIPS↓\n'
        '----------  ------  -------  -------\n'
        'Pretrained  1       *25.00*  _0.300_\n'
        'Ours        2       _24.50_  *0.200*\n'
    )
    assert '\nmean of 3 clips  runs ' in text


def test_another_reference(sweep):
    text = format_terminal(table_of(sweep, reference='Pretrained'), styled=False)
    assert 'Difference from Pretrained' in text
    assert '\nOurs                        -0.50 (-0.50 to -0.50) ' in text


def test_metrics_stand_in_the_order_asked_for_and_must_be_known(sweep):
    assert format_terminal(table_of(sweep, metrics=['lpips', 'psnr']), styled=False).splitlines()[0].split() == [
        'Case', 'runs', 'LPIPS↓', 'PSNR↑'
    ]  # fmt: skip
    with pytest.raises(InvalidValueError, match='--metrics: lpip was not measured; expected some of psnr, lpips. Did'):
        table_of(sweep, metrics=['lpip'])


def test_what_one_seed_and_one_clip_say(tmp_path):
    sweep = make_sweep(tmp_path / 'a', ['x', 'y'], seeds=[0, 1, 2])
    for seed in range(3):
        for case in ('x', 'y'):
            add_measured(sweep, case, seed, {'psnr': [25 + seed]})
    text = format_terminal(table_of(sweep), styled=False)
    assert 'One clip: the intervals are for other seeds, and say nothing of other clips.' in text
    assert '\nx              25.00 to 27.00\n' in text

    sweep = make_sweep(tmp_path / 'b', ['x'], seeds=[0])
    add_measured(sweep, 'x', 0, {'psnr': [25, 26]})
    text = format_terminal(table_of(sweep), styled=False)
    assert '\nx              -\n' in text
    assert 'One run' not in text
    assert 'of fewer than 3 values there is none' in text
    assert 'Difference' not in text.split('Means over')[0]


def test_frames_count_alike_where_the_protocol_says_so(tmp_path):
    sweep = make_sweep(tmp_path, ['x'], seeds=[0])
    path = add_measured(sweep, 'x', 0, {'psnr': [25]})
    clips = {'long': {'psnr': [20.0, 22.0, 24.0]}, 'short': {'psnr': [30.0]}}
    path.write_text(format_json(make_evaluation(clips, protocol=PROTOCOL | {'average': 'frame'})))
    assert table_of(sweep).summaries['x'].means['psnr'].value == 24
    path.write_text(format_json(make_evaluation(clips)))
    assert table_of(sweep).summaries['x'].means['psnr'].value == 26


def test_infinite_values_are_shown(tmp_path):
    sweep = make_sweep(tmp_path, ['x', 'y', 'z'], seeds=[0])
    for case, value in (('x', math.inf), ('y', 30), ('z', math.inf)):
        add_measured(sweep, case, 0, {'psnr': [value, 30, 30]})
    text = format_terminal(table_of(sweep), styled=False)
    assert '\nx     1     *∞*\n' in text
    assert '\ny                  -∞\nz                  -\n' in text
    assert 'x & 1 & \\textbf{$\\infty$} \\\\' in format_latex(table_of(sweep))


def test_series_are_compared_at_an_equal_value(tmp_path):
    sweep = make_sweep(tmp_path, ['Ours@1', 'Ours@3', 'Adv@1', 'Adv@3', 'late@1', 'late@2', 'other'])
    for case, psnr, lpips in (
        ('Ours@1', 27, 0.25),
        ('Ours@3', 28, 0.3),
        ('Adv@1', 25, 0.2),
        ('Adv@3', 27, 0.3),
        ('late@1', 30, 0.1),
        ('other', 20, 0.1),
    ):
        for seed in (0, 1):
            add_measured(sweep, case, seed, {'psnr': [psnr - 1, psnr + 1], 'lpips': [lpips, lpips]})
    content = table_of(sweep, at_equal='lpips')
    # At 0.25 the line of Adv has (25 + 27) / 2 = 26.
    text = format_terminal(content, styled=False)
    assert (
        'Difference from Ours@1 at equal lpips  PSNR↑                   LPIPS↓\n'
        '-------------------------------------  ----------------------  ------\n'
        'Adv                                    -1.00 (-1.00 to -1.00)  -\n\n'
    ) in text
    assert 'At equal lpips, a series of cases (NAME@NUMBER) lies on the straight lines between them' in text
    last = list(csv.DictReader(io.StringIO(format_csv(content))))[-1]
    assert (last['case'], last['metric'], last['reference'], last['at_equal']) == ('Adv', 'psnr', 'Ours@1', 'lpips')
    assert float(last['difference']) == pytest.approx(-1)
    assert '| Adv | -1.00 (-1.00 to -1.00) | - |' in format_markdown(content)
    # The other way round Adv@1 has a lower LPIPS than all of Ours.
    assert 'Ours                                  -      -' in format_terminal(
        table_of(sweep, at_equal='lpips', reference='Adv@1'), styled=False
    )


def test_there_must_be_a_series_to_compare_with(sweep):
    with pytest.raises(InvalidValueError, match='--at-equal: there is no series of cases to compare Ours with'):
        table_of(sweep, at_equal='lpips')
    with pytest.raises(InvalidValueError, match='--at-equal: ssim was not measured; expected some of psnr, lpips'):
        table_of(sweep, at_equal='ssim')
