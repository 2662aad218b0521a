"""Published weights of generators as those of the archs here: names, layouts, order of colours, and what network it is.

What network a file holds is read off the names and shapes of its weights; all of them must fit it.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dlvr_plugin.archs.spec import find_arch
from dlvr_plugin.core.checkpoints import check_weights, read_checkpoint, weights_in
from dlvr_plugin.core.choices import Original
from dlvr_plugin.core.declarations import BLOCKS
from dlvr_plugin.core.errors import CheckpointError
from dlvr_plugin.core.tensorflow_checkpoint import read_tensorflow_checkpoint

Network = dict[str, Any]
Weights = Mapping[str, Tensor]

_OFFSETS_OF_GROUP = 3 * 9  # of a deformable convolution 3x3: two coordinates and a factor for each position


class Converted(NamedTuple):
    """A generator as it was published.

    Attributes:
        network: Section ``network_g`` that builds it.
        weights: Its state dict.
    """

    network: Network
    weights: dict[str, Tensor]


def convert(original: Original, path: Path) -> Converted:
    """Read published weights.

    Args:
        original: Whose they are.
        path: Their file; of TensorFlow's, one of them or what their names begin with.

    Raises:
        CheckpointError: It cannot be read, or holds another network; names the first tensor that differs.
    """
    return _CONVERSIONS[original](path)


def _convert_tecogan_pytorch(path: Path) -> Converted:
    weights = weights_in(read_checkpoint(path), path, None)
    degradation = 'BD' if 'upsample_func.kernels' in weights else 'BI'
    network = {
        'type': 'FRNet',
        'num_feat': _side(weights, 'srnet.conv_out.weight', 1, default=64),
        'num_block': _count(weights, r'srnet\.resblocks\.(\d+)\.'),
        'upscale': 4 if 'srnet.conv_up.2.weight' in weights else 2,
        'degradation': degradation,
    }
    _check(weights, _wanted(network), path, network)
    return Converted(network, dict(weights))


def _convert_tecogan_tensorflow(path: Path) -> Converted:
    found = read_tensorflow_checkpoint(path, wanted=_is_of_tecogan)
    network = {
        'type': 'FRNet',
        'num_feat': _side(found, 'generator/generator_unit/output_stage/conv/Conv/weights', 2, default=64),
        'num_block': _count(found, r'generator/generator_unit/resblock_(\d+)/'),
        'tf_semantics': True,
    }
    weights = _build(network).state_dict()  # the enlargement inside is constant, and not in the file
    names = {key: _tensorflow_name(key) for key in weights if not key.endswith('.kernels')}
    _check(found, {name: _to_tensorflow(weights[key]) for key, name in names.items()}, path, network)
    weights |= {key: _from_tensorflow(found[name]) for key, name in names.items()}
    # The original's flow has the frame before first, and leads from there, down before right.
    first = weights['fnet.encoder1.0.weight']
    weights['fnet.encoder1.0.weight'] = torch.cat(first.chunk(2, dim=1)[::-1], dim=1)
    for key in ('fnet.flow.2.weight', 'fnet.flow.2.bias'):
        weights[key] = -weights[key].flip(0)
    return Converted(network, dict(weights))


def _is_of_tecogan(name: str) -> bool:
    """Tell whether a variable is a weight of the generator: not of the discriminator, nor kept by an optimizer."""
    return name.startswith(('generator/', 'fnet/')) and name.endswith(('/weights', '/biases'))


_TENSORFLOW_NAMES = (
    (
        r'fnet\.(encoder|decoder)(\d)\.(\d)',
        lambda m: f'fnet/autoencode_unit/{m[1]}_{m[2]}/conv_{int(m[3]) // 2 + 1}/Conv',
    ),
    (r'fnet\.flow\.(\d)', lambda m: f'fnet/autoencode_unit/output_stage/conv{int(m[1]) // 2 + 1}/Conv'),
    (r'srnet\.conv_in\.0', lambda m: 'generator/generator_unit/input_stage/conv/Conv'),
    (
        r'srnet\.resblocks\.(\d+)\.conv\.(\d)',
        lambda m: f'generator/generator_unit/resblock_{int(m[1]) + 1}/conv_{int(m[2]) // 2 + 1}/Conv',
    ),
    (
        r'srnet\.conv_up\.(\d)',
        lambda m: f'generator/generator_unit/conv_tran2highres/conv_tran{int(m[1]) // 2 + 1}/Conv2d_transpose',
    ),
    (r'srnet\.conv_out', lambda m: 'generator/generator_unit/output_stage/conv/Conv'),
)


def _tensorflow_name(key: str) -> str:
    """Return the name of a weight of FRNet in TecoGAN's checkpoints.

    >>> _tensorflow_name('srnet.resblocks.3.conv.2.bias')
    'generator/generator_unit/resblock_4/conv_2/Conv/biases'
    """
    layer, _, kind = key.rpartition('.')
    for pattern, rename in _TENSORFLOW_NAMES:
        if match := re.fullmatch(pattern, layer):
            return f'{rename(match)}/{"weights" if kind == "weight" else "biases"}'
    raise AssertionError(key)


def _to_tensorflow(weight: Tensor) -> Tensor:
    """Return a weight (out, in, h, w) as TensorFlow has it, (h, w, in, out); biases stay as they are."""
    return weight.permute(2, 3, 1, 0) if weight.dim() == 4 else weight


def _from_tensorflow(weight: Tensor) -> Tensor:
    return weight.permute(3, 2, 0, 1).contiguous() if weight.dim() == 4 else weight


def _convert_stfan(path: Path) -> Converted:
    content, key = read_checkpoint(path), 'deblurnet_state_dict'
    if key not in content:
        raise CheckpointError(f'{path} has no key {key!r}, in which STFAN keeps its weights. It is another file.')
    weights = weights_in(content, path, key)
    network = {'type': 'STFAN', 'num_feat': _side(weights, 'conv1_1.0.weight', 0, default=32)}
    _check(weights, _wanted(network), path, network)
    # They take and give BGR: three frames, one and one.
    turned = {'kconv1_1.0.weight': 1, 'conv1_1.0.weight': 1, 'img_prd.0.weight': 0, 'img_prd.0.bias': 0}
    weights |= {key: _reverse_colors(weights[key], axis) for key, axis in turned.items()}
    return Converted(network, weights)


def _reverse_colors(weight: Tensor, axis: int) -> Tensor:
    return torch.cat([frame.flip(axis) for frame in weight.split(3, dim=axis)], dim=axis)


def _convert_edvr(path: Path) -> Converted:
    content = read_checkpoint(path)
    weights = weights_in(content, path, 'params_ema' if 'params_ema' in content else 'params')
    with_tsa = 'fusion.feat_fusion.weight' in weights
    with_predeblur = 'conv_1x1.weight' in weights
    num_feat = _side(weights, 'upconv1.weight', 1, default=64)
    fused = _side(weights, 'fusion.feat_fusion.weight' if with_tsa else 'fusion.weight', 1, default=5 * num_feat)
    offsets = _side(weights, 'pcd_align.dcn_pack.l1.conv_offset.weight', 0, default=8 * _OFFSETS_OF_GROUP)
    network = {
        'type': 'EDVR',
        'num_in_ch': _side(weights, 'conv_first.weight', 1, default=3),
        'num_feat': num_feat,
        'num_frame': max(1, fused // num_feat),
        'deformable_groups': max(1, offsets // _OFFSETS_OF_GROUP),
        'num_extract_block': _count(weights, r'feature_extraction\.(\d+)\.'),
        'num_reconstruct_block': _count(weights, r'reconstruction\.(\d+)\.'),
        'hr_in': any(name.startswith('predeblur.stride_conv_hr') for name in weights),
        'with_predeblur': with_predeblur,
        'with_tsa': with_tsa,
    }
    _check(weights, _wanted(network), path, network)
    return Converted(network, weights)


def _side(weights: Weights, name: str, axis: int, *, default: int) -> int:
    """Return the length of a tensor along an axis; where it is not there, a default, which will not fit."""
    tensor = weights.get(name)
    return tensor.shape[axis] if tensor is not None and tensor.dim() > axis and tensor.shape[axis] else default


def _count(weights: Weights, pattern: str) -> int:
    """Return how many numbers there are in the names of weights, up to what networks have."""
    count = len({match[1] for name in weights if (match := re.match(pattern, name))})
    return min(count, int(BLOCKS.maximum or count))


def _build(network: Network) -> torch.nn.Module:
    arch = find_arch(network['type'])
    assert arch is not None
    return arch(**{name: value for name, value in network.items() if name != 'type'})


def _wanted(network: Network) -> dict[str, Tensor]:
    """Return the state dict of a network, without memory."""
    with torch.device('meta'):
        return _build(network).state_dict()


def _check(found: Weights, wanted: Weights, path: Path, network: Network) -> None:
    check_weights(found, wanted, where=str(path), network=network['type'])


_CONVERSIONS: dict[Original, Callable[[Path], Converted]] = {
    'TecoGAN-PyTorch': _convert_tecogan_pytorch,
    'TecoGAN-TensorFlow': _convert_tecogan_tensorflow,
    'STFAN': _convert_stfan,
    'EDVR': _convert_edvr,
}
