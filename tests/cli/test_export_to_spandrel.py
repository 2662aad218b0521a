"""Exports of image networks in spandrel, which finds out by the names of weights what a file holds."""

import pytest
import torch
from basicsr.archs import build_network

from dlvr_plugin.cli.main import main
from dlvr_plugin.core.checkpoints import describe_network, write_checkpoint

spandrel = pytest.importorskip('spandrel')

RRDB = {'type': 'RRDBNet', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 8, 'num_block': 1, 'num_grow_ch': 32}
SWINIR = {'type': 'SwinIR', 'img_size': 16, 'embed_dim': 12, 'depths': [2], 'num_heads': [2], 'window_size': 8}
KNOWN = {
    'Compact': ({'type': 'SRVGGNetCompact', 'num_feat': 8, 'num_conv': 2, 'upscale': 2}, 'Compact', 2),
    'RRDBNet x4': (RRDB, 'ESRGAN', 4),
    'RRDBNet x2': ({**RRDB, 'scale': 2}, 'ESRGAN', 2),
    'RRDBNet x1': ({**RRDB, 'scale': 1}, 'ESRGAN', 1),
    'SwinIR': ({**SWINIR, 'upscale': 2, 'upsampler': 'pixelshuffle', 'mlp_ratio': 2}, 'SwinIR', 2),
    'SwinIR, light': ({**SWINIR, 'upscale': 2, 'upsampler': 'pixelshuffledirect', 'mlp_ratio': 2}, 'SwinIR', 2),
    'SwinIR, real': ({**SWINIR, 'upscale': 4, 'upsampler': 'nearest+conv', 'resi_connection': '3conv'}, 'SwinIR', 4),
}
UNKNOWN = {
    'EDSR': {'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 8, 'num_block': 1},
    'MSRResNet': {'type': 'MSRResNet', 'num_feat': 8, 'num_block': 1},
    'RCAN': {'type': 'RCAN', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 16, 'num_group': 1, 'num_block': 1},
    'Compact, ReLU': {'type': 'SRVGGNetCompact', 'num_feat': 8, 'num_conv': 2, 'act_type': 'relu'},
    'EnhanceNet': {'type': 'EnhanceNet', 'num_feat': 8, 'num_block': 1},
}


def export(tmp_path, network):
    torch.manual_seed(0)
    net = build_network(dict(network)).eval()
    described = describe_network({'name': 'run', 'scale': 4, 'network_g': network}, 'net_g')
    write_checkpoint(tmp_path / 'net.pth', {'params': net.state_dict(), 'description': described})
    target = tmp_path / 'net.safetensors'
    assert main(['export', str(tmp_path / 'net.pth'), '--safetensors', str(target)]) == 0
    return net, target


@torch.no_grad()
@pytest.mark.parametrize('name', KNOWN)
def test_the_same_frame(tmp_path, name):
    network, architecture, scale = KNOWN[name]
    net, target = export(tmp_path, network)
    loaded = spandrel.ModelLoader().load_from_file(target)
    assert (loaded.architecture.id, loaded.scale) == (architecture, scale)
    frame = torch.rand(1, 3, 16, 24)
    torch.testing.assert_close(loaded.model.eval()(frame), net(frame), rtol=0, atol=1e-5)


@pytest.mark.parametrize('name', UNKNOWN)
def test_what_the_documentation_says_it_does_not_know(tmp_path, name):
    _, target = export(tmp_path, UNKNOWN[name])
    with pytest.raises(spandrel.UnsupportedModelError):
        spandrel.ModelLoader().load_from_file(target)
