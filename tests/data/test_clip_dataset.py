import random
import shutil

import cv2
import numpy as np
import pytest
import torch
from basicsr.data.reds_dataset import REDSRecurrentDataset
from torch.utils.data import DataLoader

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.data import ClipDataset, Degradation
from dlvr_plugin.data.prepare import make_meta_info, prepare_store
from dlvr_plugin.data.processing import Processing
from tests.conftest import make_clip
from tests.data.conftest import options
from tests.helpers import make_lmdb


def lmdb_options(root, codec='raw', **changes):
    for name in ('GT', 'X4'):
        if not (root / f'{name}.lmdb').exists():
            make_lmdb(root / name, root / f'{name}.lmdb', codec)
    roots = {'dataroot_gt': str(root / 'GT.lmdb'), 'dataroot_lq': str(root / 'X4.lmdb')}
    return options(root, **roots, io_backend={'type': 'lmdb'}, **changes)


def crop_of(root, name, frame, corner, size):
    image = cv2.imread(str(root / name / frame))[corner[0] : corner[0] + size, corner[1] : corner[1] + size, ::-1]
    return torch.from_numpy(image.astype(np.float32).transpose(2, 0, 1) / 255)


@pytest.mark.parametrize('make_options', [options, lmdb_options])
def test_samples_hold_the_frames_of_the_files(clip_root, make_options):
    dataset = ClipDataset(make_options(clip_root))
    assert len(dataset) == 3 * 7
    random.seed(5)
    item = dataset[7 + 2]
    random.seed(5)
    random.choice([1])
    top, left = random.randint(0, 16 - 8), random.randint(0, 20 - 8)
    assert item['key'] == '001/00000002'
    for t in range(3):
        frame = f'{2 + t:08d}.png'
        assert torch.equal(item['gt'][t], crop_of(clip_root / 'GT', '001', frame, (4 * top, 4 * left), 32))
        assert torch.equal(item['lq'][t], crop_of(clip_root / 'X4', '001', frame, (top, left), 8))


@pytest.mark.slow
@pytest.mark.parametrize('backend', ['disk', 'lmdb'])
def test_equals_the_hosts_reds_dataset(tmp_path, backend):
    from dlvr_plugin.data.prepare import make_demo_clips

    root = tmp_path / 'demo'
    make_demo_clips(root, num_frames=100, size=(48, 64))
    gt, lq = root / 'train_sharp', root / 'train_sharp_bicubic' / 'X4'
    if backend == 'lmdb':
        make_lmdb(gt, tmp_path / 'gt.lmdb')
        make_lmdb(lq, tmp_path / 'lq.lmdb')
        gt, lq = tmp_path / 'gt.lmdb', tmp_path / 'lq.lmdb'
    opt = options(tmp_path, dataroot_gt=str(gt), dataroot_lq=str(lq), use_hflip=True, use_rot=True, num_frame=5)
    opt.update(random_reverse=True, interval_list=[1], meta_info_file=str(root / 'meta_info_demo_GT.txt'))
    host_opt = {**opt, 'io_backend': {'type': backend}, 'val_partition': 'REDS4', 'test_mode': False}
    ours = ClipDataset({**opt, 'io_backend': {'type': backend}, 'exclude_clips': ['000']})
    theirs = REDSRecurrentDataset(host_opt)
    assert len(ours) == len(theirs)

    def samples(dataset):
        for seed, index in enumerate((0, 57, 98, 99, 350, 699)):
            random.seed(seed)
            yield dataset[index]

    expected = list(samples(theirs))
    del theirs  # an LMDB can be open once in a process
    for a, b in zip(samples(ours), expected, strict=True):
        assert a['key'] == b['key']
        assert torch.equal(a['gt'], b['gt'])
        assert torch.equal(a['lq'], b['lq'])


