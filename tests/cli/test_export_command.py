"""``dlvr export``: what other tools read is what was trained."""

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
