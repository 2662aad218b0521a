"""Resuming: the newest complete state, wherever the command is started, and clear errors."""

import hashlib

import pytest
import torch

from dlvr_plugin.core.checkpoints import write_checkpoint
from dlvr_plugin.core.training_states import load_resume_state, remove_old_states, states_in


def options(folder, **path):
    paths = {'models': str(folder), 'training_states': str(folder), 'resume_state': None, 'pretrain_network_g': 'old'}
    return {'auto_resume': True, 'network_g': {}, 'network_t': {}, 'path': {**paths, **path}}


def write_state(folder, iteration):
    """Write networks and the state that names them."""
    networks = {}
    for label in ('g', 't'):
        name = f'net_{label}_{iteration}.pth'
        networks[name] = write_checkpoint(folder / name, {'params': {'weight': torch.full((3,), float(iteration))}})
        assert networks[name] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    state = {'iter': iteration, 'epoch': 0, 'optimizers': [], 'schedulers': [], 'networks': networks}
    write_checkpoint(folder / f'{iteration}.state', state)


def damage(path):
    content = bytearray(path.read_bytes())
    content[content.index(b'optimizers' if path.suffix == '.state' else b'params') + 2] ^= 1
    path.write_bytes(content)


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-200])


def test_states_are_ordered_by_iteration(tmp_path):
    for iteration in (900, 1000, 80):
        write_state(tmp_path, iteration)
    (tmp_path / 'other.state').touch()
    assert [path.name for path in states_in(tmp_path)] == ['1000.state', '900.state', '80.state']


def test_networks_of_the_state_are_loaded(tmp_path, monkeypatch):
    write_state(tmp_path, 20)
    monkeypatch.chdir('/')  # from any folder
    opt = options(tmp_path)
    assert load_resume_state(opt)['iter'] == 20
    assert opt['path']['pretrain_network_g'] == str(tmp_path / 'net_g_20.pth')
    assert opt['path']['pretrain_network_t'] == str(tmp_path / 'net_t_20.pth')


def test_nothing_to_resume(tmp_path):
    opt = options(tmp_path)
    assert load_resume_state(opt) is None
    assert opt['path']['pretrain_network_g'] == 'old'
    assert load_resume_state({**opt, 'auto_resume': False}) is None


@pytest.mark.parametrize('harm', [damage, cut_off, lambda path: path.unlink()])
@pytest.mark.parametrize('name', ['30.state', 'net_g_30.pth', 'net_t_30.pth'])
def test_damaged_states_are_left_out(tmp_path, harm, name):
    for iteration in (10, 20, 30):
        write_state(tmp_path, iteration)
    harm(tmp_path / name)
    opt = options(tmp_path)
    state = load_resume_state(opt)
    assert state['iter'] == 20
    assert opt['path']['pretrain_network_t'] == str(tmp_path / 'net_t_20.pth')
    left_out = ['30.state is left out'] if (tmp_path / '30.state').exists() else []
    assert [message[:20] for message in state['left_out']] == left_out


def test_none_is_complete(tmp_path):
    write_state(tmp_path, 5)
    (tmp_path / 'net_t_5.pth').unlink()
    with pytest.raises(ValueError, match='none of the 1 states in .* is complete'):
        load_resume_state(options(tmp_path))


def test_named_state_that_is_missing_or_cut_off(tmp_path):
    opt = {**options(tmp_path, resume_state=str(tmp_path / '5.state')), 'auto_resume': False}
    with pytest.raises(ValueError, match='5.state does not exist'):
        load_resume_state(opt)
    write_state(tmp_path, 5)
    cut_off(tmp_path / '5.state')
    with pytest.raises(ValueError, match='5.state cannot be read as a checkpoint'):
        load_resume_state(opt)
    torch.save({'params': {}}, tmp_path / '5.state')
    with pytest.raises(ValueError, match='5.state is no training state: it has no epoch, iter'):
        load_resume_state(opt)


def test_a_named_state_does_not_lead_over_checkpoints_that_are_there(tmp_path):
    own, another = tmp_path / 'own', tmp_path / 'another'
    for folder in (own, another):
        folder.mkdir()
        write_state(folder, 20)
    opt = {**options(own, resume_state=str(own / '20.state')), 'auto_resume': False}
    assert load_resume_state(opt)['iter'] == 20
    write_state(own, 30)
    with pytest.raises(ValueError, match=r'from .*own/20.state would overwrite .*own/30.state .* --auto_resume, give'):
        load_resume_state(opt)
    with pytest.raises(ValueError, match=r'from .*another/20.state would overwrite .*own/30.state'):
        load_resume_state({**options(own, resume_state=str(another / '20.state')), 'auto_resume': False})
    assert load_resume_state({**opt, 'auto_resume': True})['iter'] == 30


def test_state_of_the_framework_alone(tmp_path):
    """It names no networks, so that only their absence can be told."""
    torch.save({'iter': 7, 'epoch': 0, 'optimizers': [], 'schedulers': []}, tmp_path / '7.state')
    torch.save({}, tmp_path / 'net_g_7.pth')
    with pytest.raises(ValueError, match='path.pretrain_network_t: .*net_t_7.pth, saved with iteration 7, is missing'):
        load_resume_state(options(tmp_path))
    torch.save({}, tmp_path / 'net_t_7.pth')
    assert load_resume_state(options(tmp_path))['iter'] == 7


def test_old_checkpoints_are_removed(tmp_path):
    for iteration in (10, 20, 100):
        write_state(tmp_path, iteration)
    for name in ('net_g_latest.pth', 'net_g_best.pth'):
        (tmp_path / name).touch()
    remove_old_states(options(tmp_path), 2)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {
        *(f'{prefix}{iteration}{suffix}' for iteration in (20, 100) for prefix, suffix in
          (('', '.state'), ('net_g_', '.pth'), ('net_t_', '.pth'))),
        'net_g_latest.pth',
        'net_g_best.pth',
    }  # fmt: skip


def test_networks_of_a_run_that_was_killed_before_their_state_are_removed_as_they_age(tmp_path):
    for iteration in (10, 20, 30):
        write_state(tmp_path, iteration)
    others = (
        'net_g_latest.pth',
        'net_g_best.pth',
        'net_g_9.pth.bak',
        'other_9.pth',
        'net_g_9.safetensors',
        'net_9.pth',
    )
    orphans = ('net_g_15.pth', 'net_t_15.pth', 'net_g_8.pth')
    newer = ('net_g_25.pth', 'net_g_40.pth')  # a run is about to write their state, or was killed a moment ago
    for name in (*others, *orphans, *newer):
        (tmp_path / name).touch()
    remove_old_states(options(tmp_path), 2)
    left = {path.name for path in tmp_path.iterdir()}
    assert {*others, *newer, '20.state', 'net_t_20.pth', 'net_g_30.pth'} <= left
    assert not left & {*orphans, '10.state', 'net_g_10.pth'}
