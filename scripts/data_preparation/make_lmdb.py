"""Make an LMDB of PNG records from a folder of clips."""

import argparse
import sys
from pathlib import Path

from dlvr_plugin.data.prepare import make_lmdb
from dlvr_plugin.host.pipeline import exit_code_of

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('root', type=Path, help='folder of clip folders')
    parser.add_argument('target', type=Path, help='LMDB to make, NAME.lmdb')
    args = parser.parse_args()
    sys.exit(exit_code_of(lambda: make_lmdb(args.root, args.target)))
