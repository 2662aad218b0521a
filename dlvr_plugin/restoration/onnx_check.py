"""A graph in ONNX Runtime against the network in torch: a file gets its name when both give the same."""

from types import ModuleType
from typing import Any

import numpy as np
import torch

from dlvr_plugin.core.errors import CheckpointError
from dlvr_plugin.restoration.onnx_graph import OnnxStep, Size

LARGEST_DIFFERENCE = 1e-4
_NUM_STEPS = 3  # of a recurrent network, so that states go in that came out
_OWN_DOMAINS = ('', 'ai.onnx')


def import_onnx() -> tuple[ModuleType, ModuleType]:
    """Return the packages onnx and onnxruntime.

    Raises:
        CheckpointError: One is missing.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise CheckpointError(
            f'ONNX files need the packages onnx and onnxruntime, and {error.name} is missing: pip install onnx '
            'onnxruntime.'
        ) from error
    return onnx, onnxruntime


def with_metadata(graph: bytes, facts: dict[str, str]) -> bytes:
    """Return a file with metadata, after a look at its operators.

    Raises:
        CheckpointError: It has operators that are not ONNX's own.
    """
    onnx, _ = import_onnx()
    model = onnx.load_model_from_string(graph)
    foreign = sorted({f'{node.domain}::{node.op_type}' for node in model.graph.node if node.domain not in _OWN_DOMAINS})
    if foreign:
        raise CheckpointError(f'The graph needs operators that ONNX does not have: {", ".join(foreign)}.')
    onnx.helper.set_model_props(model, facts)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def check_graph(step: OnnxStep, graph: bytes, sizes: list[Size]) -> float:
    """Compare a graph with the network, for frames of some sizes, a recurrent one for some steps of a clip.

    Returns:
        The largest difference of restored frames.

    Raises:
        CheckpointError: It is above ``LARGEST_DIFFERENCE``, or the graph cannot be run.
    """
    _, onnxruntime = import_onnx()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is told below
    session = onnxruntime.InferenceSession(graph, options, providers=['CPUExecutionProvider'])
    largest = 0.0
    for index, (height, width) in enumerate(sizes):
        hint = 'Name the size of your frames with --size HEIGHTxWIDTH.' if index else 'It cannot be exported.'
        where = f'{step.spec.arch} as an ONNX graph, frames of {height}x{width}'
        try:
            difference = _difference(step, session, (height, width))
        except Exception as error:  # ONNX Runtime raises several kinds, all for a graph that does not hold
            raise CheckpointError(f'{where}: ONNX Runtime fails ({str(error)[:200]}). {hint}') from error
        if not difference <= LARGEST_DIFFERENCE:
            raise CheckpointError(
                f'{where}: restored frames differ by {difference:.2g} from those of torch, more than '
                f'{LARGEST_DIFFERENCE:g}. {hint}'
            )
        largest = max(largest, difference)
    return largest


@torch.no_grad()
def _difference(step: OnnxStep, session: Any, size: Size) -> float:
    """Return the largest difference of restored frames, infinity where the sizes differ."""
    frames, state = step.random_frames(size), [each.numpy() for each in step.zero_state(size)]
    expected_state, largest = None, 0.0
    for index in range(_NUM_STEPS if state else 1):
        frames = frames.roll(index, dims=-1)
        if not state:
            expected = step(frames)
        elif expected_state is None:
            expected, expected_state = step.first_step(frames)
        else:
            expected, *expected_state = step(frames, *expected_state)
        inputs = dict(zip(step.input_names, (frames.numpy(), *state), strict=True))
        restored, *state = session.run(None, inputs)
        if restored.shape != tuple(expected.shape):
            return float('inf')
        largest = float(np.maximum(largest, np.abs(restored - expected.numpy()).max()))  # keeps what is no number
    return largest
