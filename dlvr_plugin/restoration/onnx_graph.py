"""A generator as an ONNX graph: one call restores one frame, states go in and come out.

An image network takes a frame (1, 3, h, w), a network of windows its frames one after the other on the channels (1,
num_frame * 3, h, w), a recurrent one what its step takes and the tensors of its state. Only operators of ONNX itself
are used.
"""

import contextlib
import io
import json
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dlvr_plugin.archs import NetworkSpec
from dlvr_plugin.core.errors import CheckpointError, InvalidValueError
from dlvr_plugin.restoration.load_model import LoadedGenerator

OPSET = 17
_CHANNELS = 3
_TRACED_AT = (25, 33)  # odd sides, so that padding becomes part of the graph
_LARGEST_DIVISOR = 64

Size = tuple[int, int]


class StateLayout(NamedTuple):
    """The sides of a tensor of the state, ``ceil(h * times / divisor)`` for frames of height h, and its channels."""

    channels: int
    times: int
    divisor: int


class OnnxStep(nn.Module):
    """What a graph computes: ``forward(frames, *state) -> (restored, *next_state)``, the first state all zeros.

    Attributes:
        num_frame: Frames on the channels of the input.
        input_names: ``frame`` or ``frames``, then ``state_NAME`` for each tensor of the state.
        output_names: ``restored``, then ``next_NAME``.

    Raises:
        CheckpointError: The network restores no frame from what a call may take; the message says why.
    """

    def __init__(self, loaded: LoadedGenerator) -> None:
        super().__init__()
        self.net, self.spec = loaded.net, _check(loaded)
        self.num_frame = self.spec.num_frame or self.spec.step_frames
        self.state_type: Any = None
        names: Sequence[str] = ()
        if self.spec.step:
            state = self.first_step(self.random_frames(self.traced_at()))[1]
            if not (isinstance(state, tuple) and hasattr(state, '_fields') and all(each.dim() == 4 for each in state)):
                raise CheckpointError(
                    f'{self.spec.arch} keeps a state of another form than a NamedTuple of tensors (B, C, h, w), which '
                    'an ONNX graph cannot take.'
                )
            self.state_type, names = type(state), state._fields
        self.input_names = ['frame' if self.num_frame == 1 else 'frames', *(f'state_{name}' for name in names)]
        self.output_names = ['restored', *(f'next_{name}' for name in names)]
        self.eval()  # the mode that the exporter puts back

    def traced_at(self) -> Size:
        """Return the size of the frames that a graph for any size is made with."""
        height, width = (self.spec.padded(max(side, self.spec.smallest) | 1) for side in _TRACED_AT)
        return height, width

    def other_size(self) -> Size:
        """Return another size, to see whether a graph holds for any."""
        height, width = (self.spec.padded(side + more) for side, more in zip(self.traced_at(), (23, 7), strict=True))
        return height, width

    def random_frames(self, size: Size) -> Tensor:
        """Return an input of a call, seeded, in [0, 1]."""
        generator = torch.Generator().manual_seed(0)
        return torch.rand(1, self.num_frame * _CHANNELS, *size, generator=generator)

    def zero_state(self, size: Size) -> list[Tensor]:
        """Return the state before the first frame of a clip."""
        if self.state_type is None:
            return []
        return [torch.zeros_like(each) for each in self.first_step(self.random_frames(size))[1]]

    @torch.no_grad()
    def first_step(self, frames: Tensor) -> tuple[Tensor, Any]:
        """Restore the first frame of a clip as the network itself does, with the state None."""
        return getattr(self.net, str(self.spec.step))(self._unstack(frames), None)

    def forward(self, frames: Tensor, *state: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Restore a frame: (1, num_frame * 3, h, w) -> (1, 3, H, W), and with a state the next one."""
        inputs = self._unstack(frames)
        if self.state_type is None:
            return self.net(inputs)
        if self.spec.first_state is not None:
            first = getattr(self.net, self.spec.first_state)(inputs)
            is_first = ~torch.cat([each.flatten() for each in state]).any()
            state = tuple(torch.where(is_first, one, other) for one, other in zip(first, state, strict=True))
        restored, after = getattr(self.net, str(self.spec.step))(inputs, self.state_type(*state))
        return (restored, *after)

    def _unstack(self, frames: Tensor) -> Tensor:
        """Return what the network takes: (1, 3, h, w), or windows (1, num_frame, 3, h, w)."""
        takes_window = self.spec.takes == 'window' or self.spec.step_frames > 1
        return torch.stack(frames.split(_CHANNELS, dim=1), dim=1) if takes_window else frames


def _check(loaded: LoadedGenerator) -> NetworkSpec:
    section, spec = loaded.description['network'], loaded.spec
    name = section['type']
    if spec is None:
        raise CheckpointError(
            f'{name} does not say what it takes and gives, so no graph can be made: give it an ArchSpec.'
        )
    if spec.takes == 'clip' and spec.step is None:
        raise CheckpointError(
            f'{name} restores a clip as a whole: each frame depends on those before and after it, to the ends. A graph '
            'restores one frame a call. Export an image network, one of windows, or a recurrent one with a step.'
        )
    channels = section.get('num_in_ch', _CHANNELS)
    if channels != _CHANNELS:
        raise CheckpointError(
            f'{name} takes frames of {channels} channels; graphs are made for RGB, {_CHANNELS} channels.'
        )
    return spec


def check_size(spec: NetworkSpec, size: Size) -> None:
    """Demand a size that a network takes.

    Raises:
        InvalidValueError: It is too small, or no multiple.
    """
    fitting = tuple(spec.padded(side) for side in size)
    if fitting != size:
        raise InvalidValueError(
            f'{spec.arch} takes sides of at least {spec.smallest} pixels that are multiples of {spec.multiple}, got '
            f'{size[0]}x{size[1]}. The next larger size is {fitting[0]}x{fitting[1]}: pad the frames.'
        )


def build_graph(step: OnnxStep, size: Size | None) -> bytes:
    """Return the ONNX file of a network, without metadata.

    Args:
        step: The network.
        size: Height and width of its frames; None for any that it takes, as far as its operators allow that.

    Raises:
        CheckpointError: It has operators that ONNX does not have.
    """
    traced_at = size or step.traced_at()
    names = [*step.input_names, *step.output_names]
    axes = {} if size else {name: {2: f'height of {name}', 3: f'width of {name}'} for name in names}
    file = io.BytesIO()
    inputs = (step.random_frames(traced_at), *step.zero_state(traced_at))
    # Warnings are of sizes that may have become constants, which running the graph finds out; output is the whole graph
    # where an operator is unknown.
    with torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter('ignore')
        try:
            torch.onnx.export(
                step,
                inputs,
                file,  # type: ignore[arg-type]  # the exporter by tracing takes files, too
                dynamo=False,
                opset_version=OPSET,
                input_names=step.input_names,
                output_names=step.output_names,
                dynamic_axes=axes,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise CheckpointError(
                f'{step.spec.arch} cannot be made an ONNX graph: {str(error).splitlines()[0][:200]}'
            ) from error
    return file.getvalue()


def find_layouts(step: OnnxStep, sizes: Sequence[Size]) -> dict[str, StateLayout]:
    """Return the layouts of a network's state by the names of the inputs, as they are for frames of some sizes.

    Raises:
        CheckpointError: The sides of the state follow from those of the frames in another way.
    """
    layouts = {}
    states = [step.zero_state(size) for size in sizes]
    for name, *tensors in zip(step.input_names[1:], *states, strict=True):
        sides = [
            pair for size, each in zip(sizes, tensors, strict=True) for pair in zip(size, each.shape[2:], strict=True)
        ]
        times = max(1, sides[0][1] // sides[0][0])
        fitting = (
            divisor
            for divisor in range(1, _LARGEST_DIVISOR + 1)
            if all(-(-side * times // divisor) == found for side, found in sides)
        )
        if (divisor := next(fitting, None)) is None:
            raise CheckpointError(f'{step.spec.arch}: the sides of {name} are no multiple or part of those of frames.')
        layouts[name] = StateLayout(tensors[0].shape[1], times, divisor)
    return layouts


def metadata_of(step: OnnxStep, loaded: LoadedGenerator, layouts: dict[str, StateLayout]) -> dict[str, str]:
    """Return what the file says of itself: the description of the checkpoint, and how the graph is called."""
    description, spec = loaded.description, step.spec
    facts = {key: str(value) for key, value in description.items() if key != 'network'}
    facts.update(
        network=json.dumps(description['network']),
        scale=str(spec.scale if spec.scale is not None else description.get('scale', 1)),
        colors='RGB in [0, 1]',
        num_frame=str(step.num_frame),
        multiple=str(spec.multiple),
        smallest=str(spec.smallest),
    )
    if layouts:
        facts.update(initial_state='zeros', states=json.dumps(layouts))
    return facts
