import types
from urllib.error import URLError

import cv2
import numpy as np
import pytest
import torch
from torchvision.models.vgg import cfgs, make_layers

from dlvr_plugin.core.errors import CheckpointError, DataError, InvalidValueError
from dlvr_plugin.core.published_weights import cached_path, published_digest
from dlvr_plugin.metrics import dists, dists_network
from dlvr_plugin.metrics.dists_network import DISTS_WEIGHTS, DistsDistance, DistsNetwork


@pytest.fixture
def trunk():
    """The layers of VGG16, seeded, with weights that keep the size of what goes through."""
    layers = make_layers(cfgs['D'])
    for parameter in layers.parameters():
        if parameter.ndim > 1:
            torch.nn.init.kaiming_normal_(parameter, nonlinearity='relu')
        else:
            torch.nn.init.normal_(parameter, std=0.1)
    return layers


@pytest.fixture
def weights(trunk, tmp_path):
    """A file of them, as torchvision publishes it."""
    path = tmp_path / 'vgg16.pth'
    torch.save({f'features.{name}': value for name, value in trunk.state_dict().items()}, path)
    return path


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """The folder of the cache, empty, where nothing can be downloaded."""

    def refuse(*_, **__):
        raise URLError('no network')

    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    monkeypatch.setattr('torch.hub.urlopen', refuse)
    folder = tmp_path / 'home' / 'hub' / 'checkpoints'
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize('size', [(64, 80), (67, 51)])
def test_it_is_that_of_its_authors_on_the_same_weights(trunk, weights, moving, monkeypatch, size):
    package = pytest.importorskip('DISTS_pytorch.DISTS_pt')
    monkeypatch.setattr(package.models, 'vgg16', lambda **_: types.SimpleNamespace(features=trunk))
    reference = package.DISTS(load_weights=False)
    learned = torch.load(dists_network._file_of_package())
    reference.alpha.data, reference.beta.data = learned['alpha'], learned['beta']
    distance = DistsDistance(weights=weights)
    img, img2 = (frame[: size[0], : size[1]] for frame in moving(3, 1, 2))
    for one, other in ((img, img2), (cv2.GaussianBlur(img2, (0, 0), 2), img2)):
        tensors = [package.transforms.ToTensor()(each[..., ::-1].copy())[None] for each in (one, other)]
        expected = reference(*tensors).item()
        assert expected > 1e-3
        assert distance.distance(distance.maps(one), distance.maps(other)) == pytest.approx(expected, abs=1e-5)
    assert distance.distance(distance.maps(img), distance.maps(img)) == pytest.approx(0, abs=1e-6)


def test_texture_and_structure_of_pixels_by_hand():
    network = DistsNetwork()
    first_three, none = torch.zeros(1475), torch.zeros(1475)
    first_three[:3] = 5  # of any sum
    maps, maps2 = ([torch.full((1, 3, 4, 4), value), *[torch.zeros(1, c, 1, 1) for c in (64, 128, 256, 512, 512)]]
                   for value in (0.25, 0.5))  # fmt: skip
    network.weigh(first_three, none)
    assert float(network.distance(maps, maps2)) == pytest.approx(1 - 0.250001 / 0.312501, rel=1e-5)
    network.weigh(none, first_three)
    assert float(network.distance(maps, maps2)) == pytest.approx(0)  # neither has a structure
    checks = torch.tensor([0.0, 1.0] * 8).view(1, 1, 4, 4).expand(1, 3, 4, 4)  # a variance of 1/4
    opposite = [[image, *maps[1:]] for image in (checks, 1 - checks)]
    assert float(network.distance(*opposite)) == pytest.approx(1 - (1e-6 - 0.5) / (0.5 + 1e-6), rel=1e-5)


