"""The model that comes with the package, by what its page says of it."""

import cv2
import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_psnr
from basicsr.utils.matlab_functions import imresize

from dlvr_plugin.core.lpips_network import load_lpips_network
from dlvr_plugin.restoration.load_model import load_generator
from dlvr_plugin.restoration.model_choice import find_model
from tests.helpers import REPOSITORY

SHARED = REPOSITORY.parent / 'shared'
VID4, ALEXNET = SHARED / 'data' / 'vid4' / 'GT', SHARED / 'weights' / 'alexnet_features.pth'


@pytest.fixture(scope='module')
def restore():
    net = load_generator(find_model()).net.eval()

    def of_image(image):
        with torch.inference_mode():
            restored = net(torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32)))
        return restored[0].clamp(0, 1).mul(255).round().numpy().transpose(1, 2, 0)

    return of_image


def in_lpips_range(image):
    return torch.from_numpy(image.transpose(2, 0, 1)[None] / 127.5 - 1).float()


def test_size():
    assert find_model().stat().st_size <= 2**20


def test_flat_colours_stay_flat(restore):
    """Neither a grid nor another colour, in the corners of the colour cube as within it."""
    levels = np.linspace(0, 1, 5)
    for colour in np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, 3):
        restored = restore(np.broadcast_to(colour, (24, 24, 3)))[32:-32, 32:-32]
        assert np.ptp(restored, axis=(0, 1)).max() <= 2, colour
        assert np.abs(restored.mean((0, 1)) - 255 * colour).max() <= 1, colour


@pytest.mark.skipif(not VID4.is_dir(), reason='the clips of Vid4, ../shared/data/vid4, are not here')
@pytest.mark.skipif(not ALEXNET.exists(), reason="LPIPS' weights, ../shared/weights, are not here")
def test_it_beats_bicubic_upsampling(restore):
    lpips = load_lpips_network('alex', weights=ALEXNET, random_weights=False).model.eval()
    gains, ratios = [], []
    for clip in ('calendar', 'city'):
        truth = cv2.imread(str(sorted((VID4 / clip).glob('*.png'))[15]))[..., ::-1]
        truth = truth[: len(truth) // 4 * 4, : truth.shape[1] // 4 * 4].astype(np.float32)
        low = np.clip(imresize(truth / 255, 0.25) * 255, 0, 255).round() / 255
        bicubic = np.clip(imresize(low, 4) * 255, 0, 255).round()
        psnr, distance = [], []
        for restored in (bicubic, restore(low)):
            psnr.append(calculate_psnr(restored, truth, crop_border=8))
            with torch.inference_mode():
                distance.append(lpips(in_lpips_range(restored), in_lpips_range(truth)).item())
        gains.append(psnr[1] - psnr[0])
        ratios.append(distance[1] / distance[0])
    assert np.mean(gains) >= 0.5
    assert np.mean(ratios) <= 0.8