def test_lq_made_on_the_fly_equals_the_stored_one(clip_root):
    stored, made = ClipDataset(options(clip_root)), ClipDataset(options(clip_root, dataroot_lq=None))
    for index in range(0, 21, 3):  # crops inside and at every border
        random.seed(index)
        a = stored[index]
        random.seed(index)
        b = made[index]
        assert torch.equal(a['gt'], b['gt'])
        assert torch.equal(a['lq'], b['lq'])


OPTIONS = {
    'interval': {'interval_list': [1, 2, 3]},
    'reverse': {'random_reverse': True},
    'flip': {'use_hflip': True},
    'rotation': {'use_rot': True},
    'bicubic on the fly': {'dataroot_lq': None},
    'Gaussian on the fly': {'dataroot_lq': None, 'degradation': 'BD'},
    'blur on the fly': {'dataroot_lq': None, 'scale': 1, 'degradation': {'type': 'motion_blur', 'num_frame': 3}},
    'all': {'interval_list': [1, 2], 'random_reverse': True, 'use_hflip': True, 'use_rot': True},
}


@pytest.mark.parametrize('codec', ['raw', 'png'])
@pytest.mark.parametrize('changes', OPTIONS.values(), ids=OPTIONS.keys())
def test_stores_give_the_samples_of_the_files(clip_root, codec, changes):
    samples = []
    for make_options in (options, lmdb_options):
        opt = make_options(clip_root, codec=codec) if make_options is lmdb_options else make_options(clip_root)
        dataset = ClipDataset({**opt, **changes})
        random.seed(11)
        samples.append([dataset[index] for index in range(len(dataset))])
    for of_files, of_store in zip(*samples, strict=True):
        assert of_files['key'] == of_store['key']
        assert torch.equal(of_files['gt'], of_store['gt'])
        assert torch.equal(of_files['lq'], of_store['lq'])


@pytest.mark.parametrize(
    ('scale', 'degradation'), [(4, 'BD'), (1, {'type': 'motion_blur', 'num_frame': 5, 'linear_light': True})]
)
def test_degradations_on_the_fly_equal_those_of_whole_frames(clip_root, scale, degradation):
    processing = Processing(codec='png', degradation=Degradation.from_options(degradation, scale=scale))
    prepare_store(clip_root / 'GT', clip_root / 'LQ', processing=processing)
    stored = ClipDataset(options(clip_root, scale=scale, dataroot_lq=str(clip_root / 'LQ')))
    made = ClipDataset(options(clip_root, scale=scale, dataroot_lq=None, degradation=degradation))
    for index in range(0, 21, 2):
        random.seed(index)
        expected = stored[index]['lq']
        random.seed(index)
        assert torch.equal(made[index]['lq'], expected)


def test_middle_frame_alone(clip_root):
    random.seed(1)
    whole = ClipDataset(options(clip_root))[3]
    random.seed(1)
    middle = ClipDataset(options(clip_root, gt_frames='middle'))[3]
    assert torch.equal(middle['gt'], whole['gt'][1])
    assert torch.equal(middle['lq'], whole['lq'])


def test_a_single_image(clip_root):
    random.seed(1)
    clip = ClipDataset(options(clip_root, num_frame=1))[3]
    random.seed(1)
    image = ClipDataset(options(clip_root, num_frame=1, gt_frames='middle'))[3]
    assert torch.equal(image['gt'], clip['gt'][0])
    assert torch.equal(image['lq'], clip['lq'][0])


def test_starts_too_late_move_into_the_clip_and_intervals_are_kept(clip_root):
    dataset = ClipDataset(options(clip_root, interval_list=[3], num_frame=3))
    for start in range(7):
        frames = dataset._choose_frames(dataset.clips['000'], start)
        assert frames == [0, 3, 6]


def test_any_extension_and_different_lengths(tmp_path):
    make_clip(tmp_path / 'GT' / 'a', 3, (64, 64), suffix='.jpg')
    make_clip(tmp_path / 'GT' / 'b', 9, (48, 80), suffix='.bmp')
    dataset = ClipDataset(options(tmp_path, dataroot_lq=None))
    assert len(dataset) == 12
    assert dataset[0]['gt'].shape == dataset[11]['gt'].shape == (3, 3, 32, 32)


