"""A generator out of its checkpoint: what it is by the description, and its weights."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn

from dlvr_plugin.archs import LossNetT, NetworkSpec, spec_of
from dlvr_plugin.archs.spec import find_arch
from dlvr_plugin.core.checkpoints import check_weights, description_in, read_checkpoint, weights_in
from dlvr_plugin.core.errors import CheckpointError
from dlvr_plugin.core.names import nearest


class LoadedGenerator(NamedTuple):
    """A generator that is ready to restore.

    Attributes:
        net: The network, on the CPU, in evaluation mode.
        spec: What it takes and gives; None for an arch that does not say so.
        description: What the checkpoint says of it: ``network``, ``scale``, ``run`` and ``version``; of a checkpoint
            without a description ``network`` alone, as it was given.
    """

    net: nn.Module
    spec: NetworkSpec | None
    description: dict[str, Any]


def load_generator(
    path: str | Path, *, network: Mapping[str, Any] | None = None, param_key: str | None = None
) -> LoadedGenerator:
    """Build a generator from a checkpoint.

    Args:
        path: Checkpoint (.pth) or export (.safetensors). Averaged weights, ``params_ema``, are taken where there are,
            else ``params``.
        network: Section ``network_g`` of an option file, for a checkpoint that does not say what it holds; where it
            does, this counts instead.
        param_key: Key of other weights to take.

    Raises:
        CheckpointError: The file cannot be read, does not say what it holds, or holds something else than it says.
    """
    path = Path(path)
    content = read_checkpoint(path)
    description = dict(description_in(content, path) or {})
    if network is not None:
        description['network'] = dict(network)
    if 'network' not in description:
        raise CheckpointError(
            f'{path} does not say which network it holds: it was written by BasicSR, or by an older version of this '
            'plugin. Name the network: network_g of the option file that it was trained with.'
        )
    section = description['network']
    net = _build(section, path)
    key = param_key or next((key for key in ('params_ema', 'params') if key in content), 'params')
    weights = weights_in(content, path, key)
    check_weights(weights, net.state_dict(), where=str(path), network=section['type'])
    net.load_state_dict(weights)
    return LoadedGenerator(net.eval(), spec_of(section), description)


def _build(section: Mapping[str, Any], path: Path) -> nn.Module:
    """Build a network without the weights of its parts, which come with its own."""
    name = section.get('type')
    arch = find_arch(name)
    if arch is None:
        known = [key.removesuffix('_basicsr') for key, _ in ARCH_REGISTRY]
        raise CheckpointError(
            f'{path} holds a network of type {name}, which is no registered arch.{nearest(name, known)} Import the '
            'module that registers it first.'
        )
    if issubclass(arch, LossNetT):
        raise CheckpointError(f'{path} holds the loss network T ({name}), which restores nothing. Give net_g_*.pth.')
    arguments = {key: None if key.endswith('_path') else value for key, value in section.items() if key != 'type'}
    try:
        inspect.signature(arch).bind(**arguments)
    except TypeError as error:
        raise CheckpointError(
            f'{path} holds a network of type {name} with other arguments than that class takes: {error}. It was '
            'written for another version of the class.'
        ) from error
    return arch(**arguments)
