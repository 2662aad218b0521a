"""The models that come with the package, by what their page says of them."""

import random

import cv2
import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_psnr
from basicsr.utils.matlab_functions import imresize

from dlvr_plugin.core.lpips_network import load_lpips_network
from dlvr_plugin.data.realistic import RealisticDegradation
from dlvr_plugin.restoration.load_model import load_generator
from dlvr_plugin.restoration.model_choice import bundled_models, find_model
from tests.helpers import REPOSITORY

SHARED = REPOSITORY.parent / 'shared'
VID4, ALEXNET = SHARED / 'data' / 'vid4' / 'GT', SHARED / 'weights' / 'alexnet_features.pth'


needs_vid4 = pytest.mark.skipif(not VID4.is_dir(), reason='the clips of Vid4, ../shared/data/vid4, are not here')
needs_lpips = pytest.mark.skipif(not ALEXNET.exists(), reason="LPIPS' weights, ../shared/weights, are not here")


def restorer_of(name):
    net = load_generator(find_model(name)).net.eval()

    def restore(image):
        with torch.inference_mode():
            restored = net(torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32)))
        return restored[0].clamp(0, 1).mul(255).round().numpy().transpose(1, 2, 0)

    return restore


def read(clip, index):
    truth = cv2.imread(str(sorted((VID4 / clip).glob('*.png'))[index]))[..., ::-1]
    return truth[: len(truth) // 4 * 4, : truth.shape[1] // 4 * 4].astype(np.float32)


def upsample(low):
    return np.clip(imresize(low, 4) * 255, 0, 255).round()


@pytest.fixture(scope='module')
def lpips():
    network = load_lpips_network('alex', weights=ALEXNET, random_weights=False).model.eval()

    def distance(image, truth):
        with torch.inference_mode():
            return network(in_lpips_range(image), in_lpips_range(truth)).item()

    return distance


def in_lpips_range(image):
    return torch.from_numpy(image.transpose(2, 0, 1)[None] / 127.5 - 1).float()


def test_names_and_sizes():
    assert set(bundled_models()) == {'phone', 'photographs'}
    assert find_model() == bundled_models()['phone']
    assert all(path.stat().st_size <= 2**20 for path in bundled_models().values())


@pytest.mark.parametrize('name', bundled_models())
def test_flat_colours_stay_flat(name):
    """Neither a grid nor another colour, in the corners of the colour cube as within it."""
    restore, levels = restorer_of(name), np.linspace(0, 1, 5)
    for colour in np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, 3):
        restored = restore(np.broadcast_to(colour, (24, 24, 3)))[32:-32, 32:-32]
        assert np.ptp(restored, axis=(0, 1)).max() <= 2, colour
        assert np.abs(restored.mean((0, 1)) - 255 * colour).max() <= 1, colour


@needs_vid4
@needs_lpips
def test_the_one_for_clean_frames_beats_bicubic_upsampling(lpips):
    restore, gains, ratios = restorer_of('photographs'), [], []
    for clip in ('calendar', 'city'):
        truth = read(clip, 15)
        low = np.clip(imresize(truth / 255, 0.25) * 255, 0, 255).round() / 255
        bicubic, restored = upsample(low), restore(low)
        gains.append(calculate_psnr(restored, truth, crop_border=8) - calculate_psnr(bicubic, truth, crop_border=8))
        ratios.append(lpips(restored, truth) / lpips(bicubic, truth))
    assert np.mean(gains) >= 0.5
    assert np.mean(ratios) <= 0.7


@needs_vid4
@needs_lpips
def test_the_one_for_phones_beats_both_on_compressed_clips(lpips):
    degradation = RealisticDegradation.from_options({'preset': 'phone'}, scale=4)
    distances = {'bicubic': [], 'photographs': [], 'phone': []}
    for seed, clip in enumerate(('calendar', 'city')):
        truths = np.stack([read(clip, index) for index in range(10, 17)])
        frames = torch.from_numpy(truths.transpose(0, 3, 1, 2).copy()) / 255
        low = degradation.draw(random.Random(seed), num_frames=7)(frames)[5].numpy().transpose(1, 2, 0)
        distances['bicubic'].append(lpips(upsample(low), truths[5]))
        for name in ('photographs', 'phone'):
            distances[name].append(lpips(restorer_of(name)(low), truths[5]))
    means = {name: np.mean(each) for name, each in distances.items()}
    assert means['phone'] <= 0.75 * means['bicubic']
    assert means['phone'] <= 0.98 * means['photographs']
