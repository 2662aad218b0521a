import pytest
import torch
from basicsr.data.prefetch_dataloader import PrefetchDataLoader
from basicsr.utils import FileClient, imfrombytes
from torch.utils.data import Dataset

from dlvr_plugin.errors import DataError
from dlvr_plugin.host import adapt
from dlvr_plugin.host.adaptation import Adaptation, source_has
from dlvr_plugin.host.distributed import init_dist_pytorch


def test_each_is_applied_once_at_most():
    assert adapt() == []


def test_a_host_that_is_right_is_left_alone():
    done = []
    right = Adaptation('none', is_present=lambda: False, repair=lambda: done.append('right'))
    wrong = Adaptation('some', is_present=lambda: True, repair=lambda: done.append('wrong'))
    assert (right.apply_if_needed(), wrong.apply_if_needed()) == (False, True)
    assert done == ['wrong']


def test_defects_are_told_by_the_source():
    def host_function():
        return torch.zeros(1, device='cuda')

    assert source_has(host_function, "device='cuda'")
    assert not source_has(host_function, "device='cuda'", 'another')
    host_function.__wrapped__ = host_function  # repaired already
    assert not source_has(host_function, "device='cuda'")


def test_missing_and_empty_files_are_named(tmp_path):
    client = FileClient('disk')
    with pytest.raises(DataError, match='nothing.png cannot be read: No such file'):
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
    with pytest.raises(DataError, match='00000001.png cannot be read'):
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


def test_launcher_without_torchrun_says_how_to_start(monkeypatch):
    for name in ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match='RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR is not set.*dist_train.sh'):
        init_dist_pytorch()


@pytest.mark.skipif(torch.cuda.is_available(), reason='the refusal needs more processes than GPUs')
def test_more_processes_than_gpus_are_refused(monkeypatch):
    for name, value in {'RANK': '5', 'LOCAL_RANK': '1', 'WORLD_SIZE': '6', 'MASTER_ADDR': 'localhost'}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    with pytest.raises(ValueError, match='Process 1 of this node has no GPU: it has 1'):
        init_dist_pytorch()
