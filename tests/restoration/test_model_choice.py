"""Models by file and by name."""

from pathlib import Path

import pytest

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.restoration.model_choice import find_model


def test_names_and_files(tmp_path):
    (tmp_path / 'small.safetensors').touch()
    assert find_model('small', tmp_path) == tmp_path / 'small.safetensors'
    assert find_model('net_g.pth', tmp_path) == Path('net_g.pth')
    with pytest.raises(InvalidValueError, match=r'neither a file.*package: small. Did you mean small\?'):
        find_model('smal', tmp_path)


@pytest.mark.parametrize('name', ['../small', 'a/b', '/etc/passwd'])
def test_paths_are_no_names(tmp_path, name):
    (tmp_path / 'bundled').mkdir()
    (tmp_path / 'small.safetensors').touch()
    assert find_model(name, tmp_path / 'bundled') == Path(name)  # a file of the user's own, not one of the package
