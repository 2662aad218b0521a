"""Reading records of LMDBs where they lie in the file, without touching the rest of them.

The library that reads LMDBs touches every page of a record that is asked for, so that a crop of a raw frame would bring
the whole frame from disk. Here the tree of keys is read once, and tells where in the file each record lies.
"""

import ctypes
import mmap
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from weakref import WeakValueDictionary

import lmdb
import numpy as np

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.regular_files import check_regular, open_regular

# The file format of LMDB 0.9 (mdb.c: MDB_page, MDB_meta, MDB_db, MDB_node), with 64-bit page numbers, little-endian.
_PAGE_HEADER = struct.Struct('<QHHHH')  # number, padding, flags, end of the list of nodes, end of free space
_META = struct.Struct('<IIQQ')  # magic number, version, address, size of the map
_DATABASE = struct.Struct('<IHHQQQQQ')  # padding, flags, depth, pages of three kinds, entries, root
_META_END = struct.Struct('<QQ')  # last page, transaction
_NODE = struct.Struct('<HHHH')  # low and high half of the size or page, flags, length of the key
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_BRANCH, _LEAF, _BIG = 1, 2, 1  # flags of pages, and of a node whose record has pages of its own
_NO_ROOT = 2**64 - 1


def find_lmdb_problem(root: str | Path) -> str | None:
    """Return what keeps an LMDB from being read, None where nothing does.

    A file that was cut off must not be read at all: touching a page after its end kills the process.
    """
    file = Path(root) / 'data.mdb'
    if not file.exists():
        return f'{file} is missing.'
    try:
        check_regular(file)  # the library opens it by its name
        with lmdb.open(str(root), readonly=True, lock=False) as env:
            return find_cut(env, file)
    except DataError as error:
        return str(error)
    except lmdb.Error as error:
        if 'already open' in str(error):  # by a reader of this process, which was checked when it was opened
            return None
        return f'{file} cannot be read: {error}.'


def find_cut(env: lmdb.Environment, file: Path) -> str | None:
    """Return what is missing of the file of an open LMDB, None for nothing."""
    needed, found = (env.info()['last_pgno'] + 1) * env.stat()['psize'], file.stat().st_size
    return f'{file} is cut off: it has {found} bytes of {needed}.' if found < needed else None


class LmdbFile:
    """An LMDB open for reading.

    Args:
        root: Its folder, ``NAME.lmdb``.

    Raises:
        DataError: It is missing, damaged, or was cut off.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        check_regular(root / 'data.mdb')
        try:
            self._env = lmdb.open(str(root), readonly=True, lock=False, readahead=False)
        except lmdb.Error as error:
            raise DataError(f'{root} cannot be opened as an LMDB: {error}.') from error
        file = root / 'data.mdb'
        if problem := find_cut(self._env, file):
            raise DataError(problem)
        self._records = RecordMap(file)

    def get(self, key: str) -> memoryview | bytes:
        """Return a record, a large one where it lies in the map of the file.

        Raises:
            DataError: There is no such record, or the file is damaged.
        """
        found: memoryview | bytes | None = self._records.get(key.encode())
        if found is None:
            try:
                with self._env.begin() as transaction:
                    found = transaction.get(key.encode())
            except lmdb.Error as error:
                raise DataError(f'key {key} of {self.root} cannot be read: {error}.') from error
        if found is None:
            raise DataError(f'key {key} of {self.root} is missing.')
        return found


_open_files: WeakValueDictionary[tuple[str, int, int], LmdbFile] = WeakValueDictionary()


def open_lmdb(root: Path) -> LmdbFile:
    """Open an LMDB, or return the reader that somebody else has open: LMDB allows one a process.

    One that was replaced since is another one: whoever has the old file open goes on with that.

    Raises:
        DataError: As for ``LmdbFile``.
    """
    try:
        state = (root / 'data.mdb').stat()
    except OSError as error:
        raise DataError(f'{root} cannot be opened as an LMDB: {error.strerror}.') from error
    key = (str(root.resolve()), state.st_dev, state.st_ino)
    opened = _open_files.get(key)
    if opened is None:
        opened = _open_files[key] = LmdbFile(root)
    return opened


class RecordMap:
    """The file of an LMDB in memory, and where its large records lie.

    Args:
        file: ``data.mdb``; it must not change any more.
    """

    def __init__(self, file: Path) -> None:
        with open_regular(file) as opened:
            self._map = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        if hasattr(mmap, 'MADV_RANDOM'):
            self._map.madvise(mmap.MADV_RANDOM)
        self._content = memoryview(self._map)
        try:
            self._spans = self._read_spans()
        except (struct.error, ValueError):  # another format: the library still reads it
            self._spans = {}

    def get(self, key: bytes) -> memoryview | None:
        """Return a record where it lies, None where it is not known to be here."""
        span = self._spans.get(key)
        return self._content[span[0] : span[1]] if span else None

    def _read_spans(self) -> dict[bytes, tuple[int, int]]:
        page_size, root = self._read_meta()
        spans, pages = {}, [root] if root != _NO_ROOT else []
        while pages:
            start = pages.pop() * page_size
            _, _, flags, end, _ = _PAGE_HEADER.unpack_from(self._map, start)
            if not flags & (_BRANCH | _LEAF):
                raise ValueError('no page of a tree')
            for (offset,) in struct.iter_unpack('<H', self._map[start + _PAGE_HEADER.size : start + end]):
                node = start + offset
                low, high, node_flags, key_length = _NODE.unpack_from(self._map, node)
                key_start = node + _NODE.size
                if flags & _BRANCH:
                    pages.append(low | high << 16 | node_flags << 32)
                elif node_flags & _BIG:
                    key = self._map[key_start : key_start + key_length]
                    (number,) = struct.unpack_from('<Q', self._map, key_start + key_length)
                    begin = number * page_size + _PAGE_HEADER.size
                    spans[key] = (begin, begin + (low | high << 16))
        return spans

    def _read_meta(self) -> tuple[int, int]:
        """Return the size of a page, and the page of the root as of the last transaction."""
        newest, page_size, root = -1, 0, _NO_ROOT
        for number in range(2):
            start = number * page_size + _PAGE_HEADER.size
            magic, version, _, _ = _META.unpack_from(self._map, start)
            if (magic, version) != (_MAGIC, _VERSION):
                raise ValueError('another format')
            databases = start + _META.size  # that of free pages, whose padding is the size of a page; then the main one
            page_size = _DATABASE.unpack_from(self._map, databases)[0]
            _, transaction = _META_END.unpack_from(self._map, databases + 2 * _DATABASE.size)
            if transaction > newest:
                newest, root = transaction, _DATABASE.unpack_from(self._map, databases + _DATABASE.size)[-1]
        return page_size, root


def prefetch(arrays: Sequence[np.ndarray]) -> None:
    """Ask the system to read arrays that lie in a map from disk, all at once, where they are not in memory.

    Left alone, each page would be read when it is touched, one after the other. Where the system has no such call,
    nothing happens.

    Args:
        arrays: Views, of any strides.
    """
    if _madvise is None:
        return
    for array in arrays:
        first = array.__array_interface__['data'][0]
        start = first - first % mmap.PAGESIZE
        length = sum((size - 1) * stride for size, stride in zip(array.shape, array.strides, strict=True))
        _madvise(start, first + length + 1 - start, mmap.MADV_WILLNEED)  # mere advice: an error changes nothing


def _find_madvise() -> Callable[[int, int, int], int] | None:
    if not hasattr(mmap, 'MADV_WILLNEED'):
        return None
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return madvise


_madvise = _find_madvise()
