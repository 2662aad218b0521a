"""Options of models with a loss network T, and of generator and discriminator of any model, that must fit together."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from basicsr.archs.discriminator_arch import VGGStyleDiscriminator
from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import ARCH_REGISTRY, LOSS_REGISTRY, MODEL_REGISTRY

from dlvr_plugin.archs import LossNetT
from dlvr_plugin.archs.spec import find_num_frame
from dlvr_plugin.data import ClipTestDataset
from dlvr_plugin.models import LossNetworkModel
from dlvr_plugin.models.adversarial_options import AdversarialOptions
from dlvr_plugin.models.host_models import GeneratorType, find_generator_type, find_host_model
from dlvr_plugin.models.loss_network_options import LossNetworkOptions, check_norm
from dlvr_plugin.options.consistency.clip_sets import check_test_frames
from dlvr_plugin.options.consistency.combinations import construct
from dlvr_plugin.options.consistency.findings import Findings
from dlvr_plugin.options.consistency.samples import is_over_host
from dlvr_plugin.options.problems import dotted
from dlvr_plugin.options.signatures import section_of

# Datasets of clips that give all frames of the ground truth; the others give the middle one, which has no window.
_WHOLE_CLIPS = ('ClipDataset', 'REDSRecurrentDataset', 'Vimeo90KRecurrentDataset')


def check_windows(findings: Findings) -> None:
    """Check the frames of samples against what G and T take, and T against the crops."""
    if not findings.get('model_type'):
        return
    over = model = MODEL_REGISTRY.get(findings.opt['model_type'])
    if is_over_host(over):
        model = find_host_model(findings.opt) if findings.get('host_model') else None
    if not isinstance(model, type) or not issubclass(model, SRModel) or not findings.is_sound('generator_type'):
        return
    given = findings.get('generator_type') if is_over_host(over) else None
    generator_type = _read_generator_type(findings, model, given)
    if generator_type is None:
        return
    if is_over_host(over):
        _check_over_host_model(findings, over, generator_type)
    else:
        _check_generator(findings, generator_type, extra=0)
    if findings.is_train:
        _check_discriminator(findings)


def _read_generator_type(findings: Findings, model: type[SRModel], given: str | None) -> GeneratorType | None:
    with findings.collect('generator_type'):
        return find_generator_type({'network_g': findings.get('network_g'), 'generator_type': given}, model)
    return None


def _check_over_host_model(findings: Findings, model: type[LossNetworkModel], generator_type: GeneratorType) -> None:
    options = _read_options(findings, model.Options) if findings.is_train else None
    extra = 2 * options.radius if options is not None and options.fake == 'generated' else 0
    _check_generator(findings, generator_type, extra=extra)
    if options is not None:
        _check_window_of_t(findings, generator_type, options, extra)
        with findings.collect('train'):
            options.check_generator(generator_type)
    if findings.is_train:
        _check_net_t(findings, model.Options.section)
    if isinstance(options, AdversarialOptions):
        _check_weights_of_g(findings, options)


def _check_weights_of_g(findings: Findings, options: AdversarialOptions) -> None:
    """Refuse to train a discriminator that nothing learns from, with a pixel loss alone."""
    perceptual = findings.get('train', 'perceptual_opt')
    if options.weight > 0 or not findings.is_sound('train', 'perceptual_opt') or (perceptual and _weighs(perceptual)):
        return
    what = 'that of perceptual_opt, too' if perceptual else 'there is no perceptual_opt'
    findings.add(
        ('train', options.section, 'weight'),
        f'is 0, and {what}, so that G learns from a pixel loss alone, and nothing from T. Raise one of them, or set '
        f'model_type: {findings.get("host_model")}.',
    )


def _weighs(section: Mapping[str, Any]) -> bool:
    """Tell whether one of the weights of a loss is above 0, those that stand there or those by default."""
    options = section_of(LOSS_REGISTRY.get(section['type'])).options
    weights = [section.get(name, options[name].default) for name in options if name.endswith('_weight')]
    return not weights or any(weights)


def _read_options(findings: Findings, read_by: type[LossNetworkOptions]) -> LossNetworkOptions | None:
    sections = (read_by.section, 'optim_t', 'init_t_iters', 'perceptual_opt')
    if not findings.is_sound('network_t') or not all(findings.is_sound('train', name) for name in sections):
        return None
    if not findings.get('network_t') or not isinstance(findings.opt.get('train'), dict):
        return None
    with findings.collect('train'):
        return read_by.from_options(findings.opt)
    return None


def _check_generator(findings: Findings, generator_type: GeneratorType, *, extra: int) -> None:
    """Check that samples have as many frames as a sliding-window G takes, and ``extra`` more in training."""
    network = findings.get('network_g')
    taken = find_num_frame(network)
    own_sets = [phase for phase, each in findings.datasets() if each.get('type') == ClipTestDataset.__name__]
    for phase, dataset in findings.datasets():
        if network and phase in own_sets:
            check_test_frames(findings, phase, dataset, generator_type, taken)
    if generator_type != 'sliding_window' or taken is None:
        return
    named = 'num_frame' in inspect.signature(ARCH_REGISTRY.get(network['type'])).parameters
    reason = f'network_g.num_frame {taken}' if named else f'the window of {network["type"]}'
    for phase, _ in findings.datasets():
        num_frame = findings.get('datasets', phase, 'num_frame')
        more = extra if phase == 'train' else 0
        if isinstance(num_frame, int) and num_frame != taken + more and phase not in own_sets:
            findings.add(
                ('datasets', phase, 'num_frame'),
                f'must be {taken + more}: {reason}'
                + (f' and {more} more for fake: generated' if more else '')
                + f', got {num_frame}.',
            )


def _check_discriminator(findings: Findings) -> None:
    """Check that a discriminator of BasicSR that takes frames of one size gets such frames."""
    section = findings.get('network_d')
    network = ARCH_REGISTRY.get(section['type']) if section else None
    if network is not VGGStyleDiscriminator:
        return
    gt_size, size = findings.get('datasets', 'train', 'gt_size'), section.get('input_size', 128)
    if isinstance(gt_size, int) and gt_size != size:
        findings.add(
            ('datasets', 'train', 'gt_size'),
            f'must be {size}, the input_size of network_d ({section["type"]}), which is 128 or 256; got {gt_size}.',
        )


def _check_window_of_t(
    findings: Findings, generator_type: GeneratorType, options: LossNetworkOptions, extra: int
) -> None:
    kind = findings.get('datasets', 'train', 'type')
    num_frame = findings.get('datasets', 'train', 'num_frame')
    if kind not in _WHOLE_CLIPS or findings.get('datasets', 'train', 'gt_frames') == 'middle':
        return
    radius = options.radius
    needed = 2 * radius + 1
    # With generated frames a sliding window has room for them, or a problem of its own.
    if isinstance(num_frame, int) and num_frame < needed and not (extra and generator_type == 'sliding_window'):
        findings.add(
            ('datasets', 'train', 'num_frame'),
            f'must be at least {needed}, the window of T: 2 times train.{options.section}.radius {radius}, and 1; got '
            f'{num_frame}.',
        )


def check_norm_of(findings: Findings, *section: str) -> None:
    """Check the norm of a T, whose section is named, against the machine."""
    with findings.collect(*section, 'norm'):
        check_norm(findings.get(*section, 'norm'), on_gpu=findings.num_gpu != 0, where=dotted(section))


def _check_net_t(findings: Findings, losses: str) -> None:
    section = findings.get('network_t')
    network = ARCH_REGISTRY.get(section['type']) if section else None
    if section is None or network is not LossNetT:
        return
    with torch.device('meta'):  # no memory, and no time to draw weights
        net_t = construct(findings, network, section, 'network_t')
    if net_t is None:
        return
    check_norm_of(findings, 'network_t')
    gt_size = findings.get('datasets', 'train', 'gt_size')
    shift = findings.get('train', losses, 'random_shift') or 0
    smallest = 2**net_t.num_layers + shift
    if isinstance(gt_size, int) and gt_size <= smallest:
        findings.add(
            ('datasets', 'train', 'gt_size'),
            f'must be above {smallest}: T halves frames {net_t.num_layers} times, and its classifier once more'
            + (f', and random_shift cuts {shift} pixels off them before' if shift else '')
            + f'; got {gt_size}.',
        )
