import pytest
import torch

from dlvr_plugin.host.resume import load_resume_state, newest_state


def options(folder, **changes):
    path = {'models': str(folder), 'training_states': str(folder), 'pretrain_network_g': 'old.pth', **changes}
    return {'auto_resume': True, 'network_g': {}, 'network_t': {}, 'path': path}


def write_state(folder, iteration):
    torch.save({'iter': iteration, 'epoch': 0, 'optimizers': [], 'schedulers': []}, folder / f'{iteration}.state')
    for name in ('g', 't'):
        torch.save({}, folder / f'net_{name}_{iteration}.pth')


def test_newest_state_is_the_one_of_the_highest_iteration(tmp_path):
    assert newest_state(tmp_path) is None
    for iteration in (900, 1000, 80):
        write_state(tmp_path, iteration)
    (tmp_path / 'other.state').touch()
    assert newest_state(tmp_path).name == '1000.state'


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
    assert opt['path']['pretrain_network_g'] == 'old.pth'
    assert load_resume_state({**opt, 'auto_resume': False}) is None


def test_named_state_that_is_missing_or_cut_off(tmp_path):
    opt = {**options(tmp_path, resume_state=str(tmp_path / '5.state')), 'auto_resume': False}
    with pytest.raises(ValueError, match='5.state is not a file'):
        load_resume_state(opt)
    write_state(tmp_path, 5)
    content = (tmp_path / '5.state').read_bytes()
    (tmp_path / '5.state').write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match='5.state cannot be read as a training state'):
        load_resume_state(opt)


def test_missing_network_is_named(tmp_path):
    write_state(tmp_path, 7)
    (tmp_path / 'net_t_7.pth').unlink()
    with pytest.raises(ValueError, match='path.pretrain_network_t: .*net_t_7.pth, saved with 7.state, is missing'):
        load_resume_state(options(tmp_path))
