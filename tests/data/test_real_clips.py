"""Real footage, where it is at hand beside the checkout."""

import random

import pytest
import torch.nn.functional as F

from dlvr_plugin.data import ClipDataset
from tests.helpers import REPOSITORY

MINI = REPOSITORY.parent / 'shared' / 'data' / 'mini'


@pytest.mark.skipif(not MINI.is_dir(), reason='the real clips, ../shared/data/mini, are not here')
def test_jpeg_clips_with_their_meta_file():
    opt = {
        'name': 'mini',
        'scale': 4,
        'dataroot_gt': str(MINI / 'GT'),
        'dataroot_lq': None,
        'meta_info_file': str(MINI / 'meta_info_mini_GT.txt'),
        'exclude_clips': ['022'],
        'io_backend': {'type': 'disk'},
        'num_frame': 5,
        'gt_size': 128,
        'interval_list': [1, 2],
        'random_reverse': True,
        'use_hflip': True,
        'use_rot': True,
    }
    dataset = ClipDataset(opt)
    assert len(dataset) == 22 * 30
    for index in random.sample(range(len(dataset)), 5):
        item = dataset[index]
        assert (item['lq'].shape, item['gt'].shape) == ((5, 3, 32, 32), (5, 3, 128, 128))
        assert (F.avg_pool2d(item['gt'], 4) - item['lq']).abs().mean() < 0.03
