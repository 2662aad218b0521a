"""``dlvr options check`` and ``dlvr options schema``."""

import json

import pytest

from dlvr_plugin.cli.main import main
from tests.helpers import OPTION_FILES, tiny_options, write_options

FILES = [str(path) for path in OPTION_FILES]


@pytest.mark.slow
def test_every_file_is_right(capsys):
    assert main(['options', 'check', '--no-files', *FILES]) == 0
    assert capsys.readouterr().out == ''.join(f'{path}: no problems\n' for path in FILES)


def test_problems(clip_root, tmp_path, capsys):
    good = write_options(tiny_options(clip_root), tmp_path / 'good.yml')
    bad = tmp_path / 'bad.yml'
    bad.write_text(good.read_text().replace('total_iter', 'total_itre').replace('X4', 'X5'))
    assert main(['options', 'check', str(good), str(bad)]) == 1
    lines = capsys.readouterr().out.split('\n')
    assert lines[0] == f'{good}: no problems'
    assert lines[1] == f'3 problems in {bad}:'
    assert any('train.total_itre: is no option here. Did you mean total_iter?' in line for line in lines)
    assert any('datasets.train.dataroot_lq' in line and 'X5 does not exist' in line for line in lines)
    assert main(['options', 'check', str(bad), '--no-files']) == 1
    assert 'X5' not in capsys.readouterr().out


def test_forced_values(clip_root, tmp_path, capsys):
    path = write_options(tiny_options(clip_root), tmp_path / 'x.yml')
    assert main(['options', 'check', str(path), '--force_yml', 'train:total_iter=!!float 3e5']) == 0
    assert main(['options', 'check', str(path), '--force_yml', 'train:total_iter=3e5']) == 1
    assert '--force_yml train:total_iter=3e5: train.total_iter: expected a whole number' in capsys.readouterr().out


def test_files_that_cannot_be_read(tmp_path, capsys):
    path = tmp_path / 'x.yml'
    path.write_text('a: 1\na: 2\n')
    assert main(['options', 'check', str(path), FILES[0], '--no-files']) == 1
    out = capsys.readouterr().out
    assert f'{path}:2: the key a stands here for the second time' in out
    assert f'{FILES[0]}: no problems' in out
    assert main(['options', 'check', str(tmp_path / 'nowhere.yml'), FILES[0], '--no-files']) == 1
    out = capsys.readouterr().out
    assert f'{tmp_path / "nowhere.yml"} does not exist.' in out
    assert f'{FILES[0]}: no problems' in out


def test_schema(tmp_path, monkeypatch, capsys):
    path = tmp_path / 'given.json'
    assert main(['options', 'schema', '--out', str(path)]) == 0
    monkeypatch.chdir(tmp_path)
    assert main(['options', 'schema']) == 0
    assert capsys.readouterr().out == ''  # nobody reads 200 kB on a screen
    assert (tmp_path / 'schema.json').read_text() == path.read_text()
    assert main(['options', 'schema', '--out', '-']) == 0
    assert capsys.readouterr().out == path.read_text()
    assert json.loads(path.read_text())['$schema'].startswith('https://json-schema.org/')


def test_the_data_commands_read_files_safely(tmp_path, host_log):
    marker, path = tmp_path / 'marker', tmp_path / 'x.yml'
    path.write_text(f'datasets: !!python/object/apply:os.system ["touch {marker}"]\n')
    for command in ('check', 'show'):
        assert main(['data', command, str(path)]) == 1
        assert 'the tag !!python/object/apply:os.system is not allowed' in host_log[-1]
    assert not marker.exists()


@pytest.mark.parametrize('arguments', [[], ['check']])
def test_wrong_arguments(arguments):
    with pytest.raises(SystemExit):
        main(['options', *arguments])
