"""Which cores and GPUs the runs of a sweep take."""

import pytest

from dlvr_plugin.cli.main import main
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.sweep.shared_machine import find_gpus, slot_environment


def test_runs_at_once_share_cores_and_gpus(monkeypatch):
    monkeypatch.setattr('os.cpu_count', lambda: 8)
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    assert slot_environment(0, 1, []) == {}
    assert slot_environment(1, 3, []) == {'OMP_NUM_THREADS': '2'}
    assert slot_environment(0, 9, []) == {'OMP_NUM_THREADS': '1'}
    assert slot_environment(1, 2, ['3', '5']) == {'CUDA_VISIBLE_DEVICES': '5', 'OMP_NUM_THREADS': '4'}
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    assert slot_environment(1, 2, []) == {}


def test_gpus_are_those_that_pytorch_counts(monkeypatch):
    monkeypatch.setattr('torch.cuda.device_count', lambda: 2)
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    assert find_gpus(None) == []
    assert find_gpus('1, 0') == ['1', '0']
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '3,GPU-5d2a,-1,0')  # the list ends at what is no GPU
    assert find_gpus('0,1') == ['3', 'GPU-5d2a']


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('0,2', '--gpus 0,2: there is no GPU 2 here; PyTorch sees 2, numbered from 0'),
        ('0,00', 'each once'),
        ('', 'must be numbers of GPUs'),
        ('-1', 'must be numbers of GPUs'),
        ('a', 'must be numbers of GPUs'),
    ],
)
def test_gpus_that_cannot_be_used(monkeypatch, text, message):
    monkeypatch.setattr('torch.cuda.device_count', lambda: 2)
    with pytest.raises(InvalidValueError, match=message):
        find_gpus(text)


@pytest.mark.parametrize(
    ('words', 'message'),
    [(['--gpus', '0'], 'PyTorch sees none'), (['--gpus', '0', '--cluster', 'slurm'], '--slurm gpus_per_node=1')],
)
def test_gpus_are_looked_at_before_the_file(monkeypatch, host_log, words, message):
    monkeypatch.setattr('torch.cuda.device_count', lambda: 0)  # as on the machine that jobs are sent from
    assert main(['sweep', 'run', 'sweep.yml', *words]) == 1
    assert message in ' '.join(host_log)
