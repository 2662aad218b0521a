"""``dlvr convert``: published weights of a generator as a checkpoint that option files and ``dlvr`` take."""

import argparse
import sys

import yaml

from dlvr_plugin.archs import spec_of
from dlvr_plugin.archs.conversion import convert
from dlvr_plugin.core.checkpoints import DESCRIPTION, checkpoint_bytes, describe_network
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.files import make_folder, write_atomic


def run(args: argparse.Namespace) -> None:
    """Write the checkpoint, and say which network it holds.

    Raises:
        CheckpointError: The weights cannot be read, or are those of another network. InvalidValueError: The target is
            no name of a checkpoint. OSError: It exists.
    """
    if args.target.suffix != '.pth':
        raise InvalidValueError(
            f'{args.target} must end in .pth. For a safetensors file, run dlvr export on what this command writes.'
        )
    if args.target.exists() and not args.force:
        raise FileExistsError(f'{args.target} exists already. Choose another name, or replace it with --force.')
    network, weights = convert(args.original, args.file)
    spec = spec_of(network)
    options = {'name': args.original, 'scale': spec.scale if spec else 1, 'network_g': network}
    content = {'params': weights, DESCRIPTION: describe_network(options, 'net_g')}
    make_folder(args.target.parent)
    write_atomic(args.target, checkpoint_bytes(content))
    count = sum(value.numel() for value in weights.values())
    section = yaml.safe_dump({'network_g': network}, sort_keys=False)
    sys.stdout.write(f'{args.target}: {len(weights)} tensors, {count:,d} values. In option files:\n\n{section}')
