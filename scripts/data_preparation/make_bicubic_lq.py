"""Make low-quality frames of a folder of clips, by MATLAB's bicubic downsampling."""

import argparse
import sys
from pathlib import Path

from dlvr_plugin.data.prepare import make_bicubic_lq
from dlvr_plugin.host.pipeline import exit_code_of

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('gt_root', type=Path, help='folder of clip folders')
    parser.add_argument('lq_root', type=Path, help='folder to make')
    parser.add_argument('--scale', type=int, default=4)
    args = parser.parse_args()
    sys.exit(exit_code_of(lambda: make_bicubic_lq(args.gt_root, args.lq_root, scale=args.scale)))
