"""Write the meta file of a folder of clips: a line ``clip frames (h,w,c)`` for each."""

import argparse
import sys
from pathlib import Path

from dlvr_plugin.data.prepare import make_meta_info
from dlvr_plugin.host.pipeline import exit_code_of

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('root', type=Path, help='folder of clip folders')
    parser.add_argument('target', type=Path, help='file to write')
    args = parser.parse_args()
    sys.exit(exit_code_of(lambda: make_meta_info(args.root, args.target)))
