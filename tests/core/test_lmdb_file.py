import shutil

import lmdb
import numpy as np
import pytest
from basicsr.utils import FileClient

from dlvr_plugin.clips.clip_store import ClipStore
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.lmdb_file import RecordMap, find_lmdb_problem, prefetch
from tests.helpers import make_lmdb


@pytest.fixture
def many_records(tmp_path):
    """An LMDB with a tree of several levels, records of all sizes, some replaced and some deleted."""
    generator = np.random.default_rng(0)
    root = tmp_path / 'many.lmdb'
    with lmdb.open(str(root), map_size=2**28) as env:
        for part in range(4):
            with env.begin(write=True) as transaction:
                for number in range(part * 400, part * 400 + 800):  # half of it replaces what the part before wrote
                    length = int(generator.integers(1, 9000))
                    transaction.put(b'%05d/frame' % number, generator.bytes(length))
        with env.begin(write=True) as transaction:
            for number in range(0, 2000, 7):
                transaction.delete(b'%05d/frame' % number)
    return root


def test_every_record_is_where_the_library_finds_it(many_records):
    records = RecordMap(many_records / 'data.mdb')
    num_found = 0
    with lmdb.open(str(many_records), readonly=True, lock=False) as env, env.begin() as transaction:
        expected = dict(transaction.cursor())
    assert len(expected) > 1500
    for key, value in expected.items():
        found = records.get(key)
        if len(value) < 2100:  # inside a page of the tree: left to the library
            continue
        num_found += 1
        assert bytes(found) == value
    assert num_found > 1000
    assert records.get(b'00000/frame') is None  # deleted
    assert records.get(b'nothing') is None


def test_the_host_reads_all_sizes(many_records):
    client = FileClient('lmdb', db_paths=[str(many_records)], client_keys=['x'])
    with _open_copy(many_records) as env, env.begin() as transaction:
        for key, value in transaction.cursor():
            assert client.get(key.decode(), 'x') == value
    with pytest.raises(DataError, match='key nothing of .*many.lmdb is missing'):
        client.get('nothing', 'x')


def _open_copy(root):
    """Open a copy: a process may have an LMDB open once."""
    copy = root.with_name('copy.lmdb')
    shutil.copytree(root, copy)
    return lmdb.open(str(copy), readonly=True, lock=False)


def test_other_files_are_left_to_the_library(tmp_path):
    (tmp_path / 'data.mdb').write_bytes(b'\0' * 9000)
    assert RecordMap(tmp_path / 'data.mdb').get(b'key') is None


@pytest.mark.parametrize('part', [0.9, 0.3])
def test_a_file_that_was_cut_off_is_refused_before_it_is_touched(clip_root, part):
    make_lmdb(clip_root / 'GT', clip_root / 'GT.lmdb')
    file = clip_root / 'GT.lmdb' / 'data.mdb'
    content = file.read_bytes()
    assert find_lmdb_problem(clip_root / 'GT.lmdb') is None
    file.write_bytes(content[: int(len(content) * part)])
    message = r'data.mdb is cut off: it has \d+ bytes of \d+'
    with pytest.raises(DataError, match=message):
        ClipStore(clip_root / 'GT.lmdb')
    with pytest.raises(DataError, match=message):
        FileClient('lmdb', db_paths=[str(clip_root / 'GT.lmdb')], client_keys=['gt'])


def test_damaged_beginnings_and_missing_files_are_named(clip_root):
    make_lmdb(clip_root / 'GT', clip_root / 'GT.lmdb')
    file = clip_root / 'GT.lmdb' / 'data.mdb'
    file.write_bytes(b'no LMDB at all' * 1000)
    assert 'data.mdb cannot be read' in find_lmdb_problem(clip_root / 'GT.lmdb')
    with pytest.raises(DataError, match='An LMDB cannot be opened'):
        FileClient('lmdb', db_paths=[str(clip_root / 'GT.lmdb')], client_keys=['gt'])
    file.unlink()
    assert 'data.mdb is missing' in find_lmdb_problem(clip_root / 'GT.lmdb')


def test_prefetching_reads_and_changes_nothing():
    array = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)
    before = array.copy()
    prefetch([array[2:5, 3:6], array[::2]])
    assert np.array_equal(array, before)


def test_damaged_pages_are_named(clip_root):
    make_lmdb(clip_root / 'GT', clip_root / 'GT.lmdb', codec='png')
    file = clip_root / 'GT.lmdb' / 'data.mdb'
    content = bytearray(file.read_bytes())
    for start in range(2 * 4096, len(content), 4096):
        content[start + 10 : start + 12] = b'\0\0'  # the flags of a page say of which kind it is
    file.write_bytes(content)
    store = ClipStore(clip_root / 'GT.lmdb')
    with pytest.raises(DataError, match=r'GT\.lmdb'):
        store.read(store.clips['000'], 0)
