"""Checkpoints: whole or absent, executed never, and errors that fit on a screen."""

import os
import pickle
import struct
import tempfile
import time
import zlib
from pathlib import Path

import pytest
import torch
from basicsr.models.base_model import BaseModel
from safetensors.torch import save_file
from torch import nn

from dlvr_plugin.core.checkpoints import (
    description_in,
    load_weights,
    read_checkpoint,
    read_hashed_checkpoint,
    read_weights,
    write_checkpoint,
)
from dlvr_plugin.core.errors import CheckpointError
from dlvr_plugin.core.version import __version__
from tests.helpers import Payload, as_nobody


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


def test_load_weights(tmp_path, host_log):
    net, other, path = nn.Linear(2, 3), nn.Linear(2, 3), tmp_path / 'net_t.pth'
    torch.save({'params': {f'module.{name}': value for name, value in net.state_dict().items()}}, path)
    load_weights(other, path)
    assert torch.equal(other.weight, net.weight)

    with pytest.raises(CheckpointError, match='nowhere.pth does not exist'):
        load_weights(net, tmp_path / 'nowhere.pth')
    with pytest.raises(CheckpointError, match='is a folder, not a file'):
        load_weights(net, tmp_path)
    load_weights(other, path, param_key='params_ema')  # as the framework does
    assert 'params_ema does not exist' in host_log[-1]
    torch.save(net.state_dict(), path)
    load_weights(other, path, param_key=None)
    with pytest.raises(CheckpointError, match="no key 'params', only weight, bias. Set param_key_"):
        load_weights(net, path)
    torch.save({'params': nn.Linear(4, 4, bias=False).state_dict()}, path)
    with pytest.raises(CheckpointError, match='holds another network than Linear: 2 of 2 tensors .* 0 are unknown'):
        load_weights(net, path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match='cut off'):
        load_weights(net, path)


@pytest.mark.parametrize('legacy', [False, True])
def test_wherever_a_checkpoint_is_cut_off_it_is_told_as_damage(tmp_path, legacy):
    path = tmp_path / 'net_g.pth'
    torch.save({'params': nn.Linear(200, 200).state_dict()}, path, _use_new_zipfile_serialization=not legacy)
    whole = path.read_bytes()
    for length in (*range(0, len(whole), 4001), len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match='net_g.pth cannot be read as a checkpoint .* damaged or cut off'):
            read_checkpoint(path)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (torch.ones(3), 'net.pth is no checkpoint: it holds a Tensor'),
        ([torch.ones(3)], 'net.pth is no checkpoint: it holds a list'),
        (None, 'net.pth is no checkpoint: it holds None'),
        ({'params': torch.ones(3)}, 'net.pth, key params, holds no tensors by name, .* it is a Tensor'),
        ({'params': [torch.ones(3)]}, 'net.pth, key params, holds no tensors by name, .* it is a list'),
        ({'params': None}, 'net.pth, key params, holds no tensors by name, .* it is None'),
        ({'params': {0: torch.ones(3)}}, 'net.pth, key params, .* the name 0 is an int, not text'),
        ({'params': {'a': [1, 2]}}, 'net.pth, key params, .* a is a list, not a tensor'),
        ({'params': {'a': {'b': torch.ones(1)}}}, 'net.pth, key params, .* a is a dict, not a tensor'),
        ({'params': {'a': None}}, 'net.pth, key params, .* a is None, not a tensor'),
        ({'params': {'a': torch.eye(3).to_sparse()}}, 'net.pth, key params, .* a is a sparse tensor'),
        ({'params': {'a': torch.empty(3, device='meta')}}, 'net.pth, key params, .* a is a meta tensor'),
        ({'params': {'a': torch.ones(3, dtype=torch.cfloat)}}, 'net.pth, key params, .* a is a tensor of complex'),
    ],
)
def test_files_without_weights_are_named(tmp_path, content, message):
    torch.save(content, tmp_path / 'net.pth')
    with pytest.raises(CheckpointError, match=message):
        read_weights(tmp_path / 'net.pth')


@pytest.mark.filterwarnings('ignore::UserWarning')  # they are prototypes
@pytest.mark.parametrize(
    ('make', 'kind'),
    [
        (lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), 'quantized'),
        (lambda: torch.nested.nested_tensor([torch.ones(2)]), 'nested'),
        (lambda: torch.eye(3).to_sparse_csr(), 'sparse'),
    ],
)
def test_unusual_tensors_are_named(tmp_path, make, kind):
    torch.save({'params': {'a': make()}}, tmp_path / 'net.pth')
    with pytest.raises(CheckpointError, match=f'net.pth, key params, .* a is a {kind} tensor; expected a plain one'):
        read_weights(tmp_path / 'net.pth')


