"""Build the losses, and compute each of an output and its ground truth, without memory."""

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

import torch
from basicsr.archs.vgg_arch import NAMES, insert_bn
from basicsr.losses.basic_loss import PerceptualLoss
from basicsr.models.srgan_model import SRGANModel
from basicsr.models.video_recurrent_gan_model import VideoRecurrentGANModel
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor

from dlvr_plugin.core.errors import UserError
from dlvr_plugin.losses import DiscriminativeSpaceLoss, LPIPSLoss
from dlvr_plugin.options.consistency.building import Outcome, add_failure, attempt
from dlvr_plugin.options.consistency.findings import Findings
from dlvr_plugin.options.consistency.loss_network import check_norm_of
from dlvr_plugin.options.consistency.samples import Shape, step_model, step_shapes

# What these load, weight_files looks at, or torchvision downloads.
_WITH_WEIGHTS = (DiscriminativeSpaceLoss, LPIPSLoss, PerceptualLoss)


class _WrongResultError(UserError):
    """A loss does not give what the training step takes."""


def check_losses(findings: Findings) -> None:
    """Find losses that cannot be built, or that the framework's training step cannot use where they stand."""
    train = findings.opt.get('train')
    shapes = step_shapes(findings)
    slots = _slots(findings) if shapes is not None else {}
    for name in [str(name) for name in train if str(name).endswith('_opt')] if isinstance(train, dict) else []:
        section = findings.get('train', name)
        made = LOSS_REGISTRY.get(section['type']) if section and section.get('type') in LOSS_REGISTRY else None
        if made is None:
            continue
        if made is DiscriminativeSpaceLoss:
            check_norm_of(findings, 'train', name, 'network_t')
        if made in _WITH_WEIGHTS:
            if made is PerceptualLoss:
                _check_vgg(findings, name, section, shapes.gt if shapes else ())
            continue
        _check(findings, name, made, section, slots.get(name), shapes.gt if shapes else ())


def _slots(findings: Findings) -> dict[str, Callable[..., None]]:
    """Return how the training step calls the losses of its slots."""
    model = step_model(findings)
    slots: dict[str, Callable[..., None]] = {'pixel_opt': _use_pixel_loss, 'perceptual_opt': _use_perceptual_loss}
    if model is not None and issubclass(model, (SRGANModel, VideoRecurrentGANModel)):
        slots['gan_opt'] = _use_gan_loss
    return slots


def _check(
    findings: Findings,
    name: str,
    made: Any,
    section: Mapping[str, Any],
    use: Callable[..., None] | None,
    shape: Shape,
) -> None:
    error = _try(made, json.dumps(section), use, shape).error
    if error is None:
        return
    # None of the plugin's losses belongs into the slot of an adversarial one.
    may_be_ours = name != 'gan_opt'
    add_failure(findings, ('train', name), section, error, made, what='cannot be used', may_be_ours=may_be_ours)


@functools.lru_cache(maxsize=64)
def _try(made: Any, section: str, use: Callable[..., None] | None, shape: Shape) -> Outcome:
    def build_and_use() -> None:
        loss = made(**{key: value for key, value in json.loads(section).items() if key != 'type'})
        if use is not None:
            use(loss, torch.zeros(shape), torch.zeros(shape))

    return attempt(build_and_use, is_small=use is _use_gan_loss)


def _check_vgg(findings: Findings, name: str, section: Mapping[str, Any], shape: Shape) -> None:
    if name == 'pixel_opt':
        findings.add(('train', name), 'is a loss for perceptual_opt: it gives two numbers, and a pixel loss is one.')
    elif len(shape) == 5:
        findings.add(('train', name), 'PerceptualLoss takes single frames, and this model gives clips. Remove it.')
    vgg, weights = str(section.get('vgg_type', 'vgg19')), section.get('layer_weights')
    layers = NAMES.get(vgg.removesuffix('_bn'), [])
    layers = insert_bn(layers) if vgg.endswith('_bn') else layers
    for layer in weights if isinstance(weights, Mapping) and layers else ():
        if layer not in layers:
            key = ('train', name, 'layer_weights', str(layer))
            findings.add(key, f'is no layer of {vgg}; these are {", ".join(layers)}.')


def _demand_number(loss: Any, of: str) -> None:
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        came = f'a tensor of {tuple(loss.shape)}' if isinstance(loss, Tensor) else f'a {type(loss).__name__}'
        raise _WrongResultError(f'must give one number {of}, and gives {came}. Look at its type and its reduction.')


def _use_pixel_loss(loss: Callable[..., Any], output: Tensor, gt: Tensor) -> None:
    _demand_number(loss(output, gt), 'of output and ground truth')


def _use_perceptual_loss(loss: Callable[..., Any], output: Tensor, gt: Tensor) -> None:
    result = loss(output, gt)
    if not isinstance(result, tuple) or len(result) != 2:
        raise _WrongResultError(
            'must give two numbers, a perceptual and a style loss, as PerceptualLoss and DiscriminativeSpaceLoss do. '
            'Losses that give one belong to pixel_opt.'
        )
    for each in result:
        if each is not None:
            _demand_number(each, 'or nothing for each of both')


def _use_gan_loss(loss: Callable[..., Any], output: Tensor, gt: Tensor) -> None:
    _demand_number(loss(torch.zeros(2, 1), True, is_disc=False), 'of logits')
