"""What ``dlvr data show`` takes."""

from pathlib import Path
from typing import Any, get_args

from dlvr_plugin.core.choices import AnyDegradationType, RealisticPreset
from dlvr_plugin.core.user_modules import add_import_flag


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr data``."""
    parser = commands.add_parser(
        'show',
        help='draw a contact sheet of training samples',
        description='Draw samples as the trainer sees them, cropped and augmented: LQ above, GT below.',
    )
    parser.add_argument('source', type=Path, help='LMDB, folder of clip folders, or option file (.yml)')
    parser.add_argument('--lq', type=Path, help='low-quality clips that belong to SOURCE (default: made on the fly)')
    parser.add_argument('--out', type=Path, help='PNG to write (default: NAME_samples.png in the current folder)')
    parser.add_argument('--samples', type=int, default=4, metavar='N', help='how many (default: 4)')
    parser.add_argument('--seed', type=int, default=0, help='of what is chosen at random (default: 0)')
    parser.add_argument('--num-frame', type=int, default=5, metavar='N', help='frames of a sample (default: 5)')
    parser.add_argument('--gt-size', type=int, default=128, metavar='N', help='side of the crop (default: 128)')
    parser.add_argument('--scale', type=int, default=4, metavar='N', help='between LQ and GT (default: 4)')
    parser.add_argument(
        '--degradation',
        choices=get_args(AnyDegradationType),
        help='how LQ is made on the fly; motion_blur with --scale 1 (default: BI)',
    )
    parser.add_argument('--preset', choices=get_args(RealisticPreset), help='of --degradation realistic')
    add_import_flag(parser)
    parser.set_defaults(module='dlvr_plugin.cli.data_show')
