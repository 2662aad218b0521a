"""Shapes of the training samples that options describe, and of what the generator's step makes of them.

Shape legend: B batch, T frames of a sample, H, W size of the ground truth, h, w of the low-quality frames.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import MODEL_REGISTRY

from dlvr_plugin.archs import spec_of
from dlvr_plugin.models import LossNetworkModel
from dlvr_plugin.models.host_models import find_generator_type, find_host_model
from dlvr_plugin.options.consistency.findings import Findings
from dlvr_plugin.options.schema.models import models

Shape = tuple[int, ...]

_CHANNELS = 3
_FEW_SAMPLES = 2  # of a batch, whose number matters where it is one
_FEW_FRAMES = 2  # of a clip for a recurrent network, whose shapes do not depend on their number
_READS = ('type', 'num_frame', 'gt_size', 'batch_size_per_gpu', 'gt_frames', 'flip_sequence', 'palindrome', 'color')
# Classes whose samples are known: whether lq has frames, and whether gt is that of all of them.
_KINDS: dict[str, tuple[bool, bool]] = {
    'ClipDataset': (True, True),
    'REDSDataset': (True, False),
    'REDSRecurrentDataset': (True, True),
    'Vimeo90KDataset': (True, False),
    'Vimeo90KRecurrentDataset': (True, True),
    'PairedImageDataset': (False, False),
}


@dataclass(frozen=True)
class StepShapes:
    """Shapes of a training step.

    Attributes:
        lq: What G takes, (B, C, h, w) or (B, T, C, h, w).
        gt: What its output is compared with, (B, C, H, W) or (B, T, C, H, W).
    """

    lq: Shape
    gt: Shape


def is_over_host(model: Any) -> TypeGuard[type[LossNetworkModel]]:
    """Tell whether a class of the model registry is composed over another one, ``host_model``."""
    return isinstance(model, type) and issubclass(model, LossNetworkModel)


def step_model(findings: Findings) -> type[SRModel] | None:
    """Return the model class whose training step is taken, where that is one of the framework's own; else None."""
    name = findings.get('model_type')
    model = MODEL_REGISTRY.get(name) if name else None
    if is_over_host(model):
        model = find_host_model(findings.opt) if findings.get('host_model') else None
    if not isinstance(model, type) or not issubclass(model, SRModel):
        return None
    base = next((each for each in model.__mro__ if each in models()), None)
    is_same = base is not None and all(
        getattr(model, each) is getattr(base, each) for each in ('feed_data', 'optimize_parameters')
    )
    return model if is_same else None


def step_shapes(findings: Findings) -> StepShapes | None:
    """Return the shapes of a training step; None where they are not known, or options that they depend on are wrong."""
    model, options = step_model(findings), dict(findings.datasets()).get('train') if findings.is_train else None
    is_sound = all(findings.is_sound('datasets', 'train', name) for name in _READS) and findings.is_sound('scale')
    kind = _KINDS.get(options.get('type', '')) if options is not None and is_sound else None
    if model is None or kind is None or options is None:
        return None
    spec = spec_of(findings.get('network_g'))
    scale = findings.get('scale') or (spec.scale if spec else None) or 1
    has_frames, of_all = kind
    channels = 1 if options.get('color') == 'y' else _CHANNELS
    batch, side = min(options['batch_size_per_gpu'], _FEW_SAMPLES), options['gt_size']
    num_frame = options['num_frame'] if has_frames else 0
    num_frame *= 2 if options.get('flip_sequence') else 1
    num_frame += num_frame - 1 if options.get('palindrome') else 0
    low, high = (channels, side // scale, side // scale), (channels, side, side)
    is_middle = options.get('gt_frames') == 'middle'
    has_frames, of_all = has_frames and not (is_middle and num_frame == 1), of_all and not is_middle
    over = MODEL_REGISTRY.get(findings.opt['model_type'])
    if is_over_host(over):
        losses = findings.get('train', over.Options.section) or {}
        return _over_host(findings, model, losses, batch, num_frame, low, high)
    frames: Shape = (num_frame,) if has_frames else ()
    return StepShapes((batch, *frames, *low), (batch, *(frames if of_all else ()), *high))


def _over_host(
    findings: Findings,
    model: type[SRModel],
    losses: Mapping[str, Any],
    batch: int,
    num_frame: int,
    low: Shape,
    high: Shape,
) -> StepShapes | None:
    """Return what a model over a host model makes of a clip for its generator."""
    if not findings.is_sound('generator_type') or not findings.get('network_g'):
        return None
    generator_type = find_generator_type(findings.opt, model)
    if generator_type == 'image' or not num_frame:
        return StepShapes((batch, *low), (batch, *high))
    if generator_type == 'recurrent':
        return StepShapes((batch, num_frame, *low), (batch, num_frame, *high))
    taken = num_frame - (2 * losses.get('radius', 1) if losses.get('fake') == 'generated' else 0)
    return StepShapes((batch, taken, *low), (batch, *high)) if taken > 0 else None


def shorten(shapes: StepShapes, least: int) -> StepShapes:
    """Return the shapes of a clip of fewer frames, where G restores all of them."""
    if len(shapes.gt) != 5:
        return shapes
    few = min(shapes.lq[1], max(least, _FEW_FRAMES))
    return StepShapes((shapes.lq[0], few, *shapes.lq[2:]), (shapes.gt[0], few, *shapes.gt[2:]))
