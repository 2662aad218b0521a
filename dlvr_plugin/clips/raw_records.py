"""Raw records of LMDBs: frames without compression, of which a reader copies no more than the pixels it needs.

A raw record is the content of a ``.npy`` file: a header with type and shape, then rows (h, w, 3), BGR, uint8. The
framework's datasets can take such records as they take PNG ones: see ``data.framework_datasets``.
"""

import functools
import io
from tokenize import TokenError

import numpy as np

from dlvr_plugin.core.errors import DataError

_MAGIC = b'\x93NUMPY\x01\x00'
_LENGTH_END = len(_MAGIC) + 2  # the magic string is followed by the length of the rest of the header


def encode_raw(image: np.ndarray) -> bytes:
    """Return the raw record of an image (h, w, 3), BGR, uint8.

    >>> image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    >>> np.array_equal(decode_raw(encode_raw(image), 'the record'), image)
    True
    """
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
        content: Its bytes, in the map of the LMDB.
        source: What an error calls it.
    """

    def __init__(self, content: memoryview | bytes, source: str) -> None:
        self.content, self.source = content, source

    def __len__(self) -> int:
        return len(self.content)

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
    except (ValueError, SyntaxError, TokenError):
        return None
    return None if fortran_order else (dtype, shape)
