import re
import shutil

import cv2
import lmdb
import numpy as np
import pytest

from dlvr_plugin.clips.clip_store import read_meta_info
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.data import ClipDataset
from dlvr_plugin.data.store_integrity import check_meta_info, check_pairs, check_store, find_png_damage
from tests.data.test_clip_dataset import lmdb_options, read_all
from tests.helpers import make_lmdb


def errors(findings):
    return [f'{finding.where}: {finding.what}' for finding in findings if finding.level == 'error']


def warnings(findings):
    return [f'{finding.where}: {finding.what}' for finding in findings if finding.level == 'warning']


@pytest.fixture
def store(clip_root, request):
    codec = getattr(request, 'param', 'raw')
    lmdb_options(clip_root, codec)
    return clip_root / 'GT.lmdb'


def change_record(root, key, change):
    with lmdb.open(str(root), map_size=2**28) as env, env.begin(write=True) as transaction:
        content = change(transaction.get(key))
        transaction.delete(key)
        if content is not None:
            transaction.put(key, content)


def flip(position):
    def change(content):
        damaged = bytearray(content)
        damaged[position] ^= 1
        return bytes(damaged)

    return change


@pytest.mark.parametrize('store', ['raw', 'png'], indirect=True)
@pytest.mark.parametrize('num_workers', [0, 2])
def test_a_good_store_has_no_findings_but_notes(store, num_workers):
    report = check_store(store, num_workers=num_workers)
    assert [finding for finding in report.findings if finding.level != 'note'] == []
    assert len(report.digests) == 3


def training(store):
    return ClipDataset(lmdb_options(store.parent))


@pytest.mark.parametrize('store', ['raw', 'png'], indirect=True)
@pytest.mark.parametrize('part', [0.2, 0.9])
def test_a_file_that_was_cut_off(store, part):
    file = store / 'data.mdb'
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * part)])
    assert 'data.mdb: ' in errors(check_store(store).findings)[0]
    with pytest.raises(DataError, match='GT.lmdb/data.mdb'):
        training(store)


@pytest.mark.parametrize('store', ['png'], indirect=True)
@pytest.mark.parametrize('position', [3, 20, 200, 2000, -20, -6, -1])
def test_any_flipped_byte_of_a_png(store, position):
    change_record(store, b'001/00000004', flip(position))
    (found,) = errors(check_store(store).findings)
    assert '001/00000004' in found
    if abs(position) > 6:  # behind the picture, where a byte changes nothing, training goes on
        with pytest.raises(DataError, match='key 001/00000004 of .*GT.lmdb'):
            read_all(training(store))


@pytest.mark.parametrize('store', ['raw'], indirect=True)
@pytest.mark.parametrize('position', [3, 60, 200, 5000, -1])
def test_any_flipped_byte_of_a_raw_record(store, position):
    change_record(store, b'001/00000004', flip(position))
    (found,) = errors(check_store(store).findings)
    assert '001/00000004' in found


@pytest.mark.parametrize('store', ['raw', 'png'], indirect=True)
def test_a_missing_key_and_one_that_is_not_listed(store):
    change_record(store, b'001/00000004', lambda content: None)
    change_record(store, b'001/00000099', lambda content: b'surplus')
    findings = check_store(store).findings
    assert [re.sub(' of .*', '', found) for found in errors(findings)] == [
        f'{store}: clip 001, frame 4: key 001/00000004'
    ]
    assert warnings(findings) == [f'{store}: key 001/00000099: 1 records are not in meta_info.txt']
    with pytest.raises(DataError, match='key 001/00000004 of .*GT.lmdb is missing'):
        read_all(training(store))


@pytest.mark.parametrize('store', ['raw', 'png'], indirect=True)
def test_a_wrong_shape_in_the_meta_file(store):
    meta = store / 'meta_info.txt'
    meta.write_text(re.sub(r'(001/.*)\(64,80,3\)', r'\1(80,64,3)', meta.read_text()))
    found = errors(check_store(store).findings)
    assert len(found) == 7
    assert 'key 001/00000000' in found[0]
    assert 'is 64x80 pixels (h x w), but its clip is 80x64' in found[0]
    with pytest.raises(DataError, match='key 001/0000000. of .* is 64x80'):
        read_all(training(store))


def test_a_wrong_type(store):
    import io

    wide = io.BytesIO()
    np.save(wide, np.zeros((64, 80, 3), np.uint16))
    change_record(store, b'002/00000001', lambda content: wide.getvalue())
    (found,) = errors(check_store(store).findings)
    assert 'key 002/00000001' in found
    assert 'holds uint16 (64, 80, 3)' in found
    with pytest.raises(DataError, match=r'key 002/00000001 of .* holds uint16 \(64, 80, 3\)'):
        read_all(training(store))


def test_an_unfinished_store(store):
    (store / 'meta_info.txt').unlink()
    (found,) = errors(check_store(store).findings)
    assert 'meta_info.txt is missing' in found


