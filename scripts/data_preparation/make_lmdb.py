"""Make an LMDB of PNG records from a folder of clips."""

import argparse
from pathlib import Path

import dlvr_plugin  # noqa: F401  makes the host importable
from dlvr_plugin.data.prepare import make_lmdb

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('root', type=Path, help='folder of clip folders')
    parser.add_argument('target', type=Path, help='LMDB to make, NAME.lmdb')
    args = parser.parse_args()
    make_lmdb(args.root, args.target)
