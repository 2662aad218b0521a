"""Networks of the framework load their own files of weights as all others are loaded."""

import pickle

import pytest
import torch
from basicsr.archs import vgg_arch
from basicsr.archs.dfdnet_arch import DFDNet
from basicsr.archs.spynet_arch import SpyNet
from basicsr.losses.basic_loss import PerceptualLoss
from torchvision.models import vgg16

from dlvr_plugin.core import published_weights
from dlvr_plugin.core.errors import CheckpointError
from tests.helpers import Payload


@pytest.fixture(autouse=True)
def unforced(monkeypatch):
    """Programs that call no command of ours."""
    monkeypatch.delenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', raising=False)


def spynet_weights():
    torch.manual_seed(0)
    return {
        name: torch.randn_like(value) for name, value in SpyNet().state_dict().items() if name not in ('mean', 'std')
    }


def test_spynet_loads_its_file(tmp_path):
    weights = spynet_weights()
    torch.save({'params': weights}, tmp_path / 'spynet.pth')
    loaded = SpyNet(str(tmp_path / 'spynet.pth')).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in weights.items())
    assert loaded['mean'].flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])


def test_spynet_names_a_file_that_it_cannot_take(tmp_path):
    path = tmp_path / 'spynet.pth'
    for content, message in (
        ({'params': [1]}, 'spynet.pth, key params, holds no tensors'),
        ({'weights': {}}, "spynet.pth has no key 'params'"),
        ({'params': {'conv': torch.ones(2)}}, 'spynet.pth holds another network than SpyNet'),
    ):
        torch.save(content, path)
        with pytest.raises(CheckpointError, match=message):
            SpyNet(str(path))


def test_a_dictionary_of_faces_that_is_none_is_named(tmp_path):
    path = tmp_path / 'dictionary.pth'
    path.write_text('000 7 (720,1280,3)\n')
    with pytest.raises(CheckpointError, match='dictionary.pth cannot be read as a checkpoint'):
        DFDNet(8, str(path))


def test_vgg_in_the_cache_is_never_executed(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'hub' / 'checkpoints' / 'vgg19-dcbb9e9d.pth'
    path.parent.mkdir(parents=True)
    with path.open('wb') as file:
        pickle.dump(Payload(tmp_path / 'executed'), file)
    with pytest.raises(
        CheckpointError, match=r'vgg19-dcbb9e9d.pth has the SHA-256 .* expected dcbb9e9d\.\.\..*remove it'
    ):
        PerceptualLoss({'conv5_4': 1.0})
    own = tmp_path / 'experiments' / 'pretrained_models' / path.name
    own.parent.mkdir(parents=True)
    path.rename(own)
    with pytest.raises(CheckpointError, match='pretrained_models/vgg19-dcbb9e9d.pth cannot be read as a checkpoint'):
        PerceptualLoss({'conv5_4': 1.0})
    assert not (tmp_path / 'executed').exists()
    assert vgg_arch.VGG_PRETRAIN_PATH == 'experiments/pretrained_models/vgg19-dcbb9e9d.pth'


def test_vgg_has_the_weights_of_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    weights = vgg16(weights=None).state_dict()
    monkeypatch.setattr(published_weights, 'read_hashed_checkpoint', lambda path, expected: (weights, expected))
    (tmp_path / 'hub' / 'checkpoints').mkdir(parents=True)
    (tmp_path / 'hub' / 'checkpoints' / 'vgg16-397923af.pth').touch()
    net = vgg_arch.VGGFeatureExtractor(['relu1_2'], vgg_type='vgg16')
    assert torch.equal(net.vgg_net.conv1_2.weight, weights['features.2.weight'])


def test_vgg_takes_a_file_of_features_alone_and_says_what_it_is(tmp_path, monkeypatch, host_log):
    monkeypatch.chdir(tmp_path)
    own = tmp_path / vgg_arch.VGG_PRETRAIN_PATH
    own.parent.mkdir(parents=True)
    torch.manual_seed(0)
    weights = {f'features.{name}': value for name, value in vgg16(weights=None).features.state_dict().items()}
    torch.save(weights, own)
    net = vgg_arch.VGGFeatureExtractor(['relu1_2'], vgg_type='vgg16')
    assert torch.equal(net.vgg_net.conv1_2.weight, weights['features.2.weight'])
    assert 'vgg16 has weights that are not the published ones: experiments/pretrained_models/vgg19' in host_log[-1]
    with pytest.raises(CheckpointError, match=r'weights of vgg19, experiments.*lack features.16.weight'):
        vgg_arch.VGGFeatureExtractor(['relu1_2'], vgg_type='vgg19')
