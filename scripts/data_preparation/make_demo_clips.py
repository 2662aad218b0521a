"""Make the demo clips, with their low-quality frames, in the layout of REDS."""

import argparse
import sys
from pathlib import Path

from dlvr_plugin.core.command import exit_code_of
from dlvr_plugin.data.prepare import make_demo_clips

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('root', type=Path, help='folder to make')
    parser.add_argument('--num_frames', type=int, default=100, help="frames of a clip (the host's REDS sets take 100)")
    parser.add_argument('--size', type=int, nargs=2, default=(192, 256), metavar=('H', 'W'), help='multiples of 4')
    args = parser.parse_args()
    sys.exit(exit_code_of(lambda: make_demo_clips(args.root, num_frames=args.num_frames, size=tuple(args.size))))
