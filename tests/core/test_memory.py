import resource
import sys

import pytest

from dlvr_plugin.core.memory import peak_memory


@pytest.mark.parametrize(('platform', 'unit'), [('linux', 2**10), ('darwin', 2**20)])
def test_the_unit_is_that_of_the_system(monkeypatch, platform, unit):
    monkeypatch.setattr(sys, 'platform', platform)
    usage = type('Usage', (), {'ru_maxrss': 300 * unit})
    monkeypatch.setattr(resource, 'getrusage', lambda who: usage)
    assert peak_memory() == 300


def test_a_system_that_does_not_tell(monkeypatch):
    monkeypatch.setitem(sys.modules, 'resource', None)  # as on Windows
    assert peak_memory() is None


def test_this_process():
    assert 50 < peak_memory() < 50_000
