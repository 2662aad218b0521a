"""Build the networks, and send a sample of the training through them, without memory."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from basicsr.models.srgan_model import SRGANModel
from basicsr.ops.dcn.deform_conv import ModulatedDeformConv
from torch import Tensor, nn

from dlvr_plugin.archs import LossNetT, NetworkSpec, spec_of
from dlvr_plugin.archs.spec import find_arch
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.data.clip_test_dataset import WHOLE_CLIPS
from dlvr_plugin.options.consistency.building import (
    MOST_CALLS,
    Outcome,
    add_failure,
    are_fake,
    attempt,
    build_network,
    is_class_of_host,
    num_bytes,
)
from dlvr_plugin.options.consistency.findings import Findings
from dlvr_plugin.options.consistency.machine import GIB, memory_of_machine
from dlvr_plugin.options.consistency.samples import Shape, StepShapes, shorten, step_model, step_shapes

_COPIES_IN_TRAINING = 4  # of weights: themselves, their gradients, and two means of the optimizer
_WINDOW_OF_T = 3
# Networks beside G whose use is known, and what is said of one that cannot be used so.
_OTHERS = {'network_d': 'cannot be the discriminator', 'network_t': 'cannot be the loss network T'}
_SIDE_OF_TESTS = 64  # pixels of low-quality frames, about
_FRAMES_OF_TESTS = 8  # of clips of any length


@dataclass(frozen=True)
class Built:
    """A network that could be built.

    Attributes:
        network: The network itself; None where it has memory.
        tensors: Its weights and buffers, by name, without memory.
        num_bytes: What these take.
    """

    network: nn.Module | None
    tensors: Mapping[str, Tensor]
    num_bytes: int


def check_networks(findings: Findings) -> None:
    """Find sections ``network_*`` of which no network can be built, or none that takes and gives the samples."""
    shapes = step_shapes(findings)
    for key in [str(name) for name in findings.opt if str(name).startswith('network_')]:
        section = findings.get(key)
        made: Any = find_arch(section['type']) if isinstance(section, Mapping) and 'type' in section else None
        if made is None or not _can_be_built(findings, key, made, section):
            continue
        if key == 'network_g':
            _check_generator(findings, made, section, shapes)
        elif shapes is not None and key in _OTHERS:
            _check_other(findings, key, made, section, shapes)


def _check_other(findings: Findings, key: str, made: Any, section: Mapping[str, Any], shapes: StepShapes) -> None:
    """Check that a network beside G takes the frames that it is shown."""
    error = _run(made, _text(section), _frames_of(key, shapes), is_t=key == 'network_t').error
    if error is not None:
        what = f'{_OTHERS[key]} for frames of {_size(shapes.gt)}'
        is_t = key == 'network_t' and isinstance(made, type) and issubclass(made, LossNetT)
        add_failure(findings, (key,), section, error, made, what=what, may_be_ours=is_t)
        return
    model = step_model(findings)
    if key != 'network_d' or len(shapes.gt) != 5 or model is None or not issubclass(model, SRGANModel):
        return
    if _run(made, _text(section), shapes.gt).error is not None:
        findings.add(
            (key, 'type'),
            f'{section["type"]} takes frames, but {model.__name__} hands it the clips of a recurrent generator. Use '
            'VideoRecurrentGANModel.',
        )


def tensors_of(section: Mapping[str, Any]) -> Mapping[str, Tensor] | None:
    """Return a network's weights and buffers, without memory; None where it cannot be built so."""
    made: Any = find_arch(section.get('type'))
    outcome = _build(made, _text(section)) if made is not None else Outcome()
    return outcome.value.tensors if outcome.value is not None else None


def _can_be_built(findings: Findings, key: str, made: Any, section: Mapping[str, Any]) -> bool:
    outcome = _build(made, _text(section))
    loads = any(name.endswith('_path') and value is not None for name, value in section.items())
    if outcome.error is not None and not loads:  # one that loads files may not be made to be built without
        add_failure(findings, (key,), section, outcome.error, made, what='cannot be built')
    if outcome.is_endless and is_class_of_host(made):
        findings.add(
            (key,),
            f'is too large: after {MOST_CALLS} calls of PyTorch, five times those of the largest network of BasicSR, '
            'it was not built yet. Lower the numbers of its blocks and layers.',
        )
    if outcome.value is None:
        return False
    needed = outcome.value.num_bytes * (_COPIES_IN_TRAINING if findings.is_train else 1)
    there = memory_of_machine()
    if there is not None and needed > there:
        what = 'with their gradients and what the optimizer keeps ' if findings.is_train else ''
        findings.add(
            (key,),
            f'is too large: its weights {what}take {needed / GIB:.0f} GiB, and this machine has {there / GIB:.0f} '
            'GiB of memory.',
        )
    return findings.is_sound(key)


