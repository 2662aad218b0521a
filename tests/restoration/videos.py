"""Tiny networks of every kind, and short videos for them."""

from typing import Any

import cv2
import numpy as np
import torch
from basicsr.archs import build_network

from dlvr_plugin.archs import spec_of
from dlvr_plugin.restoration.load_model import LoadedGenerator

NETWORKS: dict[str, dict[str, Any]] = {
    'EDVR': {'type': 'EDVR', 'num_feat': 8, 'num_frame': 5, 'deformable_groups': 2, 'num_extract_block': 1}
    | {'num_reconstruct_block': 1},
    'BasicVSR': {'type': 'BasicVSR', 'num_feat': 4, 'num_block': 1},
    'FRNet': {'type': 'FRNet', 'num_feat': 8, 'num_block': 1},
    'STRCNN': {'type': 'STRCNN', 'num_feat': 4, 'num_block': 1},
    'SRVGGNetCompact': {'type': 'SRVGGNetCompact', 'num_feat': 4, 'num_conv': 1},
}
HOST_MODELS = {'frame': 'SRModel', 'window': 'EDVRModel', 'clip': 'VideoRecurrentModel'}


def tiny_generator(name: str, seed: int = 0) -> LoadedGenerator:
    """Return a network with seeded random weights, large enough for every frame to matter to its neighbours."""
    torch.manual_seed(seed)
    network = NETWORKS[name]
    net = build_network(network).eval()
    for parameter in net.parameters():
        if not parameter.any():  # such as offsets in the beginning
            torch.nn.init.normal_(parameter, std=0.1)
    if name == 'STRCNN':  # which adds to no frame: it would give black ones
        torch.nn.init.constant_(net.decoder.m2[-1].bias, 0.5)
    return LoadedGenerator(net, spec_of(network), {'network': network, 'scale': spec_of(network).scale})


def moving_images(count: int, size: tuple[int, int] = (32, 48), seed: int = 0) -> list[np.ndarray]:
    """Return frames (h, w, 3), RGB, uint8, of smooth noise that moves by a pixel a frame."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[0] + 8, size[1] + count + 8, 3)).astype(np.uint8)
    texture = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return [np.ascontiguousarray(texture[4 : 4 + size[0], 4 + t : 4 + t + size[1]]) for t in range(count)]