def write_archive(path, data, num_members, *, shared, compression):
    """Write a zip archive by hand, of members with the same data; ``shared``: these lie in the file once."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(data) + packer.flush() if compression else data
    sizes = struct.pack('<3L', zlib.crc32(data), len(packed), len(data))
    content, directory = b'', b''
    for index in range(num_members):
        name, offset = f'archive/data/{index}'.encode(), 0 if shared else len(content)
        if not content or not shared:
            content += struct.pack('<4s5H', b'PK\3\4', 20, 0, compression, 0, 0) + sizes
            content += struct.pack('<2H', len(name), 0) + name + packed
        directory += struct.pack('<4s6H', b'PK\1\2', 20, 20, 0, compression, 0, 0) + sizes
        directory += struct.pack('<5H2L', len(name), 0, 0, 0, 0, 0, offset) + name
    end = struct.pack('<4s4H2LH', b'PK\5\6', 0, 0, num_members, num_members, len(directory), len(content), 0)
    path.write_bytes(content + directory + end)


@pytest.mark.parametrize(
    ('shared', 'compression', 'message'),
    [
        (True, zlib.DEFLATED, 'is compressed or encrypted .* Nothing was unpacked'),
        (False, zlib.DEFLATED, 'is compressed or encrypted .* Nothing was unpacked'),
        (True, 0, 'overlaps another member. Nothing was unpacked'),
    ],
)
def test_archives_that_unpack_to_more_are_refused_at_once(tmp_path, shared, compression, message):
    data = bytes(2**26 if compression else 2**20)
    num_members = 200 if shared else 3
    write_archive(tmp_path / 'net.pth', data, num_members, shared=shared, compression=compression)
    assert (tmp_path / 'net.pth').stat().st_size < 2**21
    start = time.monotonic()
    with pytest.raises(CheckpointError, match=f'net.pth is no checkpoint as torch writes it: .*{message}'):
        read_checkpoint(tmp_path / 'net.pth')
    assert time.monotonic() - start < 1


def test_checkpoints_of_many_tensors_are_read(tmp_path):
    torch.save({'params': {f'a.{index}': torch.full((2,), index) for index in range(2000)}}, tmp_path / 'net.pth')
    assert read_weights(tmp_path / 'net.pth')['a.1999'].tolist() == [1999, 1999]


@pytest.mark.parametrize('name', ['net.pth', 'net.safetensors', '10.state'])
def test_a_fifo_is_refused_at_once(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(CheckpointError, match=f'{name} is a FIFO, not a file'):
        read_checkpoint(tmp_path / name)


@pytest.mark.parametrize('name', ['net.pth', 'net.safetensors'])
def test_a_checkpoint_that_may_not_be_read_is_told_as_that(name):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder) / name
        path.touch(mode=0)
        with as_nobody(), pytest.raises(CheckpointError) as caught:
            read_checkpoint(path)
        assert str(caught.value) == f'{path} cannot be read: Permission denied.'


def test_a_checkpoint_of_another_hash_is_not_read(tmp_path):
    path = tmp_path / 'net.pth'
    digest = write_checkpoint(path, {'a': torch.ones(3)})
    content, found = read_hashed_checkpoint(path, expected=digest[:8])
    assert found == digest
    assert content['a'].tolist() == [1, 1, 1]
    with pytest.raises(CheckpointError, match=f'net.pth has the SHA-256 {digest}, expected 0123...'):
        read_hashed_checkpoint(path, expected='0123')


def test_checkpoints_say_what_they_hold(model, tmp_path):
    model.opt.update(name='mine', scale=4, network_g={'type': 'EDVR', 'num_feat': 8, 'layers': (1, 2)})
    model.save_network(nn.Linear(2, 3), 'net_g', 5)
    path = tmp_path / 'models/net_g_5.pth'
    network = {'type': 'EDVR', 'num_feat': 8, 'layers': [1, 2]}
    expected = {'version': __version__, 'run': 'mine', 'scale': 4, 'network': network}
    assert description_in(read_checkpoint(path), path) == expected
    assert list(read_weights(path)) == ['weight', 'bias']
    torch.save({'params': {}}, path)  # of the framework, or of an older version
    assert description_in(read_checkpoint(path), path) is None
    torch.save({'params': {}, 'description': 'EDVR'}, path)
    with pytest.raises(CheckpointError, match='a description of another form'):
        description_in(read_checkpoint(path), path)


@pytest.mark.parametrize('param_key', ['params', 'params_ema', None])
def test_safetensors_load_whatever_the_key(tmp_path, param_key):
    net, other = nn.Linear(2, 3), nn.Linear(2, 3)
    save_file(net.state_dict(), tmp_path / 'net.safetensors')
    load_weights(other, tmp_path / 'net.safetensors', param_key=param_key)
    assert torch.equal(other.weight, net.weight)
