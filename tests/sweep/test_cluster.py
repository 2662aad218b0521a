"""Jobs of a cluster, as far as no cluster is needed."""

import logging
import os
import sys
from importlib.util import find_spec

import pytest

from dlvr_plugin.sweep.cluster import ClusterJobs

pytestmark = pytest.mark.skipif(find_spec('submitit') is None, reason='submitit is not installed')


@pytest.mark.parametrize('level', [None, 'WARNING'])
def test_the_logs_of_others_stay_open(tmp_path, monkeypatch, level):
    """The configuration of logging that submitit brings closes the handlers that there are."""
    for name in [each for each in sys.modules if each.split('.')[0] == 'submitit']:
        monkeypatch.delitem(sys.modules, name)
    if level is None:
        monkeypatch.delenv('SUBMITIT_LOG_LEVEL', raising=False)
    else:
        monkeypatch.setenv('SUBMITIT_LOG_LEVEL', level)
    handler = logging.FileHandler(tmp_path / 'log.txt')
    try:
        ClusterJobs('local', [])
        assert handler.stream is not None
        assert os.environ.get('SUBMITIT_LOG_LEVEL') == level
    finally:
        handler.close()
