"""Weights that options name: whether they are there, can be read, and fit the network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from basicsr.utils.registry import ARCH_REGISTRY, LOSS_REGISTRY

from dlvr_plugin.core.checkpoints import check_weights, load_weights, read_weights
from dlvr_plugin.core.files import what_is_wrong_with
from dlvr_plugin.options.consistency.combinations import construct
from dlvr_plugin.options.consistency.findings import Findings
from dlvr_plugin.options.consistency.networks import tensors_of

_PREFIX = 'pretrain_'


def check_weight_files(findings: Findings) -> None:
    """Find weights that are missing, broken, or those of another network."""
    _check_inner_paths(findings)
    for name in ('pixel_opt', 'perceptual_opt'):
        loss = findings.get('train', name) if findings.is_train else None
        if loss and (loss['type'] == 'DiscriminativeSpaceLoss' or _names_weights_of_lpips(loss)):
            construct(findings, LOSS_REGISTRY.get(loss['type']), loss, 'train', name)
    if findings.get('path', 'resume_state'):
        return  # resuming loads the networks saved with the state instead
    for key, value in (findings.opt.get('path') or {}).items() if isinstance(findings.opt.get('path'), dict) else ():
        if not str(key).startswith(_PREFIX) or not findings.get('path', key):
            continue
        if not Path(value).is_file():
            findings.add(('path', key), f'{value} {what_is_wrong_with(Path(value), wanted="a file")}.')
        elif key == 'pretrain_network_t':
            _check_weights_of_t(findings, value)
        elif findings.get(key.removeprefix(_PREFIX)):
            _check_weights(findings, key, value)


def _names_weights_of_lpips(loss: Mapping[str, Any]) -> bool:
    """Tell whether a loss is LPIPS with weights that are here; others are downloaded when the run builds it."""
    return loss['type'] == 'LPIPSLoss' and bool(loss.get('weights') or loss.get('random_weights'))


def _check_inner_paths(findings: Findings) -> None:
    """Check files that networks load by themselves, such as ``spynet_path``."""
    for name in [name for name in findings.opt if str(name).startswith('network_')]:
        for key, value in (findings.get(name) or {}).items():
            if key.endswith('_path') and isinstance(value, str) and not Path(value).is_file():
                findings.add((name, key), f'{value} {what_is_wrong_with(Path(value), wanted="a file")}.')


def _check_weights_of_t(findings: Findings, path: str) -> None:
    section = findings.get('network_t')
    if not section or not findings.is_train:
        return
    net_t = construct(findings, ARCH_REGISTRY.get(section['type']), section, 'network_t')
    if net_t is not None:
        with findings.collect('path', 'pretrain_network_t'):
            load_weights(net_t, path, param_key=findings.opt['path'].get('param_key_t', 'params'))


def _check_weights(findings: Findings, key: str, path: str) -> None:
    """Compare names and shapes of weights with those of the network, without memory for either."""
    network, letter = key.removeprefix(_PREFIX), key.rsplit('_', 1)[-1]
    with findings.collect('path', key):
        weights = read_weights(path, findings.opt['path'].get(f'param_key_{letter}', 'params'))
        wanted = tensors_of(findings.opt[network])
        if wanted is None:
            return
        check_weights(
            weights,
            wanted,
            where=path,
            network=f'{network}, a {findings.opt[network]["type"]}',
            is_strict=findings.opt['path'].get(f'strict_load_{letter}', True),
        )
