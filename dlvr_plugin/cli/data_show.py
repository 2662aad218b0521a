"""``dlvr data show``: a contact sheet of samples as the trainer sees them."""

import argparse
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from basicsr.data import build_dataset
from basicsr.utils import get_root_logger

from dlvr_plugin import host
from dlvr_plugin.clips.clip_store import ClipStore
from dlvr_plugin.clips.store_writer import read_warnings
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.images import write_image
from dlvr_plugin.data import ClipDataset, framework_datasets
from dlvr_plugin.data.clip_dataset_options import list_roots
from dlvr_plugin.options.datasets_of_files import read_datasets
from dlvr_plugin.report.contact_sheet import draw_contact_sheet


def run(args: argparse.Namespace) -> None:
    """Write the contact sheet.

    Raises:
        InvalidValueError: Arguments, options or data that cannot be used. OSError: The picture cannot be written.
    """
    if args.samples < 1:
        raise InvalidValueError(f'--samples must be at least 1, got {args.samples}.')
    if args.preset and args.degradation != 'realistic':
        raise InvalidValueError('--preset belongs to --degradation realistic.')
    dataset: Any = _build_from_file(args.source, args.imports) if args.source.is_file() else _build_from_store(args)
    options = dataset.opt
    for root in list_roots(options.get('dataroot_gt')) + list_roots(options.get('dataroot_lq')):
        for warning in read_warnings(root):
            get_root_logger().warning(f'{root}: {warning}.')
    random.seed(args.seed)
    indices = random.sample(range(len(dataset)), min(args.samples, len(dataset)))
    sheet = draw_contact_sheet([dataset[index] for index in indices])
    out = args.out or Path(f'{args.source.stem}_samples.png')
    write_image(out, sheet)
    get_root_logger().info(f'{out}: {len(indices)} of {len(dataset)} samples of {args.source}.')


def _build_from_file(path: Path, imports: Sequence[str]) -> Any:
    """Build the training set of an option file, which may be one of the framework's over raw records."""
    host.apply()
    framework_datasets.install()
    for phase, scale, dataset in read_datasets(path, imports):
        if phase == 'train':
            return build_dataset({**dataset, 'phase': phase, 'scale': scale})
    raise DataError(f'{path} has no training set: datasets.train is missing.')


def _build_from_store(args: argparse.Namespace) -> ClipDataset:
    return ClipDataset(
        {
            'name': args.source.name,
            'dataroot_gt': args.source,
            'dataroot_lq': args.lq,
            'io_backend': {'type': 'lmdb' if ClipStore(args.source).is_lmdb else 'disk'},
            'degradation': {'type': args.degradation, 'preset': args.preset} if args.preset else args.degradation,
            'num_frame': args.num_frame,
            'gt_size': args.gt_size,
            'scale': args.scale,
            'random_reverse': True,
            'use_hflip': True,
            'use_rot': True,
        }
    )
