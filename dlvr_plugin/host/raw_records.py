"""Raw records of LMDBs: frames without compression, of which a reader copies no more than the pixels it needs.

A raw record is the content of a ``.npy`` file: a header with type and shape, then rows (h, w, 3), BGR, uint8. The
host's readers take such records as they take PNG ones, pixel for pixel.
"""

import functools
import io
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from basicsr.data import reds_dataset
from basicsr.utils import img_util
from basicsr.utils.file_client import LmdbBackend

from dlvr_plugin.errors import DataError
from dlvr_plugin.host.adaptation import Adaptation, source_has

_MAGIC = b'\x93NUMPY\x01\x00'
_LENGTH_END = len(_MAGIC) + 2  # the magic string is followed by the length of the rest of the header


def encode_raw(image: np.ndarray) -> bytes:
    """Return the raw record of an image (h, w, 3), BGR, uint8."""
    return _encode_header(image.shape) + image.tobytes()


def is_raw(content: bytes | memoryview) -> bool:
    """Tell whether the content of a record is a raw one."""
    return content[: len(_MAGIC)] == _MAGIC


def decode_raw(content: bytes | memoryview, source: str) -> np.ndarray:
    """Return the image (h, w, 3), BGR, uint8, of a raw record, without copying it.

    Args:
        content: The record.
        source: What an error calls it.

    Raises:
        DataError: It holds another type or shape, or is not as long as its header says.
    """
    length = _LENGTH_END + int.from_bytes(content[len(_MAGIC) : _LENGTH_END], 'little')
    header = _decode_header(bytes(content[:length]))
    if header is None or header[0] != np.uint8 or len(header[1]) != 3 or header[1][2] != 3:
        found = 'a damaged header' if header is None else f'{header[0]} {header[1]}'
        raise DataError(f'{source} holds {found}; expected a raw frame, uint8 (h, w, 3).')
    height, width, channels = header[1]
    if len(content) - length != height * width * channels:
        raise DataError(
            f'{source} is cut off or damaged: its header says uint8 {header[1]}, {height * width * channels} bytes, '
            f'but {len(content) - length} follow.'
        )
    return np.frombuffer(content, np.uint8, offset=length).reshape(height, width, channels)


class RawRecord:
    """A raw record that still lies in the map of its LMDB.

    Args:
        content: Its bytes, readable as long as the LMDB is open.
        source: What an error calls it.
    """

    def __init__(self, content: memoryview, source: str) -> None:
        self.content, self.source = content, source

    def decode(self) -> np.ndarray:
        """Return the image (h, w, 3), BGR, uint8: a view of the map.

        Raises:
            DataError: As ``decode_raw``.
        """
        return decode_raw(self.content, self.source)


@functools.lru_cache(maxsize=64)
def _encode_header(shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {'descr': '|u1', 'fortran_order': False, 'shape': shape})
    return header.getvalue()


@functools.lru_cache(maxsize=64)
def _decode_header(header: bytes) -> tuple[np.dtype, tuple[int, ...]] | None:
    """Return type and shape, None where the header is damaged."""
    try:
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(io.BytesIO(header[len(_MAGIC) :]))
    except ValueError:
        return None
    return None if fortran_order else (dtype, shape)


def find_lmdb_problem(root: str | Path) -> str | None:
    """Return what keeps an LMDB from being read, None where nothing does.

    A file that was cut off must not be read at all: touching a page behind its end kills the process.
    """
    file = Path(root) / 'data.mdb'
    if not file.is_file():
        return f'{file} is missing.'
    try:
        with lmdb.open(str(root), readonly=True, lock=False) as env:
            return _find_cut(env, file)
    except lmdb.Error as error:
        if 'already open' in str(error):  # by a reader of this process, which was checked when it was opened
            return None
        return f'{file} cannot be read: {error}.'


def _find_cut(env: lmdb.Environment, file: Path) -> str | None:
    needed, found = (env.info()['last_pgno'] + 1) * env.stat()['psize'], file.stat().st_size
    return f'{file} is cut off: it has {found} bytes of {needed}.' if found < needed else None


def _repair_lmdb_backend() -> None:
    host_init = LmdbBackend.__init__

    @functools.wraps(host_init)
    def init(self: LmdbBackend, *args: Any, **kwargs: Any) -> None:
        try:
            host_init(self, *args, **kwargs)
        except lmdb.Error as error:
            raise DataError(f'An LMDB cannot be opened: {error}.') from error
        for env in self._client.values():
            if problem := _find_cut(env, Path(env.path()) / 'data.mdb'):
                raise DataError(problem)
        # One read transaction for all reads: the bytes that it hands out stay valid, and need no copy.
        self.transactions = {name: env.begin(buffers=True) for name, env in self._client.items()}

    @functools.wraps(LmdbBackend.get)
    def get(self: LmdbBackend, filepath: Any, client_key: str) -> memoryview | None:
        return self.transactions[client_key].get(str(filepath).encode())

    LmdbBackend.__init__, LmdbBackend.get = init, get


def _repair_reds_dataset() -> None:
    eager, host_crop = reds_dataset.imfrombytes, reds_dataset.paired_random_crop

    @functools.wraps(eager)
    def imfrombytes(content: Any, flag: str = 'color', float32: bool = False) -> np.ndarray:
        later = float32 and isinstance(content, RawRecord)
        return eager(content, flag, float32=float32 and not later)

    @functools.wraps(host_crop)
    def paired_random_crop(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        gt, lq = host_crop(*args, **kwargs)
        return _to_float(gt), _to_float(lq)

    reds_dataset.imfrombytes, reds_dataset.paired_random_crop = imfrombytes, paired_random_crop


def _to_float(images: Any) -> Any:
    if isinstance(images, list):
        return [_to_float(image) for image in images]
    return images.astype(np.float32) / 255.0 if images.dtype == np.uint8 else images


ADAPTATIONS = (
    Adaptation(
        defect='LMDB records are copied whole; an LMDB that was cut off kills the process',
        is_present=lambda: source_has(LmdbBackend.get, 'with client.begin(write=False) as txn'),
        repair=_repair_lmdb_backend,
    ),
    Adaptation(
        defect='the REDS datasets turn whole frames into floats before they crop them',
        is_present=lambda: reds_dataset.imfrombytes is img_util.imfrombytes,
        repair=_repair_reds_dataset,
    ),
)
