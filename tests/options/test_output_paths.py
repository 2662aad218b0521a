"""Paths to what other stages have made, with outputs elsewhere than in the current folder."""

import pytest

from dlvr_plugin.cli.main import main as dlvr
from dlvr_plugin.options.output_paths import resolve_output_paths
from tests.helpers import as_host_model, tiny_options, write_options

NAME = 'experiments/one/models/net_g_latest.pth'


def touch(path):
    path.parent.mkdir(parents=True)
    path.touch()


def options():
    return {
        'name': 'experiments',
        'path': {'pretrain_network_g': NAME, 'param_key_g': 'params'},
        'datasets': {'val': {'dataroot_gt': 'datasets/x', 'dataroot_lq': 'results/one/visualization'}},
        'more': [
            'tb_logger/one',
            'my_experiments/x',
            '/experiments/x',
            'experiments',
            f'results/{"x" * 5000}\0',
            3,
            '',
        ],
    }


def test_outputs_are_found_below_the_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = tmp_path / 'elsewhere'
    opt = options()
    notes = resolve_output_paths(opt, root)
    assert opt['path'] == {'pretrain_network_g': str(root / NAME), 'param_key_g': 'params'}
    assert opt['datasets']['val'] == {'dataroot_gt': 'datasets/x', 'dataroot_lq': f'{root}/results/one/visualization'}
    assert opt['more'][0] == f'{root}/tb_logger/one'
    assert opt['more'][1:4] == ['my_experiments/x', '/experiments/x', 'experiments']
    assert opt['name'] == 'experiments'
    assert f'path.pretrain_network_g: {NAME} is {root / NAME}.' in notes


def test_a_file_in_the_current_folder_alone_is_taken_as_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / NAME)
    opt = options()
    resolve_output_paths(opt, tmp_path / 'elsewhere')
    assert opt['path']['pretrain_network_g'] == NAME
    touch(tmp_path / 'elsewhere' / NAME)
    resolve_output_paths(opt, tmp_path / 'elsewhere')
    assert opt['path']['pretrain_network_g'] == str(tmp_path / 'elsewhere' / NAME)


def test_nothing_changes_where_outputs_go_to_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opt = options()
    assert resolve_output_paths(opt, tmp_path) == []
    assert opt == options()


@pytest.mark.parametrize('folder', ['work', 'root'])
def test_a_chain_of_stages_works_with_outputs_elsewhere(clip_root, tmp_path, monkeypatch, host_log, folder):
    monkeypatch.setenv('DLVR_ROOT', str(tmp_path / 'root'))
    (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / folder)
    first = as_host_model(tiny_options(clip_root, name='one', total_iter=1))
    first['datasets']['train']['gt_frames'] = 'middle'
    assert dlvr(['train', '-opt', str(write_options(first, tmp_path / 'one.yml'))]) == 0
    second = tiny_options(clip_root, name='two')
    second['path']['pretrain_network_g'] = NAME
    path = write_options(second, tmp_path / 'two.yml')
    assert dlvr(['options', 'check', str(path)]) == 0
    assert dlvr(['train', '-opt', str(path)]) == 0
    said = any(f'{NAME} is {tmp_path / "root" / NAME}' in message for message in host_log)
    assert said == (folder != 'root')
    assert (tmp_path / 'root/experiments/two/models/net_t_latest.pth').is_file()
