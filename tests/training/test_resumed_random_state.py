"""A state without the seed of its run, or with a broken one, is refused, not gone on from with other numbers."""

from pathlib import Path

import pytest
import torch

from dlvr_plugin import train as train_command
from dlvr_plugin.core.checkpoints import read_checkpoint
from dlvr_plugin.core.errors import CheckpointError
from dlvr_plugin.training.resumed_random_state import check_random_state
from tests.helpers import as_host_model, tiny_options, write_options

FILE = Path('/runs/experiments/tiny/training_states/7.state')
DIVISION = {'world_size': 2, 'accum_iter': 1, 'batch_size': 2}
WHOLE = {'iter': 7, 'options': {}, 'seed': 3, 'rollbacks': 0, 'division': DIVISION}
FRAMEWORK = {'iter': 7}

BROKEN = {
    'it has no seed': {'seed': ...},
    'it has no rollbacks': {'rollbacks': ...},
    'seed is a Tensor, and must be a whole number of at least 0': {'seed': torch.tensor([3, 4])},
    'seed is a str,': {'seed': '3'},
    'seed is a NoneType,': {'seed': None},
    'seed is -3,': {'seed': -3},
    'seed is 3.0,': {'seed': 3.0},
    'seed is True,': {'seed': True},
    'rollbacks is a list,': {'rollbacks': [0]},
    'division must be world_size, accum_iter, batch_size': {'division': {'world_size': 2}},
    'division.batch_size is 0, and must be a whole number of at least 1': {'division': {**DIVISION, 'batch_size': 0}},
    'division.world_size is a Tensor,': {'division': {**DIVISION, 'world_size': torch.ones(())}},
}


@pytest.mark.parametrize('manual_seed', [None, 5])
@pytest.mark.parametrize('problem', BROKEN)
def test_broken_entries(problem, manual_seed):
    state = {name: value for name, value in {**WHOLE, **BROKEN[problem]}.items() if value is not ...}
    with pytest.raises(CheckpointError) as error:
        check_random_state(state, FILE, manual_seed=manual_seed)
    assert f'{FILE} has no random state to go on with: {problem}' in str(error.value)
    assert 'path.pretrain_network_g: /runs/experiments/tiny/models/net_g_7.pth' in str(error.value)


def test_whole_states():
    check_random_state(WHOLE, FILE, manual_seed=None)
    check_random_state({name: WHOLE[name] for name in ('iter', 'seed', 'rollbacks')}, FILE, manual_seed=None)


def test_states_of_the_framework_go_on_with_a_seed_that_is_given():
    check_random_state(FRAMEWORK, FILE, manual_seed=0)
    with pytest.raises(CheckpointError, match='it has no seed. Set manual_seed to the one that its run had, or begin'):
        check_random_state(FRAMEWORK, FILE, manual_seed=None)


@pytest.mark.parametrize('flags', [['--auto_resume'], []])
def test_a_run_ends_before_anything_is_touched(clip_root, tmp_path, monkeypatch, host_log, flags):
    monkeypatch.setenv('DLVR_ROOT', str(tmp_path / 'root'))
    opt = as_host_model(tiny_options(clip_root, total_iter=1))
    opt['datasets']['train']['gt_frames'] = 'middle'
    path = tmp_path / 'tiny.yml'
    assert train_command.main(['-opt', str(write_options(opt, path))]) == 0
    folder = tmp_path / 'root/experiments/tiny'
    file = folder / 'training_states/1.state'
    state = read_checkpoint(file)
    del state['seed']
    torch.save(state, file)
    before = {each: each.read_bytes() for each in folder.rglob('*') if each.is_file() and each.suffix != '.log'}
    opt['train']['total_iter'] = 2
    if not flags:
        opt['path']['resume_state'] = str(file)
    host_log.clear()
    assert train_command.main(['-opt', str(write_options(opt, path)), *flags]) == 1
    assert f'{file} has no random state to go on with: it has no seed. Resume from another state' in host_log[-1]
    assert 'Traceback' not in host_log[-1]
    after = {each: each.read_bytes() for each in folder.rglob('*') if each.is_file() and each.suffix != '.log'}
    assert before == after