@pytest.mark.parametrize('codec', ['raw', 'png'])
@pytest.mark.parametrize('context', ['fork', 'spawn'])
def test_works_in_workers(clip_root, context, codec):
    dataset = ClipDataset(lmdb_options(clip_root, codec))
    dataset[0]  # an open reader does not hinder the workers
    loader = DataLoader(dataset, batch_size=2, num_workers=1, multiprocessing_context=context)
    assert next(iter(loader))['lq'].shape == (2, 3, 3, 8, 8)


def test_two_datasets_share_one_lmdb(clip_root):
    opt = lmdb_options(clip_root)
    first = ClipDataset(opt)
    shape = first[0]['gt'].shape
    assert ClipDataset(opt)[0]['gt'].shape == shape


def test_meta_file_and_excluded_clips_choose(clip_root):
    make_meta_info(clip_root / 'GT', clip_root / 'meta.txt')
    assert (clip_root / 'meta.txt').read_text().splitlines()[0] == '000 7 (64,80,3)'
    meta = str(clip_root / 'meta.txt')
    dataset = ClipDataset(options(clip_root, meta_info_file=meta, exclude_clips=['001']))
    assert list(dataset.clips) == ['000', '002']


def test_a_store_of_another_shape_than_its_meta_file_is_named(clip_root):
    opt = lmdb_options(clip_root)
    meta = clip_root / 'GT.lmdb' / 'meta_info.txt'
    meta.write_text(meta.read_text().replace('(64,80,3)', '(80,64,3)'))
    with pytest.raises(DataError, match=r'key 000/0000000\d of .*GT.lmdb .* is 64x80 pixels .* its clip is 80x64'):
        ClipDataset(opt)[0]


def read_all(dataset):
    for index in range(len(dataset)):
        dataset[index]


def test_missing_folder(clip_root):
    with pytest.raises(DataError, match='nowhere does not exist'):
        ClipDataset(options(clip_root, dataroot_gt=str(clip_root / 'nowhere')))


def test_missing_frame_is_named(clip_root):
    make_meta_info(clip_root / 'GT', clip_root / 'meta.txt')
    (clip_root / 'GT' / '001' / '00000003.png').unlink()
    with pytest.raises(DataError, match='Clip 001 .* 6 frames, but .*meta.txt says 7. Missing: 00000003'):
        ClipDataset(options(clip_root, meta_info_file=str(clip_root / 'meta.txt')))


def test_a_gap_is_named_without_a_meta_file_and_an_even_step_is_none(tmp_path):
    make_clip(tmp_path / 'GT' / '000', 9, (64, 64))
    for index in (1, 3, 5, 7):
        (tmp_path / 'GT' / '000' / f'{index:08d}.png').unlink()
    assert len(ClipDataset(options(tmp_path, dataroot_lq=None))) == 5
    (tmp_path / 'GT' / '000' / '00000004.png').unlink()
    with pytest.raises(DataError, match='Clip 000 of .* has a gap: 00000004 is missing'):
        ClipDataset(options(tmp_path, dataroot_lq=None))


def test_unpadded_numbers_are_in_the_order_of_time(tmp_path):
    make_clip(tmp_path / 'GT' / '000', 12, (64, 64))
    for index in range(12):
        (tmp_path / 'GT' / '000' / f'{index:08d}.png').rename(tmp_path / 'GT' / '000' / f'frame{index}.png')
    clip = ClipDataset(options(tmp_path, dataroot_lq=None)).clips['000']
    assert [clip.frame_name(index) for index in range(12)] == [f'frame{index}' for index in range(12)]


