"""Blend the weights of a pretrained generator with those of the one that was trained on from it.

The blend lies between the two in PSNR and in LPIPS. Source: network interpolation of ESRGAN (Wang et al., 2018).
"""

import argparse
import sys
from pathlib import Path

import torch

from dlvr_plugin.core.checkpoints import read_checkpoint, weights_in, write_checkpoint
from dlvr_plugin.core.command import exit_code_of
from dlvr_plugin.core.errors import InvalidValueError


def blend(pretrained: Path, trained: Path, target: Path, share: float) -> None:
    """Write the checkpoint of ``trained`` with weights of which the part ``share`` is its own."""
    if not 0 <= share <= 1:
        raise InvalidValueError(f'--share must be between 0 and 1, got {share}.')
    first = weights_in(read_checkpoint(pretrained), pretrained)
    content = read_checkpoint(trained)
    second = weights_in(content, trained, 'params_ema')
    content['params'] = {name: torch.lerp(first[name], own, share) for name, own in second.items()}
    del content['params_ema']
    write_checkpoint(target, content)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('pretrained', type=Path)
    parser.add_argument('trained', type=Path)
    parser.add_argument('target', type=Path)
    parser.add_argument('--share', type=float, default=0.65, help='of the second in the blend (default: 0.65)')
    args = parser.parse_args()
    sys.exit(exit_code_of(lambda: blend(args.pretrained, args.trained, args.target, args.share)))
