"""What goes to the screen, and what to the file alone."""

import logging

import pytest
from basicsr.utils import get_root_logger

from dlvr_plugin.core.log import log_start, set_up_log


def print_network(text):
    """Log as the framework's method of this name does."""
    get_root_logger().info(text)


@pytest.fixture
def screen():
    """Messages that reach the screen."""
    messages = []
    logger = get_root_logger()
    handler = logging.StreamHandler()
    handler.emit = lambda record: messages.append(record.getMessage())
    level = logger.level
    logger.addHandler(handler)
    yield messages
    for each in logger.handlers[:]:
        if each is handler or isinstance(each, logging.FileHandler):
            logger.removeHandler(each)
    logger.setLevel(level)


def test_options_and_listings_of_networks_go_to_the_file_alone(tmp_path, screen):
    file = tmp_path / 'run.log'
    log_start({'name': 'my_run', 'scale': 4})
    set_up_log(file)
    print_network('Network: EDVR, with parameters: 94,499')
    print_network('EDVR(\n  (conv): Conv2d()\n)')
    get_root_logger().info('Two\nlines')
    assert screen[0].startswith('my_run: dlvr_plugin ')
    assert str(file) in screen[1]
    assert screen[2:] == ['Network: EDVR, with parameters: 94,499', 'Two\nlines']
    text = file.read_text()
    assert 'scale: 4' in text
    assert '(conv): Conv2d()' in text
    assert all(message in text for message in screen)


def test_the_log_of_a_run_ends_where_the_next_one_begins(tmp_path, screen):
    for name in ('one', 'two'):
        set_up_log(tmp_path / f'{name}.log')
        get_root_logger().info(f'run {name}')
    assert screen == ['run one', 'run two']
    assert 'run two' not in (tmp_path / 'one.log').read_text()
    assert 'run one' not in (tmp_path / 'two.log').read_text()


def test_the_file_holds_what_was_said_before_it_was_there(tmp_path, screen):
    log_start({'name': 'failed', 'scale': 4})  # a run that has not got so far
    log_start({'name': 'my_run', 'scale': 2, 'notes': ['a note']})
    get_root_logger().debug('details')
    print_network('EDVR(\n  (conv): Conv2d()\n)')
    get_root_logger().warning('Cannot say more.')
    set_up_log(tmp_path / 'run.log')
    get_root_logger().info('after')
    text = (tmp_path / 'run.log').read_text()
    places = [
        text.index(words)
        for words in ('INFO: my_run', 'a note', 'DEBUG: details', '(conv)', 'WARNING: Cannot say more.', 'after')
    ]
    assert places == sorted(places)
    assert 'failed' not in text
    assert text.count('details') == text.count('after') == 1
    assert len([message for message in screen if 'Cannot say more' in message]) == 1
