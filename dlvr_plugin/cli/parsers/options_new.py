"""What ``dlvr options new`` takes."""

from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr options``."""
    parser = commands.add_parser(
        'new',
        help='write option files for your own clips: pretraining, discriminative space, test',
        description='Write three commented option files for your own clips, with validation and test sets.',
    )
    parser.add_argument('folder', type=Path, metavar='DIR', help='folder to write them to')
    parser.add_argument('--gt', type=Path, required=True, metavar='FOLDER', help='your clips, a folder of frames each')
    parser.add_argument(
        '--lq',
        type=Path,
        metavar='FOLDER',
        help='low-quality frames of the same names (default: what dlvr data prepare made beside them)',
    )
    parser.add_argument('--scale', type=int, choices=(4, 1), default=4, help='1 for deblurring (default: 4)')
    parser.add_argument('--name', help='what the names of the runs begin with (default: that of DIR)')
    parser.add_argument(
        '--val-clips', nargs='+', default=[], metavar='CLIP', help='clips kept for validation (default: the last one)'
    )
    parser.set_defaults(module='dlvr_plugin.cli.options_new')
