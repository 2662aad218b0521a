"""``dlvr data show`` draws samples of the framework's own datasets from raw records, in a process of its own."""

import subprocess
import sys

import cv2
import pytest

from tests.conftest import make_clip
from tests.helpers import REPOSITORY, make_lmdb, make_lq, read_options, write_options


@pytest.mark.slow
def test_raw_records_of_a_reds_dataset(tmp_path):
    make_clip(tmp_path / 'GT' / '001', 100, (48, 64))
    make_lq(tmp_path / 'GT', tmp_path / 'LQ')
    for name in ('GT', 'LQ'):
        make_lmdb(tmp_path / name, tmp_path / f'{name}.lmdb')
    opt = read_options(REPOSITORY / 'options/demo/1_pretrain.yml')
    for key in ('exclude_clips', 'gt_frames'):  # of ClipDataset
        del opt['datasets']['train'][key]
    opt['datasets']['train'] |= {
        'type': 'REDSRecurrentDataset',
        'dataroot_gt': str(tmp_path / 'GT.lmdb'),
        'dataroot_lq': str(tmp_path / 'LQ.lmdb'),
        'meta_info_file': str(tmp_path / 'GT.lmdb' / 'meta_info_clips.txt'),
        'val_partition': 'REDS4',
        'test_mode': False,
        'io_backend': {'type': 'lmdb'},
        'gt_size': 32,
        'use_hflip': False,
        'use_rot': False,
    }
    path = write_options(opt, tmp_path / 'reds.yml')
    command = [sys.executable, '-m', 'dlvr_plugin.cli', 'data', 'show', str(path), '--out', str(tmp_path / 'sheet.png')]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert cv2.imread(str(tmp_path / 'sheet.png')).std() > 20
