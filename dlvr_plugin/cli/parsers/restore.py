"""What ``dlvr restore`` takes."""

import argparse
from pathlib import Path
from typing import Any

from dlvr_plugin.restoration.model_choice import DEFAULT_MODEL, bundled_models


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr``."""
    parser = commands.add_parser(
        'restore',
        help='restore videos and folders of frames by a trained network',
        description='Restore videos, folders of frames and LMDBs, of any length. Work is kept while it goes on: after '
        'a stop of any kind, the same command goes on where it was.',
    )
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='video, folder of frames, LMDB, or folder of these')
    parser.add_argument(
        '-o',
        '--out',
        type=Path,
        metavar='OUT',
        help='a video (NAME.mp4, .mkv, .mov) or a folder for frames; of several inputs, the folder for all results '
        '(default: INPUT_x4 beside each input, or what the factor is; INPUT_restored where sizes stay)',
    )
    parser.add_argument(
        '--model',
        metavar='FILE|NAME',
        default=DEFAULT_MODEL,
        help='checkpoint of a generator, or the name of one that comes with this package: '
        f'{", ".join(bundled_models())} (default: %(default)s)',
    )
    parser.add_argument(
        '--opt', type=Path, metavar='YML', help='option file with network_g, for a checkpoint that does not say it'
    )
    parser.add_argument(
        '--write',
        choices=('video', 'frames', 'both'),
        help='what to write (default: as OUT says, else as the input is)',
    )
    parser.add_argument('--force', action='store_true', help='replace results that exist, and begin anew')
    _add_choice(parser.add_argument_group('what is restored'))
    _add_network(parser.add_argument_group('how the network is run'))
    _add_output(parser.add_argument_group('how results are written'))
    _add_work(parser.add_argument_group('how the work is done'))
    parser.set_defaults(module='dlvr_plugin.cli.restore')


def _add_choice(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--start', metavar='POS', help='first frame: its number (from 0), or a time (90s, 1:30)')
    group.add_argument('--end', metavar='POS', help='frame after the last one: its number, or a time')
    group.add_argument('--fps', default='24', metavar='N', help='frames a second of folders and LMDBs (default: 24)')
    group.add_argument('--deinterlace', action='store_true', help='make whole frames of interlaced video')
    group.add_argument('--allow-cut-videos', action='store_true', help='take what can be read of a damaged video')
    group.add_argument(
        '--scene-threshold',
        type=float,
        default=27.0,
        metavar='X',
        help='change of the picture at which a scene ends; 0: the video is one scene (default: 27)',
    )


def _add_network(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--tile',
        default='auto',
        metavar='N',
        help='side of tiles in input pixels, 0 for whole frames, auto by the memory that is free (default: auto)',
    )
    group.add_argument(
        '--tile-overlap', type=int, metavar='N', help='pixels beyond a seam (default: what the network needs, measured)'
    )
    group.add_argument('--bf16', action='store_true', help='compute in bfloat16')
    group.add_argument('--compile', action='store_true', help='compile the network')
    group.add_argument(
        '--padding',
        choices=('replicate', 'reflection', 'reflection_circle', 'circle'),
        default='replicate',
        help='frames beyond the ends of a scene, for networks of windows (default: replicate)',
    )
    group.add_argument(
        '--chunk', type=int, default=30, metavar='N', help='frames at a time, for networks of clips (default: 30)'
    )
    group.add_argument(
        '--chunk-overlap', type=int, default=10, metavar='N', help='frames beside a chunk, on each side (default: 10)'
    )


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--outscale', type=float, metavar='X', help='size of the result, as a factor of the input')
    group.add_argument(
        '--codec', choices=('x264', 'x265', 'av1', 'ffv1'), help='of videos (default: x264, for more than 8 bits x265)'
    )
    group.add_argument('--quality', metavar='N', help='constant rate factor, lower is better; or lossless')
    group.add_argument('--pixel-format', metavar='NAME', help='such as yuv420p10le (default: as the input has it)')
    group.add_argument('--bits', type=int, choices=(8, 16), default=8, help='of frames (default: 8)')


def _add_work(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--devices', metavar='A,B', help='cpu, cuda, or several: cuda:0,cuda:1 (default: cuda where there is one)'
    )
    group.add_argument(
        '--share',
        metavar='I/N',
        help='do the I-th of N parts of the work, for machines with one disk; whoever ends last makes the result',
    )
    group.add_argument(
        '--segment', type=int, default=100, metavar='N', help='frames that are kept at a time (default: 100)'
    )
    group.add_argument(
        '--preview',
        type=int,
        metavar='N',
        help='restore N frames only, and compare them before and after on a page, OUT_preview/index.html',
    )
