"""Jobs of a cluster, as far as no cluster is needed."""

import logging
import multiprocessing
import os
import signal
import sys
import time
from importlib.util import find_spec

import pytest

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.sweep import cluster
from dlvr_plugin.sweep.cluster import ClusterJobs, ClusterRun
from dlvr_plugin.sweep.run_process import STOPPED
from dlvr_plugin.sweep.sweep_folder import write_sweep
from tests.sweep.test_sweep_folder import small_sweep

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


def test_jobs_that_slurm_refuses(tmp_path, monkeypatch):
    message = 'Batch job submission failed: Invalid partition name specified'
    for name in ('sbatch', 'srun'):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "sbatch: error: {message}" >&2\nexit 1\n')
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path), prepend=os.pathsep)
    sweep = small_sweep(tmp_path)
    start = ClusterJobs('slurm', ['partition=nowhere']).starter(sweep, lambda slot: {})
    case, run = next(iter(sweep.runs()))
    with pytest.raises(InvalidValueError, match=f'--cluster slurm: the job was not taken: sbatch: error: {message}'):
        start(case, run, 0)


class SavesWhenStopped:
    """A run that works until it is asked to end."""

    def __init__(self, *_):
        self.code = None

    def poll(self):
        os.write(2, b'works')
        return self.code

    def stop(self):
        os.write(2, b'saves')
        self.code = STOPPED


def test_a_preempted_job_waits_for_slurm_to_requeue_it(tmp_path, monkeypatch, capfd):
    """SLURM requeues one that returns in its time of grace all the same, and submitit takes it for finished."""
    monkeypatch.setattr(cluster, 'RunProcess', SavesWhenStopped)
    sweep = small_sweep(tmp_path)
    write_sweep(sweep)
    (_, run), *_ = sweep.runs()
    process = multiprocessing.get_context('fork').Process(target=ClusterRun(str(sweep.folder), run.name))
    process.start()
    try:
        wait_for('works', capfd)
        os.kill(process.pid, signal.SIGTERM)
        wait_for('saves', capfd)
        process.join(1)
        assert process.is_alive()
    finally:
        process.kill()
        process.join()


def wait_for(text, capfd):
    deadline = time.monotonic() + 60
    while text not in capfd.readouterr().err:
        assert time.monotonic() < deadline, text
        time.sleep(0.1)
