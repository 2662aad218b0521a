"""Weights that networks of BasicSR load by themselves: read as all others, and never executed."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torchvision
from basicsr.archs import vgg_arch
from basicsr.archs.basicvsr_arch import EDVRFeatureExtractor
from basicsr.archs.dfdnet_arch import DFDNet
from basicsr.archs.spynet_arch import SpyNet
from basicsr.archs.tof_arch import SPyNetTOF
from basicsr.archs.vgg_arch import VGGFeatureExtractor
from basicsr.utils import get_root_logger
from torch import nn

from dlvr_plugin.core.checkpoints import check_weights, read_checkpoint, read_weights
from dlvr_plugin.core.published_weights import NamedWeights, load_weights, read_file, read_published
from dlvr_plugin.host.repair import Repair

_SET_AFTER_LOADING = ('mean', 'std')  # buffers of SpyNet


def _load_by_reader(host_init: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(host_init)

    def init(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(self, *args, **kwargs)
        path, bound.arguments['load_path'] = bound.arguments.get('load_path'), None
        host_init(*bound.args, **bound.kwargs)
        if path:
            weights = read_weights(path)
            wanted = {name: value for name, value in self.state_dict().items() if name not in _SET_AFTER_LOADING}
            check_weights(weights, wanted, where=str(path), network=type(self).__name__)
            self.load_state_dict(weights, strict=False)

    return init


def _look_at_dictionary(host_init: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(host_init)

    def init(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        read_checkpoint(signature.bind(self, *args, **kwargs).arguments['dict_path'])
        host_init(self, *args, **kwargs)

    return init


def _load_vgg_by_reader(host_init: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(host_init)

    def init(self: VGGFeatureExtractor, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        with _vgg_from_reader(bound.arguments['vgg_type']):
            host_init(*bound.args, **bound.kwargs)

    return init


@contextmanager
def _vgg_from_reader(name: str) -> Iterator[None]:
    """Let the module build the network with weights that were read here: its own file's, or the published ones."""
    path, models = vgg_arch.VGG_PRETRAIN_PATH, vgg_arch.vgg

    def build(*, pretrained: bool) -> nn.Module:
        net: nn.Module = getattr(models, name)(weights=None)
        url = torchvision.models.get_model_weights(name)['IMAGENET1K_V1'].url
        if Path(path).exists():
            found = read_file(path, url)
            if not found.is_published:
                get_root_logger().warning(f'{name} has weights that are not the published ones: {found.origin}.')
        else:
            found = NamedWeights(read_published(url), url, True)
        features = net.get_submodule('features')  # all that is used
        load_weights(features, found, name, lambda weight: f'features.{weight}')
        return net

    vgg_arch.VGG_PRETRAIN_PATH, vgg_arch.vgg = '', SimpleNamespace(**{name: build})  # '' does not exist
    try:
        yield
    finally:
        vgg_arch.VGG_PRETRAIN_PATH, vgg_arch.vgg = path, models


REPAIRS = (
    Repair(
        defect='the dictionary of faces is a file that nobody has looked at',
        owner=DFDNet,
        name='__init__',
        source='b8e628efffe21925',
        build=_look_at_dictionary,
    ),
    Repair(
        defect='the VGG of the perceptual loss loads whatever lies in the cache, and runs it',
        owner=VGGFeatureExtractor,
        name='__init__',
        source='f6afd3078e613de9',
        build=_load_vgg_by_reader,
    ),
    *(
        Repair(
            defect='parts of networks load a file of weights that nobody has looked at',
            owner=network,
            name='__init__',
            source=source,
            build=_load_by_reader,
        )
        for network, source in (
            (SpyNet, '79812c4f67e6a0f6'),
            (EDVRFeatureExtractor, '350f3066d6bd4b4f'),
            (SPyNetTOF, '5dd472559ea99ba3'),
        )
    ),
)
