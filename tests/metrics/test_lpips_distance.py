import hashlib
import os
import pickle
from urllib.error import URLError

import lpips
import pytest
import torch
import torchvision

from dlvr_plugin.core import lpips_network
from dlvr_plugin.core.errors import CheckpointError, DataError
from dlvr_plugin.core.lpips_network import LPIPS_NETS
from dlvr_plugin.core.published_weights import cached_path, published_digest
from dlvr_plugin.metrics.lpips_distance import LPIPS_WEIGHTS, LpipsDistance
from dlvr_plugin.metrics.weights import load_network
from tests.helpers import REPOSITORY, Payload

PUBLISHED = REPOSITORY.parent / 'shared' / 'weights'
TRUNKS = {
    'alex': torchvision.models.alexnet,
    'vgg': torchvision.models.vgg16,
    'squeeze': torchvision.models.squeezenet1_1,
}


@pytest.fixture
def weights(tmp_path):
    """Returns a file of a trunk's weights, seeded, as torchvision publishes them."""

    def make(net):
        torch.manual_seed(1)
        path = tmp_path / f'{net}.pth'
        torch.save(TRUNKS[net](weights=None).state_dict(), path)
        return path

    return make


def to_tensor(image):
    return torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1).unsqueeze(0).float() / 127.5 - 1


@pytest.mark.parametrize('net', LPIPS_NETS)
def test_it_equals_the_package_on_the_same_weights(net, weights, moving, monkeypatch):
    path = weights(net)
    distance = LpipsDistance(net, weights=path)

    def build(pretrained=True, **_):
        network = TRUNKS[net](weights=None)
        network.load_state_dict(torch.load(path))
        return network

    monkeypatch.setattr(torchvision.models, TRUNKS[net].__name__, build)  # what the package would download
    reference = lpips.LPIPS(net=net, version='0.1', verbose=False)
    img, img2 = moving(3, 1, 2)
    with torch.no_grad():
        expected = reference(to_tensor(img), to_tensor(img2)).item()
    assert expected > 1e-3
    assert distance(img, img2) == pytest.approx(expected, rel=1e-5)
    assert distance(img, img) == 0


def test_weights_that_are_not_the_published_ones_are_said_to_be_so(weights):
    path = weights('alex')
    distance = LpipsDistance('alex', weights=path)
    assert not distance.is_published
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    assert distance.origin == f'{path} (SHA-256 {digest}), not the published alexnet-owt-7be5be79.pth'


def test_random_weights_are_only_taken_when_asked_for(moving):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    distance = LpipsDistance(random_weights=True)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not distance.is_published
    assert 'not LPIPS' in distance.origin
    img, img2 = moving(3, 1, 2)
    assert distance(img, img2) == LpipsDistance(random_weights=True)(img, img2)


def test_without_a_network_the_error_says_what_to_do(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise URLError('no network')

    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr('torch.hub.urlopen', refuse)
    with pytest.raises(DataError, match=r'alexnet-owt-7be5be79.pth.*no network.*--lpips-weights'):
        LpipsDistance()


def test_unusable_weights_are_refused(weights, tmp_path):
    with pytest.raises(CheckpointError, match='nowhere.pth does not exist'):
        LpipsDistance(weights=tmp_path / 'nowhere.pth')
    (tmp_path / 'damaged.pth').write_bytes(b'no weights')
    with pytest.raises(CheckpointError, match='damaged.pth cannot be read as a checkpoint'):
        LpipsDistance(weights=tmp_path / 'damaged.pth')
    with pytest.raises(CheckpointError, match=r'lack features.0.weight of shape \(64, 3, 11, 11\)'):
        LpipsDistance(weights=weights('vgg'))
    with pytest.raises(ValueError, match='must be one of alex, vgg, squeeze'):
        LpipsDistance('resnet', random_weights=True)
    with pytest.raises(ValueError, match='not both'):
        LpipsDistance(weights=weights('alex'), random_weights=True)


def test_frames_that_are_too_small_are_refused(moving):
    with pytest.raises(ValueError, match=r'LPIPS needs at least 32x32 pixels, got \(20, 128\)'):
        LpipsDistance(random_weights=True)(moving(0, 0)[0][:20], moving(0, 0)[0][:20])


@pytest.mark.parametrize('net', LPIPS_NETS)
def test_the_full_hash_goes_on_where_the_file_name_ends(net):
    url = lpips_network._TRUNKS[net].url
    digest = published_digest(url)
    assert len(digest) == 64
    assert digest.startswith(cached_path(url).stem.rsplit('-', 1)[1])


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The file in the cache that is named as the published weights of AlexNet."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.delenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', raising=False)
    load_network.cache_clear()
    path = tmp_path / 'hub' / 'checkpoints' / 'alexnet-owt-7be5be79.pth'
    path.parent.mkdir(parents=True)
    return path


def refused(call, path):
    with pytest.raises(CheckpointError, match=r'LPIPS: .*alexnet-owt-7be5be79.pth has the SHA-256') as caught:
        call()
    assert f'{hashlib.sha256(path.read_bytes()).hexdigest()}, expected 7be5be791159472b1fbf3c69796f7cb3' in str(
        caught.value
    )
    assert 'remove it, and it is downloaded anew from https://' in str(caught.value)


def test_other_weights_in_the_cache_are_refused(cache):
    trunk = TRUNKS['alex'](weights=None).features.state_dict()
    torch.save({f'features.{name}': value for name, value in trunk.items()}, cache)
    refused(LpipsDistance, cache)
    refused(LPIPS_WEIGHTS.check, cache)
    assert not LpipsDistance(weights=cache).is_published  # named, they are used and said to be others


def test_code_in_the_cache_is_never_executed(cache, tmp_path):
    marker = tmp_path / 'executed'
    with cache.open('wb') as file:
        pickle.dump(Payload(marker), file)
    refused(LpipsDistance, cache)
    refused(LPIPS_WEIGHTS.check, cache)
    with pytest.raises(CheckpointError, match='alexnet-owt-7be5be79.pth cannot be read as a checkpoint'):
        LpipsDistance(weights=cache)
    assert not marker.exists()
    pickle.loads(cache.read_bytes())
    assert marker.exists()  # it would have been


def test_a_fifo_in_the_cache_is_refused_at_once(cache):
    os.mkfifo(cache)
    with pytest.raises(CheckpointError, match='LPIPS: .*alexnet-owt-7be5be79.pth is a FIFO'):
        LpipsDistance()
    with pytest.raises(CheckpointError, match='LPIPS: .*alexnet-owt-7be5be79.pth is a FIFO'):
        LPIPS_WEIGHTS.check()


@pytest.mark.parametrize(('net', 'file'), [('alex', 'alexnet_features.pth'), ('squeeze', 'squeezenet_features.pth')])
@pytest.mark.skipif(not PUBLISHED.is_dir(), reason='the published weights in ../shared are not here')
def test_published_values_are_known_in_any_file(net, file, tmp_path):
    weights = torch.load(PUBLISHED / file)
    assert LpipsDistance(net, weights=PUBLISHED / file).is_published
    next(iter(weights.values())).view(-1)[0] += 1e-6
    torch.save(weights, tmp_path / 'other.pth')
    assert not LpipsDistance(net, weights=tmp_path / 'other.pth').is_published
