"""Make low-quality frames of a folder of clips, by MATLAB's bicubic downsampling."""

import argparse
from pathlib import Path

import dlvr_plugin  # noqa: F401  makes the host importable
from dlvr_plugin.data.prepare import make_bicubic_lq

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('gt_root', type=Path, help='folder of clip folders')
    parser.add_argument('lq_root', type=Path, help='folder to make')
    parser.add_argument('--scale', type=int, default=4)
    args = parser.parse_args()
    make_bicubic_lq(args.gt_root, args.lq_root, scale=args.scale)
