"""What ``dlvr data prepare`` takes."""

import argparse
import os
from pathlib import Path
from typing import Any, get_args

from dlvr_plugin.core.choices import AnyDegradationType, Codec, RealisticPreset

_EPILOG = """
A TARGET named NAME.lmdb becomes an LMDB with its meta files (meta_info_clips.txt is what meta_info_file takes); any
other name a folder of PNG frames, as test sets have it. The command may be interrupted at any time: the same command
goes on, and a store has its name only when it is complete. What is complete already is left as it is.

examples:
  dlvr data prepare datasets/REDS/train_sharp datasets/REDS/train_sharp.lmdb \\
      --lq-source datasets/REDS/train_sharp_bicubic/X4 --lq-target datasets/REDS/train_sharp_bicubic_X4.lmdb
  dlvr data prepare my_videos datasets/my_videos.lmdb --downscale 2 --degradation BI
  dlvr data prepare my_videos datasets/my_videos.lmdb --degradation realistic --preset phone --copies 4
  dlvr data prepare my_videos datasets/two_scenes --clips garden_002 pan_000 --min-frames 5
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr data``."""
    parser = commands.add_parser(
        'prepare',
        help='make training stores and test sets of clips or videos',
        description='Make training stores and test sets of clips of frames or of video files.',
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('source', type=Path, help='folder of clip folders, of videos, an LMDB, or a video file')
    parser.add_argument('target', type=Path, help='NAME.lmdb, or a folder to make')
    parser.add_argument(
        '--codec',
        choices=get_args(Codec),
        help="of an LMDB: raw (default) for speed, png for the framework's own readers",
    )
    parser.add_argument('--downscale', type=int, default=1, metavar='N', help='shrink by N, against compression noise')
    parser.add_argument('--subfolder', default='', metavar='NAME', help="where frames lie below a clip's folder")
    parser.add_argument(
        '--clips', nargs='+', default=[], metavar='NAME', help='take these only; of videos also scenes, VIDEO_000'
    )
    parser.add_argument('--exclude-clips', nargs='+', default=[], metavar='NAME', help='leave these out')
    parser.add_argument('--jobs', type=int, default=os.cpu_count() or 1, metavar='N', help='processes (default: cores)')
    parser.add_argument('--force', action='store_true', help='replace what exists')
    videos = parser.add_argument_group('videos')
    videos.add_argument(
        '--scene-threshold',
        type=float,
        default=27.0,
        metavar='X',
        help='mean change of a pixel, 0 to 255, that starts a new clip (default: 27; 0: never)',
    )
    videos.add_argument(
        '--min-frames', type=int, default=15, metavar='N', help='leave out shorter scenes (default: 15)'
    )
    videos.add_argument(
        '--allow-cut-videos',
        action='store_true',
        help='take what can be read of a video that is cut off; the store keeps a warning',
    )
    lq = parser.add_argument_group('low-quality frames, given or made; else they are made while training')
    lq.add_argument('--lq-source', type=Path, help='as SOURCE, with the same clips and frames')
    lq.add_argument('--lq-subfolder', metavar='NAME', help='default: that of --subfolder')
    lq.add_argument('--degradation', choices=get_args(AnyDegradationType), help='make them of the ground truth')
    lq.add_argument('--lq-target', type=Path, help='default with --degradation: TARGET_BIx4 or the like')
    lq.add_argument('--scale', type=int, default=4, metavar='N', help='of BI, BD and realistic (default: 4)')
    lq.add_argument('--sigma', type=float, default=1.5, help='of the Gaussian of BD, in pixels (default: 1.5)')
    lq.add_argument('--blur-frames', type=int, default=7, metavar='N', help='that motion_blur averages (default: 7)')
    lq.add_argument('--linear-light', action='store_true', help='let motion_blur average light, not values')
    realistic = parser.add_argument_group('low-quality frames of --degradation realistic, drawn once for each clip')
    realistic.add_argument(
        '--preset', choices=get_args(RealisticPreset), help='what footage looks like (default: real_esrgan)'
    )
    realistic.add_argument(
        '--degradation-options', type=Path, metavar='FILE.yml', help='ranges that replace those of the preset'
    )
    realistic.add_argument(
        '--copies',
        type=int,
        metavar='N',
        help='stores to make, each drawn anew: TARGET_realisticx4_0 and so on (default: 1)',
    )
    realistic.add_argument('--seed', type=int, help='of what is drawn (default: 0)')
    parser.set_defaults(module='dlvr_plugin.cli.data_prepare')
