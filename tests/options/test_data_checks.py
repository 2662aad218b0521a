"""Data that options name: missing, damaged, in no pairs, or too little."""

import shutil

import pytest

from tests.helpers import as_host_model, make_lmdb, tiny_options, video_test_set
from tests.options.checking import lines


@pytest.mark.parametrize(
    ('train', 'dataset', 'processes', 'needed'),
    [
        ({}, {'batch_size_per_gpu': 22}, {}, 22),
        ({'accum_iter': 4}, {'batch_size_per_gpu': 6}, {}, 24),
        ({}, {'batch_size_per_gpu': 3}, {'world_size': 8, 'is_distributed': True}, 24),
        ({'accum_iter': 2}, {'dataset_enlarge_ratio': 2}, {'world_size': 11, 'is_distributed': True}, 44),
        ({}, {'batch_size_per_gpu': 21}, {}, None),
        ({}, {'batch_size_per_gpu': 21, 'dataset_enlarge_ratio': 8}, {'world_size': 8, 'is_distributed': True}, None),
    ],
)
def test_samples_for_a_batch(clip_root, train, dataset, processes, needed):
    opt = tiny_options(clip_root)  # 21 samples
    opt['train'].update(train)
    opt['datasets']['train'].update(dataset)
    found = lines(opt, **processes)
    assert len(found) == (needed is not None), found
    if needed is not None:
        assert f'fewer than an iteration takes, {needed} (' in found[0]


@pytest.mark.parametrize('ratio', [10**7, 10**18])
def test_an_epoch_that_cannot_be_put_in_order(clip_root, ratio):
    opt = tiny_options(clip_root)  # 21 samples
    opt['datasets']['train']['dataset_enlarge_ratio'] = ratio
    (line,) = lines(opt)
    assert line.startswith(f'datasets.train.dataset_enlarge_ratio: must be lower: it makes {21 * ratio} samples')


def test_vimeo_s_list_of_clips_that_is_none(clip_root):
    opt = tiny_options(clip_root)
    (picture, *_) = (clip_root / 'GT/000').iterdir()
    opt['datasets']['val'] = video_test_set(clip_root, num_frame=3)
    opt['datasets']['val'].update(type='VideoTestVimeo90KDataset', meta_info_file=str(picture))
    opt['val'] = {'val_freq': 2, 'save_img': False, 'metrics': None}
    (line,) = lines(opt)
    assert line.startswith(
        "datasets.val: VideoTestVimeo90KDataset cannot be used so: 'utf-8' codec can't decode byte 0x89 in position 0"
    )


def reds_options(clip_root, meta):
    opt = as_host_model(tiny_options(clip_root))
    train = opt['datasets']['train']
    del train['exclude_clips']
    path = clip_root / 'meta.txt'
    path.write_text(meta)
    train.update(type='REDSDataset', dataroot_flow=None, meta_info_file=str(path), val_partition='REDS4')
    return opt


def test_samples_of_the_hosts_datasets(clip_root):
    opt = reds_options(clip_root, '000 100 (64,80,3)\n001 100 (64,80,3)\n')
    assert lines(opt) == []
    opt['datasets']['train']['batch_size_per_gpu'] = 101  # clip 000 is for validation
    assert 'has 100 samples an epoch, fewer than an iteration takes, 101' in lines(opt)[0]
    opt['datasets']['train']['dataset_enlarge_ratio'] = 2
    assert lines(opt) == []
    opt = reds_options(clip_root, '001 7 (64,80,3)\n')
    assert 'Clip 001 has 7 frames, but a REDSDataset takes clips of 100' in lines(opt)[0]
    opt = reds_options(clip_root, '001 seven\n')
    assert 'meta.txt, line 1: expected "clip frames (h,w,c)"' in lines(opt)[0]