def test_a_smaller_size_is_that_of_pillow(weights, texture):
    package = pytest.importorskip('DISTS_pytorch.DISTS_pt')
    from PIL import Image

    large = cv2.resize(texture, (640, 520), interpolation=cv2.INTER_CUBIC)
    expected = package.prepare_image(Image.fromarray(large[..., ::-1].copy()), resize=True)
    found = DistsDistance(weights=weights).maps(large, size='shorter-256')[0]
    assert found.shape == (1, 3, 256, 315)
    assert (found - expected).abs().max() < 1.01 / 255  # a grey level, of rounding
    assert DistsDistance(weights=weights).maps(texture, size='shorter-256')[0].shape == (1, 3, 144, 176)


def test_random_weights_are_only_taken_when_asked_for(moving):
    before = torch.random.get_rng_state()
    distance = DistsDistance(random_weights=True)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (distance.is_random, distance.is_published) == (True, False)
    assert 'not DISTS' in distance.origin
    img, img2 = moving(3, 1, 2)
    found = dists(img, img2, random_weights=True)
    assert found == distance.distance(distance.maps(img), distance.maps(img2))
    assert found > 1e-4


def test_without_a_network_the_error_says_what_to_do(offline, weights, monkeypatch):
    with pytest.raises(DataError, match=r'DISTS: .*vgg16-397923af.pth.*no network.*--dists-weights FILE'):
        DistsDistance()
    assert 'vgg16-397923af.pth, which is not in' in DISTS_WEIGHTS.check()
    monkeypatch.setattr(dists_network, '_PACKAGE', 'no-package-of-this-name')
    with pytest.raises(DataError, match=r'DISTS_weights-f5e65c96.pth.*no network.*pip install'):
        DistsDistance(weights=weights)
    assert 'DISTS_weights-f5e65c96.pth, which is not in' in DISTS_WEIGHTS.check()


def test_what_was_learned_is_the_published_file(offline, weights, monkeypatch):
    path = dists_network._file_of_package()
    if path is None:
        pytest.skip('the package DISTS-pytorch is not here')
    url = dists_network._LEARNED_URL
    assert published_digest(url).startswith(cached_path(url).stem.rsplit('-', 1)[1])
    by_package = DistsDistance(weights=weights).model
    assert float(by_package.alpha.sum() + by_package.beta.sum()) == pytest.approx(1)
    monkeypatch.setattr(dists_network, '_PACKAGE', 'no-package-of-this-name')
    cached_path(url).write_bytes(path.read_bytes())
    assert torch.equal(DistsDistance(weights=weights).model.alpha, by_package.alpha)
    torch.save({'alpha': torch.zeros(1475), 'beta': torch.ones(1475)}, cached_path(url))
    with pytest.raises(CheckpointError, match='DISTS_weights-f5e65c96.pth has the SHA-256'):
        DistsDistance(weights=weights)


def test_other_weights_are_named_or_refused(offline, weights, tmp_path):
    distance = DistsDistance(weights=weights)
    assert not distance.is_published
    assert distance.origin.endswith('not the published vgg16-397923af.pth')
    (offline / 'vgg16-397923af.pth').write_bytes(weights.read_bytes())
    with pytest.raises(CheckpointError, match='vgg16-397923af.pth has the SHA-256'):
        DistsDistance()
    torch.save({'features.0.weight': torch.zeros(64, 3, 11, 11)}, tmp_path / 'other.pth')
    with pytest.raises(CheckpointError, match=r'weights of DISTS, .*other.pth .* lack features.0.weight of shape'):
        DistsDistance(weights=tmp_path / 'other.pth')
    with pytest.raises(InvalidValueError, match='DISTS a file of weights or ask for random ones, not both'):
        DISTS_WEIGHTS.check(weights='x.pth', random_weights=True)


def test_frames_that_are_too_small_are_refused():
    image = np.zeros((31, 128, 3), np.uint8)
    with pytest.raises(InvalidValueError, match=r'DISTS needs at least 32x32 pixels, got \(31, 128\)'):
        dists(image, image, random_weights=True)
