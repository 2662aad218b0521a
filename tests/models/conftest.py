"""A small generator for every kind of host model, and options to build models from."""

from copy import deepcopy
from typing import Any

import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn


class TinyImageNet(nn.Module):
    """(B, 3, h, w) -> (B, 3, 2h, 2w)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x):
        return self.shuffle(self.conv(x))


class TinyWindowNet(TinyImageNet):
    """(B, num_frame, 3, h, w) -> (B, 3, 2h, 2w), the middle frame."""

    def __init__(self, num_frame: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3 * num_frame, 12, 3, padding=1)

    def forward(self, x):
        return super().forward(x.flatten(1, 2))


class TinyRecurrentNet(TinyImageNet):
    """(B, T, 3, h, w) -> (B, T, 3, 2h, 2w)."""

    def forward(self, x):
        return super().forward(x.flatten(0, 1)).unflatten(0, x.shape[:2])


for arch in (TinyImageNet, TinyWindowNet, TinyRecurrentNet):
    ARCH_REGISTRY.register(arch)

NETWORKS = {
    'SRModel': {'type': 'TinyImageNet'},
    'EDVRModel': {'type': 'TinyWindowNet', 'num_frame': 3},
    'VideoRecurrentModel': {'type': 'TinyRecurrentNet'},
}

OPTIONS: dict[str, Any] = {
    'name': 'test',
    'model_type': 'DiscriminativeSpaceModel',
    'host_model': 'EDVRModel',
    'scale': 2,
    'num_gpu': 0,
    'dist': False,
    'rank': 0,
    'world_size': 1,
    'is_train': True,
    'network_t': {'type': 'LossNetT'},
    'path': {},
    'train': {
        'optim_g': {'type': 'Adam', 'lr': 1e-3},
        'optim_t': {'type': 'Adam', 'lr': 2e-4},
        'scheduler': {'type': 'MultiStepLR', 'milestones': [1000], 'gamma': 0.5},
        'discriminative_opt': {},
    },
}


def model_options(host_model: str = 'EDVRModel', **discriminative_opt: Any) -> dict[str, Any]:
    """Return options of a model over a tiny generator."""
    opt = deepcopy(OPTIONS)
    opt['host_model'], opt['network_g'] = host_model, dict(NETWORKS[host_model])
    opt['train']['discriminative_opt'] = discriminative_opt
    return opt


def sample(num_frame: int = 3, batch: int = 2, dtype: torch.dtype = torch.float32) -> dict[str, Any]:
    """Return a random batch of clips."""
    return {
        'lq': torch.rand(batch, num_frame, 3, 16, 16, dtype=dtype),
        'gt': torch.rand(batch, num_frame, 3, 32, 32, dtype=dtype),
        'key': ['000/00000000'] * batch,
    }


def train_on(model: Any, batches: list[dict[str, Any]], first: int, last: int) -> None:
    """Take the iterations from the first to the last one, each with its batch; counted from 1."""
    for iteration in range(first, last + 1):
        model.update_learning_rate(iteration)
        model.feed_data(batches[iteration - 1])
        model.optimize_parameters(iteration)
