"""What is no regular file is refused at once, by its name."""

import json
import os
import socket
import tempfile
import time
from pathlib import Path

import pytest

from dlvr_plugin.core.errors import CheckpointError, DataError
from dlvr_plugin.core.regular_files import check_name, check_regular, read_json, read_lines, read_regular
from tests.helpers import as_nobody


@pytest.mark.parametrize(
    ('kind', 'message'),
    [
        ('fifo', r'odd is a FIFO, not a file'),
        ('socket', r'odd is a socket, not a file'),
        ('folder', r'odd is a folder, not a file'),
        ('link to a FIFO', r'odd is a FIFO, not a file'),
        ('/dev/zero', '/dev/zero is a device, not a file'),
        ('/dev/stdin', '/dev/stdin is a'),
        ('missing', 'odd does not exist'),
        ('\0', 'is no name of a file'),
    ],
)
def test_what_is_no_file_is_refused_at_once(tmp_path, monkeypatch, kind, message):
    path = tmp_path / 'odd'
    if kind == 'fifo':
        os.mkfifo(path)
    elif kind == 'socket':
        monkeypatch.chdir(tmp_path)  # the name of a socket has a hundred characters at most
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind('odd')
    elif kind == 'folder':
        path.mkdir()
    elif kind == 'link to a FIFO':
        os.mkfifo(tmp_path / 'fifo')
        path.symlink_to('fifo')
    elif kind != 'missing':
        path = kind
    start = time.monotonic()
    with pytest.raises(DataError, match=message):
        read_regular(path)
    with pytest.raises(CheckpointError, match=message):
        check_regular(path, error=CheckpointError)
    assert time.monotonic() - start < 1


def test_a_link_to_a_file_is_a_file(tmp_path):
    (tmp_path / 'file').write_bytes(b'abc')
    (tmp_path / 'link').symlink_to('file')
    assert read_regular(tmp_path / 'link') == b'abc'


def test_the_opened_file_counts_not_its_name(tmp_path, monkeypatch):
    (tmp_path / 'file').write_bytes(b'abc')
    os.mkfifo(tmp_path / 'fifo')
    real_open = os.open

    def swapped(path, flags):  # the name comes to stand for a FIFO before it is opened
        return real_open(tmp_path / 'fifo', flags)

    monkeypatch.setattr(os, 'open', swapped)
    with pytest.raises(DataError, match='file is a FIFO'):
        read_regular(tmp_path / 'file')


def test_descriptors_are_closed(tmp_path):
    os.mkfifo(tmp_path / 'fifo')
    before = len(os.listdir('/proc/self/fd'))
    for path in (tmp_path / 'fifo', tmp_path, '/dev/zero'):
        with pytest.raises(DataError):
            read_regular(path)
    assert len(os.listdir('/proc/self/fd')) == before


def test_size(tmp_path):
    path = tmp_path / 'file'
    path.write_bytes(b'abcd')
    assert read_regular(path, most_bytes=4) == b'abcd'
    with pytest.raises(DataError, match=r'file has 4 bytes, more than such a file may have \(3\)'):
        read_regular(path, most_bytes=3)
    os.truncate(path, 2**41)  # it takes no room on disk
    with pytest.raises(DataError, match='more than such a file may have'):
        read_lines(path)
    with pytest.raises(DataError, match='more than such a file may have'):
        read_json(path)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'{"a": ', 'x.json is damaged: Expecting value'),
        (b'[' * 100_000, 'x.json is damaged: .*nested too deeply'),
        (b'{"a": ' * 100_000, 'x.json is damaged: .*nested too deeply'),
        (b'9' * 20_000, 'x.json is damaged: .*limit'),
        (b'"\xff"', 'x.json is damaged: .*decode'),
        (b'', 'x.json is damaged'),
        (b'{"a": NaN}', 'x.json is damaged: NaN is no number'),
    ],
)
def test_json_that_is_damaged(tmp_path, content, message):
    (tmp_path / 'x.json').write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_json(tmp_path / 'x.json')


def test_json_and_lines(tmp_path):
    (tmp_path / 'x').write_text(json.dumps({'a': [1, None, 'ä']}))
    assert read_json(tmp_path / 'x') == {'a': [1, None, 'ä']}
    (tmp_path / 'x').write_text('ä 1\nb 2\n', encoding='utf-8')
    assert read_lines(tmp_path / 'x') == ['ä 1', 'b 2']
    (tmp_path / 'x').write_bytes(b'a\xff')
    with pytest.raises(DataError, match='x: byte 1 is not UTF-8'):
        read_lines(tmp_path / 'x')


def test_what_may_not_be_read_is_told_as_that():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder) / 'secret'
        path.write_bytes(b'abc')
        path.chmod(0)
        with as_nobody(), pytest.raises(DataError, match='secret cannot be read: Permission denied'):
            read_regular(path)


def test_names_that_are_not_utf_8(tmp_path):
    check_name(tmp_path / 'ä')
    with pytest.raises(DataError, match=r'clip\\udcff has a name that is not UTF-8. Rename it') as caught:
        check_name(tmp_path / 'clip\udcff')
    str(caught.value).encode()