def _check_generator(findings: Findings, made: Any, section: Mapping[str, Any], shapes: StepShapes | None) -> None:
    spec = spec_of(section)
    if not findings.is_train:
        shapes = _shapes_of_test(findings, made, spec)
    if shapes is None:
        return
    if spec is not None and spec.is_recurrent:
        shapes = shorten(shapes, spec.min_frames)
    outcome = _run(made, _text(section), shapes.lq)
    what = f'does not take {_sample(shapes.lq)}'
    if outcome.error is not None:
        add_failure(findings, ('network_g',), section, outcome.error, made, what=what, may_be_ours=spec is not None)
    elif shapes.gt and isinstance(outcome.value, tuple) and outcome.value != shapes.gt:
        findings.add(
            ('network_g',),
            f'makes {_dimensions(outcome.value)} of {_dimensions(shapes.lq)}, a sample of datasets.train, whose ground '
            f'truth is {_dimensions(shapes.gt)}. Look at its channels and its scale, at scale, and at gt_size, '
            'num_frame and type of the set.',
        )


def _shapes_of_test(findings: Findings, made: Any, spec: NetworkSpec | None) -> StepShapes | None:
    """Return what G gets in a test; None where that is not known."""
    if spec is not None:
        side = spec.padded(_SIDE_OF_TESTS)
        if spec.takes == 'window' and spec.num_frame is None:
            return None
        number = spec.num_frame or max(spec.min_frames, 2)
        return StepShapes((1, *(() if spec.takes == 'frame' else (number,)), 3, side, side), ())
    if not (is_class_of_host(made) or made is LossNetT):
        return None
    kinds = {str(each.get('type')) for _, each in findings.datasets()}
    numbers = [each.get('num_frame', WHOLE_CLIPS) for _, each in findings.datasets()]
    taken = numbers[0] if numbers and numbers.count(numbers[0]) == len(numbers) else None
    if kinds == {'VideoRecurrentTestDataset'} or (kinds == {'ClipTestDataset'} and taken == WHOLE_CLIPS):
        frames: tuple[int, ...] = (_FRAMES_OF_TESTS,)
    elif kinds <= {'VideoTestDataset', 'VideoTestDUFDataset', 'ClipTestDataset'} and isinstance(taken, int):
        frames = () if kinds == {'ClipTestDataset'} and taken == 1 else (taken,)
    else:
        return None
    return StepShapes((1, *frames, 3, _SIDE_OF_TESTS, _SIDE_OF_TESTS), ())


def _frames_of(key: str, shapes: StepShapes) -> Shape:
    """Return what a network other than G looks at: clips, or, of these, the frames one by one."""
    batch, *frames = shapes.gt
    if key == 'network_t':
        return (batch, _WINDOW_OF_T, *frames[-3:])
    return (batch * frames[0] if len(frames) == 4 else batch, *frames[-3:])


@functools.lru_cache(maxsize=64)
def _build(made: Any, section: str) -> Outcome:
    def build() -> Built:
        network = _checked(build_network(made, json.loads(section)))
        is_light = are_fake()  # a real one is built again where it is needed
        return Built(network if is_light else None, network.state_dict(), num_bytes(network))

    return attempt(build, is_known=is_class_of_host(made))


@functools.lru_cache(maxsize=64)
def _run(made: Any, section: str, shape: Shape, *, is_t: bool = False) -> Outcome:
    """Return the shape of what a network makes of frames; anything else where it gives no tensor."""

    def run() -> Shape | str:
        known = _build(made, section).value.network if are_fake() else None
        network = (known or build_network(made, json.loads(section))).train()
        result = _run_as_t(network, torch.zeros(shape)) if is_t else network(torch.zeros(shape))
        return tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__

    return attempt(run, is_known=is_class_of_host(made))


def _run_as_t(net_t: Any, clip: Tensor) -> Tensor:
    """Use a network as the training step uses T, and return its logits."""
    if net_t.norm == 'sync':  # which takes frames on a GPU alone
        return clip
    joint = net_t(clip, clip[:, :1], radius=_WINDOW_OF_T // 2, bn_statistics='joint')
    assert len(joint.gt_features) == len(joint.gen_features) == net_t.num_layers
    return joint.real_logits + joint.fake_logits


def _checked(network: nn.Module) -> nn.Module:
    """Demand what operators of torchvision demand only of tensors with values."""
    for module in network.modules():
        if isinstance(module, ModulatedDeformConv) and module.in_channels % module.deformable_groups:
            raise InvalidValueError(
                f'deformable_groups must divide the {module.in_channels} channels of what is aligned, got '
                f'{module.deformable_groups}.'
            )
    return network


def _text(section: Mapping[str, Any]) -> str:
    """Return a section as text, by which what became of it is remembered."""
    return json.dumps(section)


def _sample(shape: Shape) -> str:
    frames = f'{shape[1]} frames' if len(shape) == 5 else 'frames'
    return f'{frames} of {_size(shape)}'


def _size(shape: Shape) -> str:
    return f'{shape[-2]}x{shape[-1]} pixels and {shape[-3]} channels'


def _dimensions(shape: Shape) -> str:
    return f'({", ".join(map(str, shape))})'
