"""Weights that options name: missing, unreadable, or those of another network."""

import pickle

import pytest
import torch
from basicsr.archs import build_network

from dlvr_plugin.cli.main import main
from tests.helpers import as_host_model, tiny_options, video_test_set
from tests.options.checking import lines, read

BASICVSR = 'train/BasicVSR/train_BasicVSR_x4_SR_REDS_DiscriminativeSpace.yml'


@pytest.fixture
def weights(clip_root, tmp_path):
    """Options that start from weights of their own generator."""
    opt = tiny_options(clip_root)
    path = tmp_path / 'net_g.pth'
    torch.save({'params': build_network(opt['network_g']).state_dict()}, path)
    opt['path']['pretrain_network_g'] = str(path)
    return opt


def test_weights_that_fit(weights, tmp_path):
    assert lines(weights) == []
    state = torch.load(weights['path']['pretrain_network_g'], weights_only=True)['params']
    named = {f'module.{name}': value for name, value in state.items()}
    for content, key in (({'params': named}, 'params_ema'), (state, None), ({'params_ema': state}, 'params_ema')):
        torch.save(content, tmp_path / 'net_g.pth', _use_new_zipfile_serialization=key is not None)
        weights['path']['param_key_g'] = key
        assert lines(weights) == []


def test_weights_of_another_network(weights):
    weights['network_g']['num_feat'] = 16
    (line,) = lines(weights)
    assert line.startswith('path.pretrain_network_g: ')
    assert 'holds another network than network_g, a EDVR' in line
    assert 'conv_first.weight is (8, 3, 3, 3) in the file and (16, 3, 3, 3) in the network' in line
    assert len(line) < 500
    weights['path']['strict_load_g'] = False
    assert lines(weights) == []  # the host leaves out what does not fit
    weights['network_g'] = {'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3}
    weights['host_model'] = 'SRModel'
    assert lines(weights) == []  # conv_first fits
    weights['path']['strict_load_g'] = True
    weights['path']['resume_state'] = 'run.state'  # whose networks are loaded instead
    assert lines(weights) == []


def test_weights_that_cannot_be_read(weights, tmp_path):
    path = tmp_path / 'net_g.pth'
    content = path.read_bytes()
    path.write_bytes(content[:1000])
    assert 'cannot be read as a checkpoint' in lines(weights)[0]
    path.write_bytes(content)
    weights['path']['param_key_g'] = 'weights'
    assert lines(weights) == []  # the host takes params then
    torch.save({'net': {}}, path)
    assert "has no key 'weights', only net" in lines(weights)[0]
    marker = tmp_path / 'marker'

    class Bomb:
        def __reduce__(self):
            return (type(marker).touch, (marker,))

    torch.save({'params': Bomb()}, path)
    assert 'cannot be read as a checkpoint' in lines(weights)[0]
    assert not marker.exists()


def test_a_network_that_cannot_be_built_without_memory_is_left_to_itself(weights):
    sizes = {'depths': [2], 'num_heads': [2], 'embed_dim': 12, 'window_size': 4}
    weights['network_g'] = {'type': 'SwinIR', **sizes, 'upscale': 4, 'upsampler': 'pixelshuffle'}
    weights['host_model'] = 'SwinIRModel'
    found = lines(weights)
    assert found == [] or 'holds another network' in found[0]


def test_weights_of_t(clip_root, tmp_path):
    opt = tiny_options(clip_root)
    path = tmp_path / 'net_t.pth'
    opt['path']['pretrain_network_t'] = str(path)
    assert lines(opt) == [f'path.pretrain_network_t: {path} does not exist.']
    torch.save({'params': build_network(opt['network_t']).state_dict()}, path)
    assert lines(opt) == []
    opt['network_t']['num_feat_classifier'] = 128
    assert 'net_t.pth holds another network than LossNetT' in lines(opt)[0]


def test_files_that_networks_load_themselves():
    opt = read('test/BasicVSR/test_BasicVSR_x4_SR_REDS.yml')
    found = lines(opt, is_train=False)
    assert any(line.startswith('network_g.spynet_path: experiments/') and 'does not exist' in line for line in found)


@pytest.mark.parametrize('network', ['g', 't', 'loss'])
@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (torch.ones(2), 'net.pth is no checkpoint: it holds a Tensor'),
        ({'params': torch.ones(2)}, 'net.pth, key params, holds no tensors by name, and so no weights: it is a Tensor'),
        ({'params': [torch.ones(2)]}, 'net.pth, key params, holds no tensors by name, and so no weights: it is a list'),
        ({'params': None}, 'net.pth, key params, holds no tensors by name, and so no weights: it is None'),
        ({'params': {0: torch.ones(2)}}, 'the name 0 is an int, not text'),
        ({'params': {'a': torch.empty(2, device='meta')}}, 'a is a meta tensor, a shape without values'),
    ],
)
def test_files_that_hold_no_weights_are_named(weights, tmp_path, network, content, message):
    path = tmp_path / 'net.pth'
    torch.save(content, path)
    key = f'path.pretrain_network_{network}'
    if network == 'loss':
        as_host_model(weights)
        weights['train']['perceptual_opt'] = {'type': 'DiscriminativeSpaceLoss', 'path': str(path)}
        key = 'train.perceptual_opt'
    else:
        weights['path'][f'pretrain_network_{network}'] = str(path)
    (line,) = [line for line in lines(weights) if line.startswith(key)]
    assert message in line


def test_lpips_of_an_option_file_never_runs_what_is_in_the_cache(weights, clip_root, tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    path = tmp_path / 'hub' / 'checkpoints' / 'alexnet-owt-7be5be79.pth'
    path.parent.mkdir(parents=True)
    path.write_bytes(f'cbuiltins\nopen\n(V{tmp_path / "executed"}\nVw\ntR.'.encode())
    weights['datasets']['val'] = video_test_set(clip_root, 3)
    weights['val'] = {'val_freq': 1, 'save_img': False, 'metrics': {'lpips': {'type': 'calculate_lpips'}}}
    (line,) = lines(weights)
    assert line.startswith('val.metrics.lpips: LPIPS: ')
    assert 'alexnet-owt-7be5be79.pth has the SHA-256' in line
    words = ['--gt', str(clip_root / 'GT'), '--results', f'x={clip_root / "GT"}', '--metrics', 'lpips', '--jobs', '1']
    assert main(['evaluate', *words]) == 1
    assert not (tmp_path / 'executed').exists()
    pickle.loads(path.read_bytes())
    assert (tmp_path / 'executed').exists()  # it would have been
