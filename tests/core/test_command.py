"""How commands end."""

import logging

import pytest

from dlvr_plugin.core.command import exit_code_of
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