def test_missing_lq_frame_and_clip_are_named(clip_root):
    (clip_root / 'X4' / '001' / '00000003.png').unlink()
    with pytest.raises(DataError, match='Frame 001/00000003 is missing in .*X4'):
        ClipDataset(options(clip_root))
    shutil.rmtree(clip_root / 'X4' / '001')
    with pytest.raises(DataError, match='Clip 001 is missing in .*X4'):
        ClipDataset(options(clip_root))


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
def test_cut_off_image_is_named(tmp_path, suffix):
    make_clip(tmp_path / 'GT' / '000', 3, (64, 64), suffix=suffix)
    path = tmp_path / 'GT' / '000' / f'00000001{suffix}'
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DataError, match=f'00000001{suffix}.* cut off'):
        read_all(ClipDataset(options(tmp_path, dataroot_lq=None)))


def test_damaged_lmdb_record_is_named(clip_root):
    import lmdb

    opt = lmdb_options(clip_root, 'png')
    with lmdb.open(str(clip_root / 'GT.lmdb'), map_size=2**26) as env, env.begin(write=True) as transaction:
        record = transaction.get(b'001/00000002')
        transaction.put(b'001/00000002', record[: len(record) // 2])
    with pytest.raises(DataError, match=r'key 001/00000002 of .*GT.lmdb cannot be decoded'):
        read_all(ClipDataset(opt))
    with lmdb.open(str(clip_root / 'GT.lmdb'), map_size=2**26) as env, env.begin(write=True) as transaction:
        transaction.delete(b'001/00000002')
    with pytest.raises(DataError, match=r'key 001/00000002 of .*GT.lmdb is missing'):
        read_all(ClipDataset(opt))


def test_odd_size_in_the_middle_of_a_clip_is_named(clip_root):
    path = clip_root / 'GT' / '002' / '00000004.png'
    cv2.imwrite(str(path), cv2.imread(str(path))[:60])
    with pytest.raises(DataError, match=r'00000004.png \(clip 002, frame 4\) is 60x80 pixels .* its clip is 64x80'):
        read_all(ClipDataset(options(clip_root)))


def test_lq_of_another_scale_is_named(clip_root):
    with pytest.raises(DataError, match='Clip 000: LQ frames are 16x20 .* GT frames 64x80, which is not 2 times'):
        ClipDataset(options(clip_root, scale=2))[0]


@pytest.mark.parametrize(
    ('changes', 'error', 'message'),
    [
        ({'num_frame': 9}, DataError, 'Clip 000 .* has 7 frames, but num_frame 9 at interval 1 needs 9'),
        ({'interval_list': [1, 4]}, DataError, 'at interval 4 needs 9'),
        ({'gt_size': 30}, ValueError, 'gt_size must be a multiple of the scale 4, got 30. Use 28 or 32'),
        ({'gt_size': '32'}, TypeError, 'gt_size must be a whole number'),
        ({'num_frame': 4, 'gt_frames': 'middle'}, ValueError, 'must be odd'),
        ({'exclude_clips': ['9']}, DataError, 'exclude_clips: 9 is no clip of'),
        ({'meta_info_file': 'nowhere.txt'}, DataError, 'nowhere.txt does not exist'),
        ({'gt_size': None}, ValueError, 'clips.gt_size is missing'),
        ({'degradation': 'BI'}, ValueError, 'degradation makes the frames that dataroot_lq holds'),
        ({'dataroot_lq': None, 'degradation': 'JPEG'}, ValueError, 'clips.degradation.type must be one of'),
    ],
)
def test_unusable_options_are_refused(clip_root, changes, error, message):
    with pytest.raises(error, match=message):
        ClipDataset(options(clip_root, **changes))


def test_crops_larger_than_the_frames_are_refused(clip_root):
    with pytest.raises(DataError, match='frames of 64x80 pixels, smaller than gt_size 80'):
        ClipDataset(options(clip_root, gt_size=80))[0]


def test_bad_meta_line_is_named(clip_root):
    (clip_root / 'meta.txt').write_text('000 7 (64,80,3)\n001 seven\n')
    with pytest.raises(DataError, match=r'meta.txt, line 2: expected "clip frames \(h,w,c\)", got .001 seven.'):
        ClipDataset(options(clip_root, meta_info_file=str(clip_root / 'meta.txt')))
