"""How runs end."""

import pytest

from dlvr_plugin import train as train_command
from dlvr_plugin.training import loop


def run(monkeypatch, error):
    def pipeline(root):
        raise error

    monkeypatch.setattr(loop, 'train_pipeline', pipeline)
    return train_command.main([])


def test_death_of_a_data_worker_is_told_wherever_torch_raises_it(monkeypatch, host_log):
    error = RuntimeError('DataLoader worker (pid 7) is killed by signal: Killed. ')
    assert run(monkeypatch, error) == 1
    assert 'A process that reads data has died: DataLoader worker (pid 7)' in host_log[-1]
    assert 'lower num_worker_per_gpu' in host_log[-1]


def test_defects_keep_their_traceback(monkeypatch):
    with pytest.raises(RuntimeError, match='shapes'):
        run(monkeypatch, RuntimeError('shapes do not fit'))
