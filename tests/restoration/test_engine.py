"""Frames that the engine restores are those of the test command, wherever the work is cut."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
from basicsr.data import build_dataset
from basicsr.models import build_model

from dlvr_plugin.archs import spec_of
from dlvr_plugin.core.errors import InvalidTypeError, InvalidValueError
from dlvr_plugin.restoration.engine import Engine, EngineOptions, to_image, to_tensor
from dlvr_plugin.restoration.load_model import LoadedGenerator
from dlvr_plugin.restoration.restored_frames import restore_frames
from dlvr_plugin.restoration.scene_parts import ScenePart
from tests.models.conftest import TinyImageNet
from tests.restoration.videos import HOST_MODELS, NETWORKS, moving_images, tiny_generator


def as_test_command(generator, images, folder, padding='replicate'):
    """Return images, RGB, restored by the code of ``dlvr test``: the framework's model and a test set."""
    network = generator.description['network']
    spec = spec_of(network)
    (folder / 'LQ/a').mkdir(parents=True)
    for index, image in enumerate(images):
        assert cv2.imwrite(str(folder / f'LQ/a/{index:08d}.png'), image[..., ::-1])
    opt = {'name': 'test', 'model_type': HOST_MODELS[spec.takes], 'scale': spec.scale, 'num_gpu': 0, 'dist': False}
    opt.update(rank=0, world_size=1, is_train=False, network_g=network, path={}, val={})
    model = build_model(opt)
    model.net_g.load_state_dict(generator.net.state_dict())
    num_frame = {'frame': 1, 'window': spec.num_frame, 'clip': -1}[spec.takes]
    section = {'name': 'set', 'type': 'ClipTestDataset', 'phase': 'test', 'scale': spec.scale, 'num_frame': num_frame}
    dataset = build_dataset({**section, 'dataroot_lq': str(folder / 'LQ'), 'padding': padding})
    return [
        frame.result[..., ::-1]
        for frame in restore_frames(model, dataset, list(range(len(dataset))), with_previous=False)
    ]


def restored(engine, images, scenes=None, cuts=()):
    """Restore a clip in parts that begin at scenes and cuts, with a new restorer for each part."""
    results, scenes = [], scenes or [0, len(images)]
    for begin, end in pairwise(scenes):
        borders, state = [begin, *(cut for cut in cuts if begin < cut < end), end], None
        for start, stop in pairwise(borders):
            restorer = engine.restorer(images[0].shape[:2])
            if state is not None:
                restorer.load_state(state)
            part = ScenePart(begin, end, start, stop)
            needed = restorer.needed(part)
            results += engine.restore(restorer, iter(images[needed.start : needed.stop]), part)
            state = restorer.save_state()
    return torch.cat(results)


# Deformable convolution and optical flow are slow on CPUs.
MOSTLY_FAST = [pytest.param(name, marks=[pytest.mark.slow] * (name in ('BasicVSR', 'EDVR'))) for name in NETWORKS]


@pytest.mark.parametrize('name', NETWORKS)
def test_frames_are_those_of_the_test_command(tmp_path, name):
    generator, images = tiny_generator(name), moving_images(8, (33, 47))
    expected = as_test_command(generator, images, tmp_path)
    found = restored(Engine(generator), images)
    assert len(found) == len(expected) == 8
    for frame, image in zip(found.split(1), expected, strict=True):
        assert np.abs(to_image(frame).astype(int) - image).max() <= 1
    assert np.std(expected) > 2  # not one even grey


@pytest.mark.parametrize('padding', ['reflection', 'reflection_circle', 'circle'])
def test_windows_are_padded_as_in_the_test_sets(tmp_path, padding):
    generator, images = tiny_generator('EDVR'), moving_images(7)
    expected = as_test_command(generator, images, tmp_path, padding)
    found = restored(Engine(generator, EngineOptions(padding=padding)), images)
    for frame, image in zip(found.split(1), expected, strict=True):
        assert np.abs(to_image(frame).astype(int) - image).max() <= 1


@pytest.mark.parametrize('name', MOSTLY_FAST)
def test_cuts_of_the_work_do_not_matter(name):
    engine = Engine(tiny_generator(name), EngineOptions(chunk_frames=3, chunk_overlap=2))
    images = moving_images(13)
    cuts = [3, 9] if engine.way == 'chunks' else [1, 5, 6, 12]
    assert torch.equal(restored(engine, images, cuts=cuts), restored(engine, images))


@pytest.mark.parametrize('name', MOSTLY_FAST)
def test_scenes_know_nothing_of_one_another(name):
    engine = Engine(tiny_generator(name), EngineOptions(chunk_frames=4, chunk_overlap=1))
    one, other = moving_images(6), moving_images(2, seed=1)
    apart = torch.cat([restored(engine, one), restored(engine, other)])
    assert torch.equal(restored(engine, one + other, scenes=[0, 6, 8]), apart)


def test_a_state_is_needed_within_a_scene():
    engine, images = Engine(tiny_generator('FRNet')), moving_images(3)
    with pytest.raises(RuntimeError, match='needs the state'):
        list(engine.restore(engine.restorer((32, 48)), iter(images), ScenePart(0, 3, 1, 3)))


@pytest.mark.slow
def test_bfloat16_is_near_and_gives_float32():
    images = moving_images(3)
    for name in ('EDVR', 'FRNet', 'SRVGGNetCompact'):
        exact, near = (
            restored(Engine(tiny_generator(name), EngineOptions(bf16=bf16)), images) for bf16 in (False, True)
        )
        assert near.dtype == torch.float32
        assert 0 < (exact - near).abs().max() < 0.1


def test_images_of_8_and_16_bits():
    image = np.random.default_rng(0).integers(0, 65536, (4, 6, 3)).astype(np.uint16)
    assert np.array_equal(to_image(to_tensor(image), 16), image)
    assert np.array_equal(to_image(to_tensor(image), 8), np.round(image / 257).astype(np.uint8))
    assert to_tensor(np.array([[[255, 0, 51]]], np.uint8)).flatten().tolist() == pytest.approx([1, 0, 0.2])


def test_networks_and_options_that_do_not_go():
    with pytest.raises(InvalidValueError, match='TinyImageNet does not say what it takes'):
        Engine(LoadedGenerator(TinyImageNet(), None, {}))
    with pytest.raises(InvalidValueError, match='chunk_frames'):
        EngineOptions(chunk_frames=0)
    with pytest.raises(InvalidTypeError, match='tile'):
        EngineOptions(tile='large')
