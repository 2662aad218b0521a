"""Networks, losses and metrics: what the classes of the host's registries take."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY

from dlvr_plugin.metrics.spec import IMAGE_ARGUMENTS
from dlvr_plugin.options.sections import Option, Section, Variants
from dlvr_plugin.options.signatures import section_of
from dlvr_plugin.options.value_types import Choice, Integer, Number, ValueType, nullable

# What the host's signatures and docstrings do not say.
_REDUCTION = Choice(('none', 'mean', 'sum'))
_GAN_TYPE = Choice(('vanilla', 'lsgan', 'wgan', 'wgan_softplus', 'hinge'))
_LOSS_TYPES: dict[str, dict[str, ValueType]] = {
    'L1Loss': {'reduction': _REDUCTION},
    'MSELoss': {'reduction': _REDUCTION},
    'CharbonnierLoss': {'reduction': _REDUCTION, 'eps': Number(above=0)},
    'WeightedTVLoss': {'reduction': Choice(('mean', 'sum'))},
    'GANLoss': {'gan_type': _GAN_TYPE},
    'MultiScaleGANLoss': {'gan_type': _GAN_TYPE},
    'PerceptualLoss': {
        'layer_weights': Section({}, {r'(conv|relu|pool|bn)[\d_]+': Option(Number(), 'weight of a layer of VGG')}),
        'vgg_type': Choice(tuple(f'vgg{depth}{bn}' for bn in ('', '_bn') for depth in (11, 13, 16, 19))),
        'criterion': Choice(('l1', 'fro'), {'l2': 'The l2 of the framework does not exist in torch.'}),
    },
}
_METRIC_TYPES: dict[str, ValueType] = {
    'crop_border': Integer(minimum=0),
    'input_order': Choice(('HWC',)),
    'convert_to': Choice(('y', 'gray')),
}
_OF_TENSORS = {
    'calculate_psnr_pt': 'It takes batches of tensors, and validation has images: write calculate_psnr.',
    'calculate_ssim_pt': 'It takes batches of tensors, and validation has images: write calculate_ssim.',
}

_Description = TypeVar('_Description')


def once_a_registry(function: Callable[..., _Description]) -> Callable[..., _Description]:
    """Call a function once, and again when another class was registered."""
    cached = functools.lru_cache(lambda registered, *args: function(*args))
    registries = (ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY)

    @functools.wraps(function)
    def call(*args: Any) -> _Description:
        return cached(tuple(tuple(registry.keys()) for registry in registries), *args)

    return call


@once_a_registry
def networks() -> Variants:
    """Return the sections ``network_*``."""
    return Variants('network', {name: section_of(each) for name, each in sorted(ARCH_REGISTRY)}, 'class of the network')


@once_a_registry
def losses() -> Variants:
    """Return the sections ``*_opt`` of losses."""
    sections = {}
    for name, each in sorted(LOSS_REGISTRY):
        types_of = dict(_LOSS_TYPES.get(name, {}))
        if name == 'DiscriminativeSpaceLoss':
            types_of['network_t'] = nullable(networks())
        sections[name] = section_of(each, types_of=types_of)
    return Variants('loss', sections, 'class of the loss')


@once_a_registry
def metrics() -> Variants:
    """Return the sections of ``val.metrics``."""
    better = {'better': Option(nullable(Choice(('higher', 'lower'))), 'which values are better')}
    sections = {
        name: section_of(each, skip=IMAGE_ARGUMENTS, types_of=_METRIC_TYPES if _is_of_host(each) else None)
        for name, each in sorted(METRIC_REGISTRY)
        if name not in _OF_TENSORS
    }
    sections = {name: section.with_options(better) for name, section in sections.items()}
    return Variants('metric', sections, 'function of the metric', refused=_OF_TENSORS)


def _is_of_host(made: Any) -> bool:
    return str(made.__module__).startswith('basicsr.')
