"""Samples of a ClipDataset whose low-quality frames are drawn from realistic degradations."""

import random

import pytest
import torch
from torch.utils.data import DataLoader

from dlvr_plugin.core.errors import InvalidTypeError, InvalidValueError
from dlvr_plugin.data import ClipDataset, crops
from dlvr_plugin.options.find_problems import find_problems
from dlvr_plugin.options.problems import dotted
from dlvr_plugin.training.data_order import DataOrder, ResumableSampler, SeededDataset
from tests.data.conftest import options
from tests.helpers import tiny_options

AREA_ALONE = {
    'type': 'realistic',
    'first': None,
    'second': None,
    'last': {'modes': {'area': 1.0}, 'sinc': None, 'jpeg': None},
}


def dataset_of(clip_root, degradation, **changes):
    return ClipDataset(options(clip_root, dataroot_lq=None, degradation=degradation, **changes))


@pytest.mark.parametrize('preset', ['real_esrgan', 'real_basicvsr', 'phone', 'dvd', 'web'])
def test_samples_of_each_preset(clip_root, preset):
    dataset = dataset_of(clip_root, {'type': 'realistic', 'preset': preset}, use_hflip=True, use_rot=True)
    plain = dataset_of(clip_root, 'BI')
    for index in (0, 9, 20):
        random.seed(index)
        sample = dataset[index]
        assert sample['lq'].shape == (3, 3, 8, 8)
        assert sample['gt'].shape == (3, 3, 32, 32)
        pixels = sample['lq'] * 255
        torch.testing.assert_close(pixels, pixels.round(), rtol=0, atol=1e-4)
        random.seed(index)
        again = dataset[index]
        assert torch.equal(sample['lq'], again['lq'])
        assert torch.equal(sample['gt'], again['gt'])
        assert (sample['lq'] - torch.nn.functional.avg_pool2d(sample['gt'], 4)).abs().mean() < 0.25
        random.seed(index)
        assert plain[index]['gt'].shape == sample['gt'].shape


def test_the_crop_is_that_of_the_ground_truth(clip_root):
    """With nothing but the mean of each pixel's area, the result is known, at the borders and between them."""
    still = dataset_of(clip_root, AREA_ALONE, use_hflip=True, use_rot=True, random_reverse=True)
    moving = dataset_of(clip_root, AREA_ALONE, moving_first_frame=1.0, num_frame=5)
    for dataset in (still, moving):
        for seed in range(30):
            random.seed(seed)
            sample = dataset[seed % len(dataset)]
            expected = torch.nn.functional.avg_pool2d(sample['gt'].double(), 4)
            assert (sample['lq'] - expected).abs().max() <= 0.5001 / 255


def test_margins_fill_the_room_that_there_is():
    random.seed(0)
    drawn = {crops._draw_margins(8, 100, 100) for _ in range(300)}
    assert drawn == {(before, 16 - before) for before in range(4, 13)}  # each phase of a block of 8 pixels
    for room in ((0, 100), (100, 0), (3, 5), (0, 0), (5, 100)):
        before, after = crops._draw_margins(8, *room)
        assert (before, after) == (min(room[0], 16 - after), min(room[1], 16 - before))


def test_the_number_of_workers_and_a_later_start_do_not_matter(clip_root):
    dataset = dataset_of(clip_root, {'type': 'realistic', 'preset': 'web'})
    order = DataOrder(num_samples=len(dataset), enlarge_ratio=1, batch_size=3, seed=1)

    def load(start, workers):
        sampler = ResumableSampler(order, start, 4)
        loader = DataLoader(SeededDataset(dataset, order), batch_size=3, sampler=sampler, num_workers=workers)
        return [batch['lq'] for batch in loader]

    whole = load(0, 0)
    for start, workers in ((0, 2), (2, 0), (2, 2)):
        random.seed(start + workers)  # the history of the process
        resumed = load(start, workers)
        assert len(resumed) == 4 - start
        assert all(torch.equal(a, b) for a, b in zip(resumed, whole[start:], strict=True))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'first': {'blurr': {}}}, r'first.blurr is no option here. Did you mean .*blur'),
        ({'first': {'blur': {'sigma': [3, 1]}}}, r'sigma must have the lower end first: \[1, 3\], not \[3, 1\]'),
        ({'first': {'video': {'codecs': {'av7': 1.0}}}}, r'codecs.av7 is no option here'),
        ({'preset': 'vhs'}, 'preset must be one of real_esrgan, .*vhs'),
        ({'first': {'noise': {'probability': 1.5}}}, 'noise.probability must be at most 1, got 1.5'),
        ({'sigma': 2.0}, 'degradation.sigma is no option here'),
    ],
)
def test_what_is_refused(clip_root, changes, message):
    with pytest.raises(InvalidValueError, match=message):
        dataset_of(clip_root, {'type': 'realistic', **changes})


def test_what_is_no_degradation(clip_root):
    with pytest.raises(InvalidTypeError, match='clips.degradation must be a type, or a section with a type, got 3'):
        dataset_of(clip_root, 3)
    with pytest.raises(InvalidValueError, match='degradation.type must be one of BI, BD, motion_blur'):
        dataset_of(clip_root, {'type': 'BX'})


@pytest.mark.parametrize(
    ('degradation', 'problem'),
    [
        ({'type': 'realistic', 'first': {'blur': {'sigm': 1}}}, 'degradation.first.blur.sigm: is no option here'),
        (
            {'type': 'realistic', 'last': {'jpeg': {'quality': [0, 5]}}},
            'quality[0]: expected a whole number',
        ),
        ({'type': 'realistic', 'first': {'blur': {'sigma': [3, 1]}}}, 'sigma must have the lower end first'),
        ({'type': 'BI', 'first': {}}, 'degradation.first: is no option here'),
        ({'type': 'BD', 'sigma': 2.0}, None),
        ({'type': 'realistic', 'preset': 'phone', 'second': None}, None),
        ('realistic', None),
    ],
)
def test_the_check_of_option_files_names_the_key(clip_root, degradation, problem):
    opt = tiny_options(clip_root)
    opt['datasets']['train'].update(dataroot_lq=None, degradation=degradation)
    _, problems = find_problems(opt, is_train=True)
    found = [f'{dotted(each.key)}: {each.message}' for each in problems]
    assert len(found) == (problem is not None)
    assert problem is None or problem in found[0]
