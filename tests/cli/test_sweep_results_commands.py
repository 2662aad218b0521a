"""``dlvr sweep table``, ``curves`` and ``report`` as they are called."""

import json
import re

import pytest

from dlvr_plugin.cli.main import main
from dlvr_plugin.evaluation.evaluation_file import read_evaluation
from tests.report.conftest import METHODS, evaluation_folder  # noqa: F401
from tests.sweep.made_sweeps import add_measured, make_sweep
from tests.sweep.test_curves import write_scalars


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """A sweep of two cases and two seeds that is measured, with a checkpoint of each."""
    monkeypatch.setenv('DLVR_ROOT', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    sweep = make_sweep(tmp_path, ['x', 'y'], all_checkpoints=True)
    for number, case in enumerate(('x', 'y')):
        for seed in (0, 1):
            values = {'psnr': [25 + number, 26 + seed, 27], 'lpips': [0.2, 0.3, 0.4 - number / 10]}
            add_measured(sweep, case, seed, values)
            for iteration in (10, 20):
                add_measured(sweep, case, seed, {'psnr': [20 + iteration], 'lpips': [0.2]}, iteration=iteration)
            losses = {step: 1 / step + seed for step in range(1, 20)}
            write_scalars(sweep, case, seed, {'losses/l_g_pix': losses, 'losses/l_t_real': losses})
    return sweep


def files_of(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_sweep_is_found_by_folder_file_and_name(sweep, tmp_path, capsys):
    (tmp_path / 'my.yml').write_text('name: made\n')
    printed = []
    for named in (str(sweep.folder), str(sweep.folder / 'sweep.json'), 'my.yml', 'made'):
        assert main(['sweep', 'table', named]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0].startswith('Case  runs  PSNR↑    LPIPS↓\n')
    assert set(printed) == {printed[0]}


def test_all_formats_are_written(sweep, tmp_path, capsys):
    assert main(['sweep', 'table', 'made', '--format', 'all', '--out', 'new/tables']) == 0
    assert files_of(tmp_path / 'new/tables') == ['table.csv', 'table.md', 'table.tex', 'table.txt']
    assert (tmp_path / 'new/tables/table.txt').read_text() == capsys.readouterr().out
    assert main(['sweep', 'table', 'made', '--format', 'csv', '--metrics', 'lpips']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(',')[:5] for line in lines[1:]] == [['x', '', 'lpips', '2', '2'], ['y', '', 'lpips', '2', '2']]


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['table', 'mad'], "There is no sweep 'mad' that is begun. In .* there are made. Did you mean made?"),
        (['table', '../sweeps/made/..'], 'There is no sweep'),
        (['table', 'nameless.yml'], 'nameless.yml has no name, and is no file of a sweep'),
        (['table', 'made', '--reference', 'X'], "--reference: the sweep made has no case 'X'; .*Did you mean x?"),
        (['table', 'made', '--metrics', 'ssim'], '--metrics: ssim was not measured'),
        (['table', 'made', '--format', 'all'], '--format all writes a file of each format'),
        (['curves', 'made', '--keys', 'l_g_pxi'], '--keys: There is no tag l_g_pxi'),
        (['curves', 'made', '--cases', 'z'], "--cases: the sweep made has no case 'z'"),
        (['curves', 'made', '--y', 'tof'], '--y: tof was not measured; expected one of psnr, lpips'),
        (['curves', 'made', '--x', 'psnr', '--y', 'psnr'], '--x and --y both name psnr'),
        (['curves', 'made', '--smooth', '1'], '--smooth must be in'),
        (['curves', 'made', '--dpi', '0'], '--dpi must be at least 1'),
        (['report', 'made', '--seed', '3'], 'The sweep made has no seed 3; expected one of 0, 1'),
    ],
)
def test_what_cannot_be_done_is_said(sweep, tmp_path, words, message, host_log):
    (tmp_path / 'nameless.yml').write_text('seeds: [0]\n')
    assert main(['sweep', *words]) == 1
    assert re.search(message, ' '.join(host_log))
    assert files_of(sweep.folder) == ['measured', 'sweep.json']


def test_figures(sweep):
    assert main(['sweep', 'curves', 'made', '--dpi', '40']) == 0
    names = ['curves.pdf', 'curves.png', 'tradeoff_psnr_lpips.pdf', 'tradeoff_psnr_lpips.png']
    assert files_of(sweep.folder / 'figures') == names


def test_losses_are_drawn_where_metrics_make_no_tradeoff(sweep, host_log):
    for case in ('x', 'y'):
        for seed in (0, 1):
            for iteration in (None, 10, 20):
                add_measured(sweep, case, seed, {'lpips': [0.2]}, iteration=iteration)
    assert main(['sweep', 'curves', 'made', '--dpi', '40']) == 0
    assert files_of(sweep.folder / 'figures') == ['curves.pdf', 'curves.png']
    assert 'Name two with --x and --y' in ' '.join(host_log)


def test_losses_are_drawn_where_runs_were_not_measured_alike(tmp_path, monkeypatch, host_log):
    monkeypatch.setenv('DLVR_ROOT', str(tmp_path))
    sweep = make_sweep(tmp_path, ['x'])
    for seed in (0, 1):
        add_measured(sweep, 'x', seed, {'psnr': [20], 'lpips': [0.2]} if seed else {'psnr': [20]})
        write_scalars(sweep, 'x', seed, {'losses/l_g_pix': {1: 0.5, 2: 0.4}})
    assert main(['sweep', 'curves', 'made', '--dpi', '40']) == 0
    assert files_of(sweep.folder / 'figures') == ['curves.pdf', 'curves.png']
    assert 'What the cases reach is not drawn: The runs' in ' '.join(host_log)
    assert main(['sweep', 'curves', 'made', '--x', 'psnr']) == 1


def test_the_report_shows_cases_as_methods(sweep, evaluation_folder, tmp_path):  # noqa: F811
    evaluation = read_evaluation(evaluation_folder)
    for number, case in enumerate(sweep.cases):
        methods = {case.name: evaluation['methods'][METHODS[number]]}
        path = sweep.metrics_file(case.runs[1])
        path.write_text(json.dumps({**evaluation, 'methods': methods}))
        sweep.metrics_file(case.runs[0]).unlink()
    assert main(['sweep', 'report', 'made', '--seed', '1', '--pairs', 'y:x']) == 0
    folder = sweep.folder / 'report'
    page = (folder / 'index.html').read_text()
    assert '<title>Sweep made, seed 1</title>' in page
    assert 'y against x: ' in page
    assert files_of(folder / 'frames') == ['GT', 'x', 'y']
    # The same again replaces it, and a folder of something else is left alone.
    assert main(['sweep', 'report', 'made', '--seed', '1', '--embed']) == 0
    assert files_of(folder) == ['index.html']
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine/notes.txt').write_text('mine')
    assert main(['sweep', 'report', 'made', '--seed', '1', '--out', 'mine']) == 1
    assert files_of(tmp_path / 'mine') == ['notes.txt']