def test_a_meta_file_that_names_what_is_not_there(store, tmp_path):
    meta = tmp_path / 'meta.txt'
    meta.write_text('000 7 (64,80,3)\n001 9 (64,80,3)\n002 7 (80,64,3)\n007 7 (64,80,3)\n')
    found = errors(check_meta_info(read_meta_info(meta), check_store(store).store, 'meta.txt'))
    assert found == [
        'meta.txt: clip 001 has 7 frames, not 9',
        'meta.txt: clip 002 is (64, 80) (h, w), not (80, 64)',
        f'meta.txt: names clip 007, which {store} does not hold',
    ]
    with pytest.raises(DataError, match='Clip 001 of .* has 7 frames, but .* says 9'):
        ClipDataset(lmdb_options(store.parent, meta_info_file=str(meta)))


def test_folders_with_gaps_odd_sizes_and_damage(clip_root):
    (clip_root / 'GT/000/00000003.png').unlink()
    cv2.imwrite(str(clip_root / 'GT/001/00000005.png'), np.zeros((60, 80, 3), np.uint8))
    (clip_root / 'GT/002/00000002.png').write_bytes(b'no image')
    found = errors(check_store(clip_root / 'GT').findings)
    assert found[0] == f'{clip_root}/GT: clip 000: has a gap: 00000003 missing'
    assert found[1] == f'{clip_root}/GT: clip 001, frame 5: is (60, 80) (h, w), the frames before it are (64, 80)'
    assert 'clip 002, frame 2' in found[2]
    assert '00000002.png cannot be decoded' in found[2]


def test_frozen_and_repeated_frames(clip_root):
    for index in (3, 4):
        shutil.copy(clip_root / 'GT/000/00000002.png', clip_root / f'GT/000/{index:08d}.png')
    shutil.copy(clip_root / 'GT/001/00000000.png', clip_root / 'GT/002/00000005.png')
    assert warnings(check_store(clip_root / 'GT').findings) == [
        f'{clip_root}/GT: clip 000: frames 2 to 4 are identical',
        f'{clip_root}/GT: clip 002: holds frames of clip 001, too',
    ]


def test_what_pngs_lose(clip_root):
    cv2.imwrite(str(clip_root / 'GT/000/00000003.png'), np.full((64, 80, 3), 500, np.uint16))
    assert warnings(check_store(clip_root / 'GT').findings) == [
        f'{clip_root}/GT: clip 000: 1 frames: PNG has 16 bits a channel, which training drops'
    ]


def pairs(gt_root, lq_root, scale=None):
    return errors(check_pairs(check_store(gt_root).store, check_store(lq_root).store, scale))


def test_good_pairs(clip_root):
    assert pairs(clip_root / 'GT', clip_root / 'X4') == []
    assert pairs(clip_root / 'GT', clip_root / 'X4', 4) == []


def test_pairs_that_differ_in_names_lengths_and_sizes(clip_root):
    shutil.rmtree(clip_root / 'X4/000')
    (clip_root / 'X4/001/00000006.png').unlink()
    for path in (clip_root / 'X4/002').iterdir():
        cv2.imwrite(str(path), cv2.imread(str(path))[:15])
    found = pairs(clip_root / 'GT', clip_root / 'X4', 4)
    assert found[0] == f'{clip_root}/X4: clip 000: Clip 000 is missing in {clip_root}/X4.'
    assert found[1] == f'{clip_root}/X4: clip 001: Frame 001/00000006 is missing in {clip_root}/X4.'
    what = 'LQ frames are (15, 20) (h, w), GT frames (64, 80), which is not 4 times as much'
    assert found[2] == f'{clip_root}/X4: clip 002: {what}'


def test_pairs_of_which_one_is_shifted(tmp_path):
    from dlvr_plugin.data.prepare import make_demo_clips

    make_demo_clips(tmp_path / 'demo', num_frames=3)
    gt, lq = tmp_path / 'demo/train_sharp', tmp_path / 'demo/train_sharp_bicubic/X4'
    assert pairs(gt, lq) == []
    for path in (lq / '001').iterdir():
        cv2.imwrite(str(path), np.roll(cv2.imread(str(path)), 1, axis=1))
    found = pairs(gt, lq)
    assert found == [
        f'{lq}: clip 001, frame {index}: LQ is shifted against GT by (0, -4) ground-truth pixels (down, right)'
        for index in (0, 1)
    ]


def test_chunks_of_a_png():
    content = cv2.imencode('.png', np.zeros((9, 9, 3), np.uint8))[1].tobytes()
    assert find_png_damage(content) is None
    assert find_png_damage(content[:-12]) == 'is cut off'
    assert find_png_damage(flip(-1)(content)).startswith('is damaged: the checksum of its part at byte')


def test_raw_stores_of_the_pair_may_be_png_and_raw(clip_root):
    make_lmdb(clip_root / 'GT', clip_root / 'GT.lmdb', 'raw')
    make_lmdb(clip_root / 'X4', clip_root / 'X4.lmdb', 'png')
    assert pairs(clip_root / 'GT.lmdb', clip_root / 'X4.lmdb') == []
