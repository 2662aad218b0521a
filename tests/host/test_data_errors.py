import os

import pytest
from basicsr.data import data_util
from basicsr.data.prefetch_dataloader import PrefetchDataLoader
from basicsr.utils import FileClient, imfrombytes
from torch.utils.data import Dataset

from dlvr_plugin.core.errors import DataError


def test_missing_and_empty_files_are_named(tmp_path):
    client = FileClient('disk')
    with pytest.raises(DataError, match='nothing.png does not exist'):
        client.get(tmp_path / 'nothing.png')
    (tmp_path / 'empty.png').write_bytes(b'')
    with pytest.raises(DataError, match='empty.png is empty'):
        client.get(tmp_path / 'empty.png')


def test_images_that_cannot_be_decoded_are_named(tmp_path):
    (tmp_path / 'broken.png').write_bytes(b'\x89PNG no more')
    with pytest.raises(DataError, match='broken.png cannot be decoded'):
        imfrombytes(FileClient('disk').get(tmp_path / 'broken.png'))
    with pytest.raises(DataError, match='the image cannot be decoded'):
        imfrombytes(b'bytes without a source', float32=True)


def test_the_hosts_reds_dataset_names_bad_frames(clip_root):
    import cv2
    from basicsr.data.reds_dataset import REDSRecurrentDataset

    (clip_root / 'meta.txt').write_text('000 100 (64,80,3)\n')
    opt = {
        'dataroot_gt': str(clip_root / 'GT'),
        'dataroot_lq': str(clip_root / 'X4'),
        'meta_info_file': str(clip_root / 'meta.txt'),
        'val_partition': 'official',
        'test_mode': False,
        'io_backend': {'type': 'disk'},
        'num_frame': 3,
        'gt_size': 32,
        'scale': 4,
        'use_hflip': False,
        'use_rot': False,
    }
    dataset = REDSRecurrentDataset(opt)
    assert dataset[0]['gt'].shape == (3, 3, 32, 32)
    path = clip_root / 'GT' / '000' / '00000001.png'
    cv2.imwrite(str(path), cv2.imread(str(path))[:60])
    with pytest.raises(DataError, match='GT frames of the clip of .*000.* differ in size'):
        dataset[0]
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match='00000001.png cannot be decoded'):
        dataset[0]
    path.unlink()
    with pytest.raises(DataError, match='00000001.png does not exist'):
        dataset[0]


class FailingDataset(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 2:
            raise DataError('frame 2 is damaged')
        return index


def test_errors_reach_the_training_loop_through_the_prefetcher():
    iterator = iter(PrefetchDataLoader(num_prefetch_queue=1, dataset=FailingDataset(), batch_size=1))
    assert [int(next(iterator)), int(next(iterator))] == [0, 1]
    with pytest.raises(DataError, match='frame 2 is damaged'):
        next(iterator)


def test_prefetching_ends_as_before():
    class Short(FailingDataset):
        def __len__(self):
            return 2

    assert len(list(PrefetchDataLoader(num_prefetch_queue=1, dataset=Short(), batch_size=1))) == 2


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / '0.png')
    os.mkfifo(tmp_path / 'data.mdb')
    with pytest.raises(DataError, match='0.png is a FIFO, not a file'):
        FileClient('disk').get(tmp_path / '0.png')
    with pytest.raises(DataError, match='0.png is a FIFO, not a file'):
        data_util.read_img_seq([str(tmp_path / '0.png')])
    with pytest.raises(DataError, match='data.mdb is a FIFO, not a file'):
        FileClient('lmdb', db_paths=[str(tmp_path)], client_keys=['gt'])
