"""What ``dlvr export`` takes."""

from pathlib import Path
from typing import Any


def add_parser(groups: Any) -> None:
    """Add the command to ``dlvr``."""
    parser = groups.add_parser(
        'export',
        help='write the weights of a checkpoint as a safetensors file',
        description='Write the weights of a checkpoint (net_g_*.pth) as a safetensors file: names and tensors as the '
        'network has them, and nothing that a reader could run.',
    )
    parser.add_argument('checkpoint', type=Path, help='checkpoint of a network (.pth)')
    parser.add_argument('target', type=Path, nargs='?', help='file to write (default: beside it, .safetensors)')
    parser.add_argument('--param-key', help='weights to take (default: params_ema where there are, else params)')
    parser.add_argument('--half', action='store_true', help='store float32 as float16')
    parser.add_argument('--force', action='store_true', help='replace a file that exists')
    parser.set_defaults(module='dlvr_plugin.cli.export')
