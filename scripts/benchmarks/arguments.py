"""Arguments that benchmarks of networks share, checked before anything is measured."""

import argparse
from pathlib import Path

import torch


def positive(text: str) -> int:
    """Read a whole number of at least 1.

    Raises:
        ArgumentTypeError: It is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'must be a whole number of at least 1, got {text}.')
    return int(text)


def output_file(text: str) -> Path:
    """Read the name of a file that can be written at the end.

    Raises:
        ArgumentTypeError: Its folder is missing, or it is a folder itself.
    """
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f'must be a file in a folder that exists, got {text}.')
    return path


def add_measurement(parser: argparse.ArgumentParser, *, rounds: int) -> None:
    """Add ``--device``, ``--rounds`` with a default, ``--threads`` and ``--json``."""
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument('--rounds', type=positive, default=rounds, help=f'default: {rounds}')
    parser.add_argument('--threads', type=positive, default=torch.get_num_threads())
    parser.add_argument('--json', type=output_file, help='file to write the figures to')
