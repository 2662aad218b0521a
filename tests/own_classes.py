"""What a user writes: an arch, a loss, a model and a data set of their own, in one file that nothing imports."""

from pathlib import Path

import pytest
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY

REGISTRIES = (ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY)

SOURCE = '''"""My classes."""

from dataclasses import dataclass
from typing import Annotated

import torch
from basicsr.models.video_base_model import VideoBaseModel
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, MODEL_REGISTRY
from torch import nn

from dlvr_plugin.core.declarations import Range, check_fields


@ARCH_REGISTRY.register()
class MyNet(nn.Module):
    """The middle frame, four times as large.

    Args:
        num_feat: Channels.
    """

    def __init__(self, *, num_feat: Annotated[int, Range(minimum=1)] = 8) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, num_feat, 3, padding=1), nn.ReLU(), nn.Conv2d(num_feat, 48, 3, padding=1), nn.PixelShuffle(4)
        )

    def forward(self, clip):
        return self.layers(clip[:, clip.shape[1] // 2])


@LOSS_REGISTRY.register()
class MyLoss(nn.Module):
    """The mean of a power of the difference."""

    def __init__(self, *, exponent: Annotated[float, Range(minimum=1)] = 2.0) -> None:
        super().__init__()
        self.exponent = exponent

    def forward(self, pred, target, weight=None):
        return (pred - target).abs().pow(self.exponent).mean()


@dataclass(frozen=True, kw_only=True)
class MyTrainOptions:
    """Keys of ``train``.

    Attributes:
        darkness: What the output is multiplied by.
    """

    darkness: Annotated[float, Range(above=0, maximum=1)] = 1.0

    def __post_init__(self):
        check_fields(self, 'train')


@MODEL_REGISTRY.register()
class MyModel(VideoBaseModel):
    """Multiplies the output by a number."""

    TrainOptions = MyTrainOptions

    def init_training_settings(self):
        super().init_training_settings()
        self.own = MyTrainOptions(darkness=self.opt['train'].get('darkness', 1.0))
        self.net_g.register_forward_hook(lambda net, inputs, output: output * self.own.darkness)


@dataclass(frozen=True, kw_only=True)
class MyDataOptions:
    """Options of my data.

    Attributes:
        length: Samples.
    """

    length: Annotated[int, Range(minimum=1)]


@DATASET_REGISTRY.register()
class MyData(torch.utils.data.Dataset):
    """Random clips."""

    Options = MyDataOptions

    def __init__(self, opt):
        self.opt = opt

    def __len__(self):
        return self.opt['length']

    def __getitem__(self, index):
        return {'lq': torch.rand(3, 3, 8, 8), 'gt': torch.rand(3, 32, 32), 'key': f'{index}'}
'''


@pytest.fixture
def own_classes(tmp_path, monkeypatch):
    """Path of the file; what is registered and imported in a test is forgotten after it."""
    import sys

    monkeypatch.setattr(sys, 'path', list(sys.path))
    modules = set(sys.modules)
    registered = [dict(registry._obj_map) for registry in REGISTRIES]
    folder = tmp_path / 'elsewhere'
    folder.mkdir()
    path = folder / 'my_classes.py'
    path.write_text(SOURCE)
    yield path
    for registry, before in zip(REGISTRIES, registered, strict=True):
        registry._obj_map.clear()
        registry._obj_map.update(before)
    for name in set(sys.modules) - modules:
        if tmp_path in Path(getattr(sys.modules[name], '__file__', None) or '').parents:
            del sys.modules[name]


def use_own_classes(opt: dict) -> dict:
    """Return options of a run of these classes, from those of ``tiny_options`` for a host's model."""
    opt['model_type'] = 'MyModel'
    opt['network_g'] = {'type': 'MyNet', 'num_feat': 4}
    opt['datasets']['train'] = {
        'name': 'mine', 'type': 'MyData', 'length': 6, 'num_worker_per_gpu': 0, 'batch_size_per_gpu': 2,
    }  # fmt: skip
    opt['train'].update(pixel_opt={'type': 'MyLoss', 'exponent': 1.5}, darkness=0.5)
    return opt
