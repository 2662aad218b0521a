"""Checkpoints: whole or absent, executed never, and errors that fit on a screen."""

import builtins
import pickle

import pytest
import torch
from basicsr.models.base_model import BaseModel
from safetensors.torch import save_file
from torch import nn

from dlvr_plugin.host.checkpoints import read_checkpoint, write_checkpoint


class Payload:
    """Makes a file when it is unpickled the unsafe way."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return builtins.open, (str(self.path), 'w')


@pytest.fixture
def model(tmp_path):
    (tmp_path / 'models').mkdir()
    (tmp_path / 'training_states').mkdir()
    path = {name: str(tmp_path / name) for name in ('models', 'training_states')}
    return BaseModel({'num_gpu': 0, 'is_train': True, 'dist': False, 'rank': 0, 'path': path})


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('environment', [None, 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'])
def test_malicious_checkpoint_is_refused(model, tmp_path, monkeypatch, zipped, environment):
    if environment:
        monkeypatch.setenv(environment, '1')
    path = tmp_path / 'net.pth'
    torch.save({'params': Payload(tmp_path / 'executed')}, path, _use_new_zipfile_serialization=zipped)
    for read in (lambda: read_checkpoint(path), lambda: model.load_network(nn.Linear(2, 2), path)):
        with pytest.raises(ValueError, match='net.pth cannot be read as a checkpoint .* never run'):
            read()
    assert not (tmp_path / 'executed').exists()
    with path.open('wb') as file:
        pickle.dump({'params': Payload(tmp_path / 'executed')}, file)
    with pytest.raises(ValueError, match='net.pth cannot be read'):
        read_checkpoint(path)
    assert not (tmp_path / 'executed').exists()
    pickle.loads(path.read_bytes())
    assert (tmp_path / 'executed').exists()  # it would have been


def test_flipped_bit_of_a_weight_is_seen(tmp_path):
    path = tmp_path / 'net.pth'
    write_checkpoint(path, {'params': {'weight': torch.full((64,), 1.5)}})
    content = bytearray(path.read_bytes())
    content[content.index(torch.full((2,), 1.5).numpy().tobytes()) + 3] ^= 1
    path.write_bytes(content)
    assert not torch.equal(torch.load(path, weights_only=True)['params']['weight'], torch.full((64,), 1.5))
    with pytest.raises(ValueError, match='is damaged'):
        read_checkpoint(path)


def test_a_failed_write_leaves_the_file_before(tmp_path, monkeypatch):
    path = tmp_path / 'net.pth'
    write_checkpoint(path, {'a': torch.ones(3)})
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('os.fsync', full)
    with pytest.raises(OSError, match='net.pth cannot be written: No space left on device.*intact'):
        write_checkpoint(path, {'a': torch.zeros(3)})
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ['net.pth']


def test_save_and_load(model, tmp_path):
    net, other = nn.Linear(2, 3), nn.Linear(2, 3)
    model.save_network([net, other], 'net_g', -1, param_key=['params', 'params_ema'])
    loaded = nn.Linear(2, 3)
    path = tmp_path / 'models' / 'net_g_latest.pth'
    model.load_network(loaded, path, param_key='params_ema')
    assert torch.equal(loaded.weight, other.weight)
    torch.save({'weights': net.state_dict()}, tmp_path / 'net.pth')
    with pytest.raises(ValueError, match="net.pth has no key 'params', only weights"):
        model.load_network(loaded, tmp_path / 'net.pth')
    with pytest.raises(ValueError, match=r'another network than Linear: 1 of 2 .* weight is \(3, 2\) in the file'):
        model.load_network(nn.Linear(4, 3), path)
    save_file({'weight': net.weight, 'bias': net.bias}, tmp_path / 'net.safetensors')
    model.load_network(loaded, tmp_path / 'net.safetensors')
    assert torch.equal(loaded.weight, net.weight)


def test_state_names_its_networks_and_the_best_metrics(model, tmp_path):
    model.save_network(nn.Linear(2, 3), 'net_g', 10)
    model.save_network(nn.Linear(2, 3), 'net_g', 'best')
    model.best_metric_results = {'Vid4': {'psnr': {'better': 'higher', 'val': 30.5, 'iter': 5}}}
    model.save_training_state(2, 10)
    state = torch.load(tmp_path / 'training_states/10.state', weights_only=True)
    assert list(state['networks']) == ['net_g_10.pth']
    fresh = BaseModel(model.opt)
    fresh.resume_training(state)
    assert fresh.best_metric_results == model.best_metric_results
