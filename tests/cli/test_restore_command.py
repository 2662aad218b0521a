"""``dlvr restore`` from the shell: results, resumed work, and what careless users are told."""

import cv2
import numpy as np
import pytest

from dlvr_plugin.cli.main import main
from dlvr_plugin.core.checkpoints import describe_network, write_checkpoint
from dlvr_plugin.restoration.engine import Engine, to_image
from tests.restoration.test_engine import restored
from tests.restoration.videos import NETWORKS, moving_images, tiny_generator


def write_model(path, name):
    """Write a described checkpoint of a tiny network, and return its file."""
    generator = tiny_generator(name)
    opt = {'name': 'run', 'scale': generator.spec.scale, 'network_g': NETWORKS[name]}
    write_checkpoint(path, {'params': generator.net.state_dict(), 'description': describe_network(opt, 'net_g')})
    return str(path)


def write_frames(folder, images):
    folder.mkdir(parents=True)
    for index, image in enumerate(images):
        assert cv2.imwrite(str(folder / f'f{index}.png'), image[..., ::-1])
    return str(folder)


def read_frames(folder):
    paths = sorted(folder.iterdir(), key=lambda path: int(path.stem[1:]))
    return [cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1] for path in paths]


def leftovers(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith('.')]


@pytest.mark.parametrize('name', NETWORKS)
def test_frames_to_frames(tmp_path, name):
    images = moving_images(9)
    model, source = write_model(tmp_path / 'net_g.pth', name), write_frames(tmp_path / 'in', images)
    assert main(['restore', source, '--model', model, '-o', str(tmp_path / 'out'), '--segment', '3']) == 0
    expected = [to_image(frame) for frame in restored(Engine(tiny_generator(name)), images).split(1)]
    found = read_frames(tmp_path / 'out')
    assert len(found) == 9
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
    assert leftovers(tmp_path) == []