def test_an_lmdb_that_the_host_would_open_twice(clip_root):
    for name in ('GT', 'X4'):
        make_lmdb(clip_root / name, clip_root / f'{name}.lmdb')
    opt = reds_options(clip_root, '000 100 (64,80,3)\n001 100 (64,80,3)\n')
    train = opt['datasets']['train']
    train.update(
        dataroot_gt=str(clip_root / 'GT.lmdb'), dataroot_lq=str(clip_root / 'X4.lmdb'), io_backend={'type': 'lmdb'}
    )
    assert lines(opt) == []
    train['dataroot_flow'] = f'{clip_root}/GT.lmdb/'
    assert lines(opt) == [
        'datasets.train.dataroot_flow: is the LMDB of dataroot_gt, which REDSDataset cannot open twice. Name another '
        'one.'
    ]


def test_data_that_is_missing_or_cut_off(clip_root):
    opt = tiny_options(clip_root)
    opt['datasets']['train']['meta_info_file'] = 'nowhere.txt'
    assert lines(opt) == ['datasets.train.meta_info_file: nowhere.txt does not exist.']
    make_lmdb(clip_root / 'GT', clip_root / 'GT.lmdb')
    make_lmdb(clip_root / 'X4', clip_root / 'X4.lmdb')
    opt = tiny_options(clip_root)
    opt['datasets']['train'].update(
        dataroot_gt=str(clip_root / 'GT.lmdb'), dataroot_lq=str(clip_root / 'X4.lmdb'), io_backend={'type': 'lmdb'}
    )
    assert lines(opt) == []
    data = clip_root / 'X4.lmdb' / 'data.mdb'
    data.write_bytes(data.read_bytes()[:5000])
    (line,) = lines(opt)
    assert line.startswith(f'datasets.train.dataroot_lq: {data} is cut off')
    shutil.rmtree(clip_root / 'X4' / '002')
    opt = tiny_options(clip_root)
    assert 'Clip 002 is missing in' in lines(opt)[0]


def test_sets_must_pair_and_be_long_enough(clip_root):
    opt = as_host_model(tiny_options(clip_root))
    opt['datasets']['train']['gt_frames'] = 'middle'
    opt['datasets']['val'] = video_test_set(clip_root, num_frame=3)
    opt['val'] = {'val_freq': 1, 'save_img': False, 'skip_frames': 3, 'metrics': {'tof': {'type': 'calculate_tof'}}}
    assert 'Clip 000 of Vid4 has 7 frames; val.metrics with val.skip_frames 3 need 8' in lines(opt)[0]
    opt['val']['skip_frames'] = 2
    assert lines(opt) == []
    (clip_root / 'GT' / '001' / '00000003.png').unlink()
    assert all('001' in line for line in lines(opt))
    assert len(lines(opt)) == 2


def test_folders_and_lmdbs_that_are_taken_for_one_another(clip_root):
    for name in ('GT', 'X4'):
        make_lmdb(clip_root / name, clip_root / f'{name}.lmdb')
    opt = tiny_options(clip_root)
    opt['datasets']['train']['dataroot_gt'] = str(clip_root / 'GT.lmdb')
    (line,) = lines(opt)
    assert line == (
        f'datasets.train.dataroot_gt: {clip_root}/GT.lmdb is an LMDB, but io_backend.type is disk. Set '
        'io_backend.type: lmdb.'
    )
    opt['datasets']['train']['io_backend']['type'] = 'lmdb'
    (line,) = lines(opt)
    assert line.startswith(
        f'datasets.train.dataroot_lq: {clip_root}/X4 is a folder, no LMDB, but io_backend.type is lmdb'
    )
    opt = as_host_model(tiny_options(clip_root))
    opt['datasets'] = {'test': video_test_set(clip_root, num_frame=3)}
    opt['val'] = {'save_img': False}
    opt['datasets']['test']['dataroot_lq'] = str(clip_root / 'X4.lmdb')
    del opt['train'], opt['logger']
    (line,) = lines(opt, is_train=False)
    assert line.endswith(
        'X4.lmdb is an LMDB, but io_backend.type is disk. A VideoTestDataset takes folders of frames alone.'
    )
