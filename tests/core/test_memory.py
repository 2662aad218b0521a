import resource
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from dlvr_plugin.core.memory import peak_memory


@pytest.fixture
def _without_proc(monkeypatch):
    monkeypatch.setattr(Path, 'read_text', Mock(side_effect=FileNotFoundError))


@pytest.mark.usefixtures('_without_proc')
@pytest.mark.parametrize(('platform', 'unit'), [('freebsd', 2**10), ('darwin', 2**20)])
def test_the_unit_is_that_of_the_system(monkeypatch, platform, unit):
    monkeypatch.setattr(sys, 'platform', platform)
    usage = type('Usage', (), {'ru_maxrss': 300 * unit})
    monkeypatch.setattr(resource, 'getrusage', lambda who: usage)
    assert peak_memory() == 300


@pytest.mark.usefixtures('_without_proc')
def test_a_system_that_does_not_tell(monkeypatch):
    monkeypatch.setitem(sys.modules, 'resource', None)  # as on Windows
    assert peak_memory() is None


def test_this_process():
    assert 50 < peak_memory() < 50_000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='other systems tell of processes that were started, too')
def test_the_memory_of_the_process_that_started_it_is_not_counted():
    held = np.ones(2**31, dtype=np.uint8)
    code = 'from dlvr_plugin.core.memory import peak_memory; print(peak_memory())'
    printed = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True).stdout
    assert float(printed) < 2048 <= peak_memory()
    del held


@pytest.mark.skipif(sys.platform != 'linux', reason='only the C library of GNU is told')
def test_freed_memory_is_kept():
    code = """
import resource
import numpy as np
from dlvr_plugin.core.memory import keep_freed_memory

def page_faults():
    begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(2**24, np.uint8), np.ones(2**23, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begin

before = page_faults()
keep_freed_memory()
page_faults()
print(before, page_faults())
"""
    printed = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True).stdout
    before, after = map(int, printed.split())
    assert after < 100 < before
