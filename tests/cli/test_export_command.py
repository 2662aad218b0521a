"""``dlvr export``: what other tools read is what was trained."""

import re

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from dlvr_plugin.cli.main import main


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    weights, average = nn.Conv2d(3, 4, 3).state_dict(), nn.Conv2d(3, 4, 3).state_dict()
    torch.save({'params': weights, 'params_ema': average}, tmp_path / 'net_g_10.pth')
    return tmp_path / 'net_g_10.pth', weights, average


def test_export(checkpoint, tmp_path, capsys):
    path, weights, average = checkpoint
    assert main(['export', str(path)]) == 0
    assert '2 tensors, 112 values of params_ema' in capsys.readouterr().out
    exported = load_file(tmp_path / 'net_g_10.safetensors')
    assert exported.keys() == average.keys()
    assert all(torch.equal(exported[name], average[name]) for name in average)
    assert main(['export', str(path), str(tmp_path / 'x.safetensors'), '--param-key', 'params', '--half']) == 0
    half = load_file(tmp_path / 'x.safetensors')
    assert all(torch.equal(half[name], weights[name].half()) for name in weights)
    with safe_open(tmp_path / 'x.safetensors', 'pt') as file:
        assert file.metadata()['param_key'] == 'params'


def test_bad_input(checkpoint, tmp_path, host_log):
    path = checkpoint[0]
    (tmp_path / 'net_g_10.safetensors').write_bytes(b'kept')
    assert main(['export', str(path)]) == 1
    assert 'exists already' in host_log[-1]
    assert (tmp_path / 'net_g_10.safetensors').read_bytes() == b'kept'
    assert main(['export', str(path), '--force', '--param-key', 'weights']) == 1
    assert "has no key 'weights', only params, params_ema" in host_log[-1]
    path.write_bytes(path.read_bytes()[:500])
    assert main(['export', str(path), '--force']) == 1
    assert 'damaged or cut off' in host_log[-1]
    assert (tmp_path / 'net_g_10.safetensors').read_bytes() == b'kept'


def test_a_description_that_is_none_is_named(tmp_path, host_log):
    for network in ({'type': torch.ones(2)}, torch.ones(2)):
        torch.save({'params': {'a': torch.ones(2)}, 'description': {'network': network}}, tmp_path / 'net.pth')
        assert main(['export', str(tmp_path / 'net.pth')]) == 1
        assert 'net.pth holds a description of another form' in host_log[-1]


def test_tied_weights_are_written_as_several(tmp_path):
    weight = torch.arange(6.0).view(2, 3)
    torch.save({'params': {'a': weight, 'b': weight, 'c': weight.t(), 'd': weight[0]}}, tmp_path / 'net.pth')
    assert main(['export', str(tmp_path / 'net.pth')]) == 0
    written = load_file(tmp_path / 'net.safetensors')
    for name, expected in {'a': weight, 'b': weight, 'c': weight.t(), 'd': weight[0]}.items():
        assert torch.equal(written[name], expected)


@pytest.mark.parametrize(
    ('params', 'message'),
    [
        ({}, 'net.pth, key params, holds no weights: it is empty'),
        ({'a': torch.eye(2).to_sparse()}, 'a is a sparse tensor'),
        ({'a': torch.empty(2, device='meta')}, 'a is a meta tensor'),
        ({'a': torch.ones(1).expand(10**6, 10**6)}, r'net.pth: a repeats 4 bytes .* \(1000000, 1000000\)'),
    ],
)
def test_what_holds_no_weights_is_not_written(tmp_path, host_log, params, message):
    torch.save({'params': params}, tmp_path / 'net.pth')
    assert main(['export', str(tmp_path / 'net.pth')]) == 1
    assert re.search(message, host_log[-1])
    assert [path.name for path in tmp_path.iterdir()] == ['net.pth']
