"""``dlvr export``: a network's weights as a safetensors file, or the network as an ONNX file, for other tools."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from dlvr_plugin.core.checkpoints import DESCRIPTION, description_in, read_checkpoint, weights_in
from dlvr_plugin.core.errors import CheckpointError, InvalidValueError
from dlvr_plugin.core.files import write_atomic

_MOST_REPEATED = 2**28  # bytes of a tensor that takes less in its file


def run(args: argparse.Namespace) -> None:
    """Write the file, and say what is in it.

    Raises:
        CheckpointError: The checkpoint cannot be read, or has no such weights. InvalidValueError: Arguments that do not
            go together. OSError: The file exists.
    """
    if sum(each is not None for each in (args.target, args.safetensors, args.onnx)) > 1:
        raise InvalidValueError('Give one file to write: --onnx FILE or --safetensors FILE.')
    if args.onnx is not None:
        from dlvr_plugin.cli import export_onnx  # loads all of the networks

        export_onnx.run(args)
        return
    if args.size is not None:
        raise InvalidValueError('--size goes with --onnx: a safetensors file holds weights alone.')
    target = args.target or args.safetensors or args.checkpoint.with_suffix('.safetensors')
    if target.exists() and not args.force:
        raise FileExistsError(f'{target} exists already. Choose another name, or replace it with --force.')
    content = read_checkpoint(args.checkpoint)
    key = args.param_key or ('params_ema' if 'params_ema' in content else 'params')
    if key not in content:  # what the framework would take instead is not what was asked for
        raise CheckpointError(f'{args.checkpoint} has no key {key!r}, only {", ".join(map(str, content))[:200]}.')
    found = weights_in(content, args.checkpoint, key)
    if not found:
        raise CheckpointError(f'{args.checkpoint}, key {key}, holds no weights: it is empty.')
    _check_sizes(found, args.checkpoint)
    # Tensors that share their values, such as tied weights, become several: the format has no shared ones.
    weights = {name: value.clone(memory_format=torch.contiguous_format) for name, value in found.items()}
    if args.half:
        weights = {name: value.half() if value.dtype == torch.float32 else value for name, value in weights.items()}
    metadata = {'format': 'pt', 'source': args.checkpoint.name, 'param_key': key}
    if description := description_in(content, args.checkpoint):
        metadata[DESCRIPTION] = json.dumps(description)
    write_atomic(target, save(weights, metadata))
    count = sum(value.numel() for value in weights.values())
    sys.stdout.write(f'{target}: {len(weights)} tensors, {count:,d} values of {key}.\n')


def _check_sizes(weights: Mapping[str, Tensor], path: Path) -> None:
    """Refuse tensors that show a few values again and again: written out they can take any amount of memory."""
    for name, value in weights.items():
        needed, there = value.numel() * value.element_size(), value.untyped_storage().nbytes()
        if needed > max(_MOST_REPEATED, there):
            raise CheckpointError(
                f'{path}: {name} repeats {there} bytes so that they become {needed}, {tuple(value.shape)}. Save it '
                'with .contiguous().'
            )
