import cv2
import numpy as np
import pytest
import torch
from basicsr.utils.matlab_functions import imresize

from dlvr_plugin.data import ClipDataset
from dlvr_plugin.data.clip_store import ClipStore
from dlvr_plugin.data.prepare import complete_folder, make_bicubic_lq, make_lmdb
from dlvr_plugin.errors import DataError
from tests.conftest import make_clip


def test_lq_frames_are_the_hosts_imresize(clip_root):
    gt = cv2.imread(str(clip_root / 'GT/001/00000003.png'))
    lq = cv2.imread(str(clip_root / 'X4/001/00000003.png'))
    expected = np.clip(imresize(gt / 255.0, 0.25) * 255, 0, 255).round()
    assert np.abs(lq - expected).max() <= 1  # a value half-way may round either way
    assert (lq != expected).mean() < 0.001


def test_sizes_that_do_not_divide_are_cropped(tmp_path):
    make_clip(tmp_path / 'GT' / 'a', 1, (50, 63))
    make_bicubic_lq(tmp_path / 'GT', tmp_path / 'X4')
    assert cv2.imread(str(tmp_path / 'X4/a/00000000.png')).shape == (12, 15, 3)
    opt = {'name': 'odd', 'scale': 4, 'dataroot_gt': tmp_path / 'GT', 'dataroot_lq': tmp_path / 'X4'}
    dataset = ClipDataset({**opt, 'io_backend': {'type': 'disk'}, 'num_frame': 1, 'gt_size': 48})
    item = dataset[0]  # the pair fits: rows from 48 on are left out
    assert (torch.nn.functional.avg_pool2d(item['gt'][0], 4) - item['lq'][0]).abs().mean() < 0.03


def test_lmdb_holds_the_same_pixels(clip_root):
    make_lmdb(clip_root / 'GT', clip_root / 'GT.lmdb')
    folder, lmdb = ClipStore(clip_root / 'GT', is_lmdb=False), ClipStore(clip_root / 'GT.lmdb', is_lmdb=True)
    assert list(folder.clips) == list(lmdb.clips)
    assert lmdb.clips['002'].size == (64, 80)
    for index in range(7):
        pixels = folder.read(folder.clips['002'], index)
        assert np.array_equal(pixels, lmdb.read(lmdb.clips['002'], index))


def test_what_exists_is_kept(clip_root):
    before = (clip_root / 'X4/000/00000000.png').read_bytes()
    with pytest.raises(FileExistsError, match='X4 exists already'):
        make_bicubic_lq(clip_root / 'GT', clip_root / 'X4')
    assert (clip_root / 'X4/000/00000000.png').read_bytes() == before


def test_odd_sizes_are_refused_before_a_store_is_finished(clip_root):
    path = clip_root / 'GT/001/00000005.png'
    cv2.imwrite(str(path), cv2.imread(str(path))[:60])
    with pytest.raises(DataError, match=r'00000005.png \(clip 001, frame 5\) is 60x80'):
        make_lmdb(clip_root / 'GT', clip_root / 'GT.lmdb')
    assert not (clip_root / 'GT.lmdb').exists()


def test_an_unfinished_folder_never_gets_its_name(clip_root):
    (clip_root / 'GT/002/00000006.png').write_bytes(b'no image')
    with pytest.raises(DataError, match='00000006.png cannot be decoded'):
        make_lmdb(clip_root / 'GT', clip_root / 'GT.lmdb')
    assert not (clip_root / 'GT.lmdb').exists()
    with complete_folder(clip_root / 'new') as partial:
        partial.mkdir()
        assert not (clip_root / 'new').exists()
    assert (clip_root / 'new').is_dir()
