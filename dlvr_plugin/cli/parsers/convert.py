"""What ``dlvr convert`` takes."""

from pathlib import Path
from typing import Any, get_args

from dlvr_plugin.core.choices import Original


def add_parser(groups: Any) -> None:
    """Add the command to ``dlvr``."""
    parser = groups.add_parser(
        'convert',
        help='make a checkpoint of published weights of another program',
        description='Make a checkpoint (.pth) of published weights: names, layout and order of colours as the network '
        'here has them, and the options that build it. Nothing in the file is executed.',
    )
    parser.add_argument('original', choices=get_args(Original), help='whose weights they are')
    parser.add_argument('file', type=Path, help='their file; of TensorFlow the .index, with the .data file beside it')
    parser.add_argument('target', type=Path, help='checkpoint to write (.pth)')
    parser.add_argument('--force', action='store_true', help='replace a file that exists')
    parser.set_defaults(module='dlvr_plugin.cli.convert')
