"""What ``dlvr export`` takes."""

import argparse
import re
from pathlib import Path
from typing import Any


def add_parser(groups: Any) -> None:
    """Add the command to ``dlvr``."""
    parser = groups.add_parser(
        'export',
        help='write the weights of a checkpoint as a safetensors file, or the network as an ONNX file',
        description='Write the weights of a checkpoint (net_g_*.pth) as a safetensors file: names and tensors as the '
        'network has them, and nothing that a reader could run. Or the network as an ONNX file, which is compared with '
        'torch before it gets its name, and a script for VapourSynth beside it.',
    )
    parser.add_argument('checkpoint', type=Path, help='checkpoint of a network (.pth; --onnx also takes .safetensors)')
    parser.add_argument('target', type=Path, nargs='?', help='the safetensors file (default: beside it, .safetensors)')
    parser.add_argument('--safetensors', type=Path, metavar='FILE', help='the same')
    parser.add_argument('--onnx', type=Path, metavar='FILE', help='write an ONNX file (.onnx) instead')
    parser.add_argument(
        '--size', type=_size, metavar='HEIGHTxWIDTH', help='ONNX: only for frames of this size (default: of any size)'
    )
    parser.add_argument('--param-key', help='weights to take (default: params_ema where there are, else params)')
    parser.add_argument('--half', action='store_true', help='safetensors: store float32 as float16')
    parser.add_argument('--force', action='store_true', help='replace a file that exists')
    parser.set_defaults(module='dlvr_plugin.cli.export')


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r'([1-9]\d{0,4})x([1-9]\d{0,4})', text, re.ASCII)
    if found is None:
        raise argparse.ArgumentTypeError(f'{text!r} is no size: give height and width in pixels, such as 270x480.')
    return int(found[1]), int(found[2])
