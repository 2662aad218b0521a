import socket

import pytest

from dlvr_plugin.core import published_weights
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.published_weights import cached_path, read_published


def test_a_server_that_says_nothing_ends_the_download(monkeypatch, tmp_path):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr(published_weights, '_LONGEST_SILENCE', 0.2)
    with socket.create_server(('127.0.0.1', 0)) as server:
        url = f'http://127.0.0.1:{server.getsockname()[1]}/net-12345678.pth'
        with pytest.raises(DataError, match=r'net-12345678.pth cannot be downloaded \(.*timed out.*\)'):
            read_published(url)
    assert not any(cached_path(url).parent.iterdir())
    assert socket.getdefaulttimeout() is None
