"""``dlvr export``: a network's weights as a safetensors file, for other tools."""

import argparse
import json
import sys

import torch
from safetensors.torch import save

from dlvr_plugin.core.checkpoints import DESCRIPTION, read_checkpoint, read_weights
from dlvr_plugin.core.errors import CheckpointError
from dlvr_plugin.core.files import write_atomic


def run(args: argparse.Namespace) -> None:
    """Write the file, and say what is in it.

    Raises:
        CheckpointError: The checkpoint cannot be read, or has no such weights. OSError: The file exists.
    """
    target = args.target or args.checkpoint.with_suffix('.safetensors')
    if target.exists() and not args.force:
        raise FileExistsError(f'{target} exists already. Choose another name, or replace it with --force.')
    content = read_checkpoint(args.checkpoint)
    key = args.param_key or ('params_ema' if 'params_ema' in content else 'params')
    if key not in content:  # what the framework would take instead is not what was asked for
        raise CheckpointError(f'{args.checkpoint} has no key {key!r}, only {", ".join(map(str, content))[:200]}.')
    weights = {name: value.contiguous() for name, value in read_weights(args.checkpoint, key).items()}
    if args.half:
        weights = {name: value.half() if value.dtype == torch.float32 else value for name, value in weights.items()}
    metadata = {'format': 'pt', 'source': args.checkpoint.name, 'param_key': key}
    if DESCRIPTION in content:
        metadata[DESCRIPTION] = json.dumps(content[DESCRIPTION])
    write_atomic(target, save(weights, metadata))
    count = sum(value.numel() for value in weights.values())
    sys.stdout.write(f'{target}: {len(weights)} tensors, {count:,d} values of {key}.\n')
