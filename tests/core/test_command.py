"""How commands end, and what those that they start get."""

import logging
import os
import subprocess
import sys

import pytest

from dlvr_plugin.core.command import environment_for_commands, exit_code_of, project_root
from dlvr_plugin.core.errors import (
    CheckpointError,
    DataError,
    DivergenceError,
    InvalidTypeError,
    InvalidValueError,
    StopRequested,
    UserError,
)
from dlvr_plugin.core.log import set_up_log
from tests.helpers import REPOSITORY


def raising(error):
    def action():
        raise error

    return action


def test_death_of_a_data_worker_is_told_wherever_torch_raises_it(host_log):
    error = RuntimeError('DataLoader worker (pid 7) is killed by signal: Killed. ')
    assert exit_code_of(raising(error)) == 1
    assert 'A process that reads data has died: DataLoader worker (pid 7)' in host_log[-1]
    assert 'lower num_worker_per_gpu' in host_log[-1]


@pytest.mark.parametrize('kind', [CheckpointError, DataError, DivergenceError, InvalidTypeError, InvalidValueError])
def test_what_a_person_can_mend_is_one_screen(kind, host_log, capsys):
    assert issubclass(kind, UserError)
    assert exit_code_of(raising(kind('a/b.png is damaged'))) == 1
    assert host_log[-1].startswith(f'{kind.__name__}: a/b.png is damaged')
    assert 'Traceback' not in capsys.readouterr().err


@pytest.mark.parametrize('kind', [RuntimeError, TypeError, ValueError, KeyError, AssertionError])
def test_defects_keep_their_traceback_on_the_screen_and_in_the_log(kind, tmp_path, capsys):
    logger = set_up_log(tmp_path / 'run.log')
    screen = logging.StreamHandler()
    logger.addHandler(screen)
    try:
        assert exit_code_of(raising(kind('shapes do not fit'))) == 1
    finally:
        for handler in (screen, *(each for each in logger.handlers if isinstance(each, logging.FileHandler))):
            logger.removeHandler(handler)
    for text in ((tmp_path / 'run.log').read_text(), capsys.readouterr().err):
        assert 'Traceback (most recent call last)' in text
        assert 'in action' in text
        assert f'{kind.__name__}: ' in text
        assert 'shapes do not fit' in text


def test_codes_of_wishes_to_stop():
    assert exit_code_of(raising(KeyboardInterrupt())) == 130
    assert exit_code_of(raising(StopRequested(15))) == 143
    assert exit_code_of(lambda: None) == 0
    assert exit_code_of(lambda: 5) == 5


@pytest.mark.skipif(sys.version_info < (3, 11), reason='Python 3.10 looks into the current folder first')
@pytest.mark.parametrize('path', [None, 'mine'])
def test_commands_run_this_package_in_the_folder_of_another_checkout(tmp_path, monkeypatch, path):
    if path is None:
        monkeypatch.delenv('PYTHONPATH', raising=False)
    else:
        monkeypatch.setenv('PYTHONPATH', str(tmp_path / path))
    (tmp_path / 'setup.py').touch()
    (tmp_path / 'dlvr_plugin').mkdir()
    (tmp_path / 'dlvr_plugin/__init__.py').touch()
    code = (
        'import sys; from importlib.util import find_spec; print(find_spec("dlvr_plugin").origin, *sys.path, sep="\\n")'
    )

    def run(variables):
        command, environment = [sys.executable, '-c', code], {**os.environ, **variables}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout

    assert run({}).splitlines()[0] == str(tmp_path / 'dlvr_plugin/__init__.py')
    file, *folders = run(environment_for_commands(tmp_path / 'root')).splitlines()
    assert file == str(REPOSITORY / 'dlvr_plugin/__init__.py')
    assert (str(tmp_path / 'mine') in folders) == (path is not None)


def test_commands_get_the_root(tmp_path, monkeypatch):
    for name, value in environment_for_commands(tmp_path).items():
        monkeypatch.setenv(name, value)
    assert project_root() == tmp_path
