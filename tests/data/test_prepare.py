import io
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest
import torch
from basicsr.utils import get_root_logger
from basicsr.utils.matlab_functions import imresize
from tqdm import tqdm

from dlvr_plugin.clips import store_writer
from dlvr_plugin.clips.clip_store import ClipStore
from dlvr_plugin.core.errors import DataError, InUseError
from dlvr_plugin.core.folder_lock import FolderLock, lock_beside
from dlvr_plugin.data import ClipDataset, Degradation
from dlvr_plugin.data import prepare as prepare_module
from dlvr_plugin.data.prepare import prepare_store
from dlvr_plugin.data.processing import Processing
from tests.conftest import make_clip
from tests.helpers import make_lmdb, make_lq


def read_records(root: Path) -> dict[bytes, bytes]:
    """Return all records, read from a copy: a process may have an LMDB open once."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(root / 'data.mdb', folder)
        with lmdb.open(folder, readonly=True, lock=False) as env, env.begin() as transaction:
            return dict(transaction.cursor())


def read_meta(root: Path) -> list[str]:
    return [(root / name).read_text() for name in ('meta_info.txt', 'meta_info_clips.txt')]


def test_lq_frames_are_the_hosts_imresize(clip_root):
    gt = cv2.imread(str(clip_root / 'GT/001/00000003.png'))
    lq = cv2.imread(str(clip_root / 'X4/001/00000003.png'))
    expected = np.clip(imresize(gt / 255.0, 0.25) * 255, 0, 255).round()
    assert np.abs(lq - expected).max() <= 1  # a value half-way may round either way
    assert (lq != expected).mean() < 0.01


def test_sizes_that_do_not_divide_are_cropped(tmp_path):
    make_clip(tmp_path / 'GT' / 'a', 1, (50, 63))
    make_lq(tmp_path / 'GT', tmp_path / 'X4')
    assert cv2.imread(str(tmp_path / 'X4/a/00000000.png')).shape == (12, 15, 3)
    opt = {'name': 'odd', 'scale': 4, 'dataroot_gt': tmp_path / 'GT', 'dataroot_lq': tmp_path / 'X4'}
    dataset = ClipDataset({**opt, 'io_backend': {'type': 'disk'}, 'num_frame': 1, 'gt_size': 48})
    item = dataset[0]  # the pair fits: rows from 48 on are left out
    assert (torch.nn.functional.avg_pool2d(item['gt'][0], 4) - item['lq'][0]).abs().mean() < 0.03


@pytest.mark.parametrize('codec', ['raw', 'png'])
@pytest.mark.parametrize('num_workers', [0, 2])
def test_stores_hold_the_same_pixels(clip_root, codec, num_workers):
    prepare_store(clip_root / 'GT', clip_root / 'GT.lmdb', processing=Processing(codec=codec), num_workers=num_workers)
    folder, store = ClipStore(clip_root / 'GT'), ClipStore(clip_root / 'GT.lmdb')
    assert list(folder.clips) == list(store.clips)
    assert store.clips['002'].size == (64, 80)
    for name, clip in folder.clips.items():
        for index in range(7):
            assert np.array_equal(folder.read(clip, index), store.read(store.clips[name], index))
    suffix = {'raw': r'npy (64,80,3) 0', 'png': r'png (64,80,3) 1'}[codec]
    lines, clips = (text.splitlines() for text in read_meta(clip_root / 'GT.lmdb'))
    assert lines[0].startswith(f'000/00000000.{suffix}')
    assert clips == ['000 7 (64,80,3)', '001 7 (64,80,3)', '002 7 (64,80,3)']
    assert len(lines) == len(read_records(clip_root / 'GT.lmdb')) == 21


def test_a_png_store_is_what_the_framework_makes(clip_root):
    from basicsr.utils.lmdb_util import make_lmdb_from_imgs

    make_lmdb(clip_root / 'GT', clip_root / 'GT.lmdb', 'png')
    paths = sorted(path.relative_to(clip_root / 'GT').as_posix() for path in (clip_root / 'GT').glob('*/*.png'))
    keys = [path.removesuffix('.png') for path in paths]
    make_lmdb_from_imgs(str(clip_root / 'GT'), str(clip_root / 'host.lmdb'), paths, keys, map_size=2**26)
    assert read_records(clip_root / 'GT.lmdb') == read_records(clip_root / 'host.lmdb')
    assert (clip_root / 'GT.lmdb/meta_info.txt').read_text() == (clip_root / 'host.lmdb/meta_info.txt').read_text()


def test_what_exists_is_kept_unless_forced(clip_root):
    make_lmdb(clip_root / 'GT', clip_root / 'GT.lmdb')
    before = read_records(clip_root / 'GT.lmdb')
    with pytest.raises(FileExistsError, match='GT.lmdb exists already. --force replaces it'):
        make_lmdb(clip_root / 'X4', clip_root / 'GT.lmdb')
    assert read_records(clip_root / 'GT.lmdb') == before
    prepare_store(clip_root / 'X4', clip_root / 'GT.lmdb', force=True)
    assert ClipStore(clip_root / 'GT.lmdb').clips['000'].size == (16, 20)
    assert not [path for path in clip_root.iterdir() if path.name.startswith('.')]


def test_force_replaces_stores_only(clip_root):
    (clip_root / 'X4/.prepare.json').unlink()
    with pytest.raises(DataError, match='X4 is no store, and is not replaced'):
        prepare_store(clip_root / 'GT', clip_root / 'X4', force=True)
    assert len(list(clip_root.glob('X4/*/*.png'))) == 21


def test_a_store_that_is_read_is_not_written_to(clip_root):
    make_lmdb(clip_root / 'GT', clip_root / 'GT.lmdb')
    before = {path.name: path.stat().st_mtime_ns for path in (clip_root / 'GT.lmdb').iterdir()}
    store = ClipStore(clip_root / 'GT.lmdb')
    store.read(store.clips['000'], 0)
    assert {path.name: path.stat().st_mtime_ns for path in (clip_root / 'GT.lmdb').iterdir()} == before
    assert sorted(before) == ['.prepare.json', 'data.mdb', 'meta_info.txt', 'meta_info_clips.txt']


def test_a_failing_replacement_leaves_the_old_store(clip_root):
    make_lmdb(clip_root / 'GT', clip_root / 'GT.lmdb')
    before = read_records(clip_root / 'GT.lmdb')
    (clip_root / 'X4/001/00000003.png').write_bytes(b'no image')
    with pytest.raises(DataError, match='00000003.png cannot be decoded'):
        prepare_store(clip_root / 'X4', clip_root / 'GT.lmdb', force=True)
    assert read_records(clip_root / 'GT.lmdb') == before


@pytest.mark.parametrize('target', ['GT.lmdb', 'copy'])
def test_goes_on_where_it_stopped_when_the_source_is_mended(clip_root, target):
    bad = clip_root / 'GT/001/00000005.png'
    good = bad.read_bytes()
    cv2.imwrite(str(bad), cv2.imread(str(bad))[:60])
    with pytest.raises(DataError, match=r'Frame 001/00000005 is \(60, 80\) \(h, w\), but 001/00000000 is \(64, 80\)'):
        prepare_store(clip_root / 'GT', clip_root / target)
    assert not (clip_root / target).exists()
    partial = store_writer.partial_path(clip_root / target)
    assert len((partial / '.journal.jsonl').read_text().splitlines()) == 7 + 5
    bad.write_bytes(good)
    read = []
    original = ClipStore.read
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClipStore, 'read', lambda *args, **kwargs: read.append(args[1:3]) or original(*args, **kwargs))
        prepare_store(clip_root / 'GT', clip_root / target)
    assert len(read) >= 21 - 12
    assert len([clip for clip, _ in read if clip.name == '000']) <= 2  # a sample for the size of PNGs, nothing more
    prepare_store(clip_root / 'GT', clip_root / f'other_{target}')
    if target == 'copy':
        pairs = zip(
            sorted((clip_root / 'copy').glob('*/*')), sorted((clip_root / 'other_copy').glob('*/*')), strict=True
        )
        assert all(a.read_bytes() == b.read_bytes() for a, b in pairs)
    else:
        assert read_records(clip_root / target) == read_records(clip_root / f'other_{target}')


def test_a_source_that_changed_meanwhile_is_read_again_and_one_that_went_is_dropped(clip_root):
    (clip_root / 'GT/002/00000006.png').write_bytes(b'no image')
    with pytest.raises(DataError, match='00000006.png cannot be decoded'):
        make_lmdb(clip_root / 'GT', clip_root / 'GT.lmdb')
    shutil.rmtree(clip_root / 'GT/001')
    (clip_root / 'GT/002/00000006.png').unlink()
    changed = 255 - cv2.imread(str(clip_root / 'GT/000/00000003.png'))
    cv2.imwrite(str(clip_root / 'GT/000/00000003.png'), changed)
    make_lmdb(clip_root / 'GT', clip_root / 'GT.lmdb')
    store = ClipStore(clip_root / 'GT.lmdb')
    assert {name: len(clip.frames) for name, clip in store.clips.items()} == {'000': 7, '002': 6}
    assert len(read_records(clip_root / 'GT.lmdb')) == 13
    assert np.array_equal(store.read(store.clips['000'], 3), changed)


def test_other_arguments_do_not_go_on(clip_root):
    (clip_root / 'GT/002/00000006.png').write_bytes(b'no image')
    with pytest.raises(DataError, match='cannot be decoded'):
        make_lmdb(clip_root / 'GT', clip_root / 'GT.lmdb', 'raw')
    with pytest.raises(DataError, match=r'was begun with other arguments \(codec\)'):
        make_lmdb(clip_root / 'GT', clip_root / 'GT.lmdb', 'png')
    shutil.rmtree(clip_root / 'GT/002')
    prepare_store(clip_root / 'GT', clip_root / 'GT.lmdb', processing=Processing(codec='png'), force=True)
    assert all(record.startswith(b'\x89PNG') for record in read_records(clip_root / 'GT.lmdb').values())


def test_two_processes_do_not_make_one_store(clip_root):
    target = clip_root / 'GT.lmdb'
    with FolderLock(lock_beside(target), target), pytest.raises(InUseError, match=r'GT.lmdb is in use: process \d+ on'):
        make_lmdb(clip_root / 'GT', target)
    assert sorted(path.name for path in clip_root.iterdir()) == ['GT', 'X4']
    make_lmdb(clip_root / 'GT', target)
    assert sorted(path.name for path in clip_root.iterdir()) == ['GT', 'GT.lmdb', 'X4']


@pytest.mark.parametrize('largest', [1000, 20_000, 60_000])
@pytest.mark.parametrize('target', ['GT.lmdb', 'GT_png'])
def test_a_full_disk_is_named_and_the_same_command_goes_on(clip_root, target, largest, monkeypatch):
    """The limit stands for the disk: it leaves room for nothing, for the head of an LMDB, or for some frames.

    What is printed goes to memory: pytest would catch it in a file, which the limit would hold for, too.
    """
    monkeypatch.setattr(sys, 'stderr', io.StringIO())
    monkeypatch.setattr(get_root_logger(), 'disabled', True)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, limits[1]))
    try:
        if target == 'GT.lmdb' or largest == 1000:
            with pytest.raises(OSError, match=rf'\.{target}\.partial'):
                prepare_store(clip_root / 'GT', clip_root / target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    prepare_store(clip_root / 'GT', clip_root / target)
    assert len(ClipStore(clip_root / target).clips) == 3


@pytest.mark.parametrize('target', ['GT.lmdb', 'GT_png'])
def test_links_in_place_of_what_is_begun_or_replaced_are_not_followed(clip_root, target):
    precious = clip_root / 'precious'
    precious.mkdir()
    (precious / 'file').touch()
    prepare_store(clip_root / 'GT', clip_root / target)
    stem, suffix = target.partition('.')[::2]
    for name in (f'.{target}.partial', f'.{stem}.old' + (f'.{suffix}' if suffix else '')):
        (clip_root / name).symlink_to(precious)
    prepare_store(clip_root / 'GT', clip_root / target, force=True)
    assert [path.name for path in precious.iterdir()] == ['file']
    assert len(ClipStore(clip_root / target).clips) == 3
    assert sorted(path.name for path in clip_root.iterdir()) == sorted(['GT', target, 'X4', 'precious'])


def test_too_little_space_is_said_before_anything_is_read(clip_root, monkeypatch):
    monkeypatch.setattr(prepare_module.shutil, 'disk_usage', lambda path: shutil._ntuple_diskusage(10, 10, 1000))
    with pytest.raises(OSError, match='21 frames, about 0.00 GB; 0.00 GB are free. Make room'):
        make_lmdb(clip_root / 'GT', clip_root / 'GT.lmdb')
    assert not (clip_root / 'GT.lmdb').exists()


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (np.zeros((64, 80, 3), np.uint16), 'has 16 bits a channel. Convert it to 8-bit RGB first'),
        (np.zeros((64, 80, 4), np.uint8), 'has an alpha channel. Convert it to 8-bit RGB first'),
    ],
)
def test_frames_that_would_lose_something_are_refused(clip_root, image, message):
    cv2.imwrite(str(clip_root / 'GT/001/00000002.png'), image)
    with pytest.raises(DataError, match=rf'00000002.png \(clip 001, frame 2\) {message}'):
        make_lmdb(clip_root / 'GT', clip_root / 'GT.lmdb')


def test_names_are_made_fit_for_keys_and_twins_are_refused(tmp_path):
    make_clip(tmp_path / 'GT' / 'my clip.v2', 2, (16, 16))
    make_lmdb(tmp_path / 'GT', tmp_path / 'GT.lmdb')
    assert list(ClipStore(tmp_path / 'GT.lmdb').clips) == ['my_clip_v2']
    make_clip(tmp_path / 'GT' / 'my_clip_v2', 2, (16, 16))
    with pytest.raises(DataError, match='my clip.v2 and my_clip_v2 would both be named my_clip_v2'):
        make_lmdb(tmp_path / 'GT', tmp_path / 'other.lmdb')


def test_subfolders_and_chosen_clips(tmp_path):
    for clip in ('a', 'b', 'c'):
        make_clip(tmp_path / 'scenes' / clip / 'GT', 2, (16, 16), suffix='.jpg')
    prepare_store(tmp_path / 'scenes', tmp_path / 'GT', subfolder='GT', clips=['a', 'c'])
    assert sorted(path.relative_to(tmp_path / 'GT').as_posix() for path in (tmp_path / 'GT').glob('*/*')) == [
        'a/00000000.png',
        'a/00000001.png',
        'c/00000000.png',
        'c/00000001.png',
    ]
    with pytest.raises(DataError, match='scenes has no d. It has: a, b, c'):
        prepare_store(tmp_path / 'scenes', tmp_path / 'other', subfolder='GT', exclude_clips=['d'])


def test_downscaling_and_degrading(clip_root):
    halved = Processing(codec='raw', downscale=2)
    prepare_store(clip_root / 'GT', clip_root / 'half.lmdb', processing=halved)
    assert ClipStore(clip_root / 'half.lmdb').clips['000'].size == (32, 40)
    blur = Processing(codec='raw', degradation=Degradation(type='motion_blur', scale=1, num_frame=3))
    prepare_store(clip_root / 'half.lmdb', clip_root / 'blur.lmdb', processing=blur)
    sharp, blurred = ClipStore(clip_root / 'half.lmdb'), ClipStore(clip_root / 'blur.lmdb')
    frames = [sharp.read(sharp.clips['001'], index).astype(float) for index in (2, 3, 4)]
    difference = blurred.read(blurred.clips['001'], 3) - np.mean(frames, axis=0)
    assert np.abs(difference).max() <= 0.501


def test_raw_records_need_an_lmdb(clip_root):
    with pytest.raises(ValueError, match='raw records need an LMDB'):
        prepare_store(clip_root / 'GT', clip_root / 'copy', processing=Processing(codec='raw'))


@pytest.mark.slow
@pytest.mark.parametrize('target', ['GT.lmdb', 'GT_png'])
def test_a_kill_at_any_moment_loses_nothing(tmp_path, monkeypatch, target):
    monkeypatch.setattr(store_writer, '_COMMIT_BYTES', 2**18)
    for clip in range(6):
        make_clip(tmp_path / 'GT' / f'{clip:03d}', 20, (160, 240), seed=clip)
    start = time.perf_counter()
    prepare_store(tmp_path / 'GT', tmp_path / 'whole' / target, num_workers=2)
    duration = time.perf_counter() - start
    begun = 0
    for number in range(10):
        place = tmp_path / str(number) / target
        pid = os.fork()
        if pid == 0:
            tqdm.set_lock(threading.RLock())  # the bars' own lock would stay taken in this process, too
            prepare_store(tmp_path / 'GT', place, num_workers=2)
            os._exit(0)
        time.sleep(random.uniform(0, duration))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        begun += store_writer.partial_path(place).exists()
        if not place.exists():
            prepare_store(tmp_path / 'GT', place, num_workers=2)
        if target == 'GT.lmdb':
            assert read_records(place) == read_records(tmp_path / 'whole' / target)
            assert read_meta(place) == read_meta(tmp_path / 'whole' / target)
        else:
            pairs = zip(sorted(place.glob('*/*')), sorted((tmp_path / 'whole' / target).glob('*/*')), strict=True)
            assert all(a.read_bytes() == b.read_bytes() for a, b in pairs)
    assert begun >= 5  # most were killed in the middle
