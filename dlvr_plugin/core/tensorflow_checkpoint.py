"""Checkpoints of TensorFlow (``.index`` and ``.data-00000-of-00001``), read without TensorFlow.

The index is a table of LevelDB's form, whose values are protocol buffers: a header, and for each variable its type,
shape, and place in the data. Every length is checked against what is there before it is used.

Source: tensorflow/core/lib/io/table_format.txt, tensorflow/core/protobuf/tensor_bundle.proto of TensorFlow.
"""

import math
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dlvr_plugin.core.crc32c import masked_crc32c
from dlvr_plugin.core.errors import CheckpointError
from dlvr_plugin.core.regular_files import open_regular, read_regular

_INDEX, _DATA = '.index', '.data-00000-of-00001'
_MOST_BYTES_OF_INDEX = 2**26  # of a network of TecoGAN's size, some ten thousand
_MOST_DIMENSIONS = 8
_FOOTER_SIZE, _MAGIC = 48, 0xDB4775248B80FB57
_TRAILER = struct.Struct('<BI')  # of a block: its compression, and its checksum
_UINT32, _UINT64 = struct.Struct('<I'), struct.Struct('<Q')
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types of protocol buffers
_TYPES = {1: '<f4', 2: '<f8', 19: '<f2'}  # of TensorFlow's DataType


class _DamageError(Exception):
    """The bytes are not what the format says."""


class _Entry(NamedTuple):
    """A variable: its type, shape, place in the data, and checksum."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int
    is_sliced: bool


def read_tensorflow_checkpoint(path: str | Path, *, wanted: Callable[[str], bool]) -> dict[str, Tensor]:
    """Read variables of a checkpoint.

    Args:
        path: One of its files, or what their names begin with: ``TecoGAN`` for ``TecoGAN.index`` and
            ``TecoGAN.data-00000-of-00001``.
        wanted: Tells by the name of a variable whether it is to be read.

    Returns:
        The variables by name, float32, as TensorFlow lays them out.

    Raises:
        CheckpointError: A file is missing, damaged or of another kind; the data are in several files; or a variable is
            of a type other than float.
    """
    prefix = str(path).removesuffix(_INDEX).removesuffix(_DATA)
    index_path, data_path = Path(prefix + _INDEX), Path(prefix + _DATA)
    with _telling_damage(index_path):
        index = read_regular(index_path, most_bytes=_MOST_BYTES_OF_INDEX, error=CheckpointError)
        entries = {name: entry for name, entry in _read_index(index, index_path) if wanted(name)}
    with open_regular(data_path, error=CheckpointError) as file, _telling_damage(data_path):
        there = file.seek(0, 2)
        if sum(entry.size for entry in entries.values()) > there:
            raise _DamageError(f'it has {there} bytes, fewer than its variables')
        for name, entry in entries.items():
            if entry.offset + entry.size > there:
                raise _DamageError(f'it ends before {name}')
        return {name: _read_variable(file, name, entry) for name, entry in entries.items()}


@contextmanager
def _telling_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except _DamageError as error:
        raise CheckpointError(
            f'{path} cannot be read as part of a checkpoint of TensorFlow: {error}. It is damaged, cut off, or of '
            'another kind.'
        ) from error


def _read_index(index: bytes, path: Path) -> Iterator[tuple[str, _Entry]]:
    """Yield names and entries of variables."""
    table = _read_table(index)
    first, value = next(table, (b'none', b''))
    if first:
        raise _DamageError('it has no header')
    num_shards, is_big_endian = _header(value)
    if num_shards != 1 or is_big_endian:
        what = 'numbers whose high bytes come first' if is_big_endian else f'its data in {num_shards} files'
        raise CheckpointError(f'{path} has {what}, which is not supported. Save it anew with TensorFlow, in one file.')
    for name, value in table:
        try:
            yield name.decode(), _entry(value)
        except UnicodeDecodeError as error:
            raise _DamageError('the name of a variable is no text') from error


def _read_table(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a table, in the order of the keys."""
    footer = _slice(table, len(table) - _FOOTER_SIZE, _FOOTER_SIZE)
    if _UINT64.unpack_from(footer, _FOOTER_SIZE - _UINT64.size)[0] != _MAGIC:
        raise _DamageError('it does not end as an index does')
    _, position = _handle(footer, 0)  # of a block of statistics
    (offset, size), _ = _handle(footer, position)
    last = None
    for _, handle in _read_block(table, offset, size):
        for key, value in _read_block(table, *_handle(handle, 0)[0]):
            if last is not None and key <= last:
                raise _DamageError('its names are not in order')
            last = key
            yield key, value


def _handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    """Return offset and size of a block, and the position after them."""
    offset, position = _varint(data, position)
    size, position = _varint(data, position)
    return (offset, size), position


def _read_block(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a block, in which a key leaves out what it shares with the one before."""
    content = _slice(table, offset, size)
    compression, checksum = _TRAILER.unpack(_slice(table, offset + size, _TRAILER.size))
    if masked_crc32c(content + bytes([compression])) != checksum:
        raise _DamageError(f'the checksum of the block at byte {offset} differs')
    if compression:
        raise _DamageError(f'the block at byte {offset} is compressed, which TensorFlow does not do')
    (num_restarts,) = _UINT32.unpack(_slice(content, size - _UINT32.size, _UINT32.size))
    end = size - _UINT32.size * (num_restarts + 1)
    if end < 0:
        raise _DamageError(f'the block at byte {offset} is shorter than its table')
    position, key = 0, b''
    while position < end:
        shared, position = _varint(content, position)
        length, position = _varint(content, position)
        value_size, position = _varint(content, position)
        if shared > len(key) or position + length + value_size > end:
            raise _DamageError(f'a name or a value in the block at byte {offset} is longer than the block')
        key = key[:shared] + content[position : position + length]
        position += length + value_size
        yield key, content[position - value_size : position]


def _header(message: bytes) -> tuple[int, bool]:
    """Return the number of data files, and whether high bytes come first."""
    fields = dict(_fields(message))
    return _number(fields, 1), bool(_number(fields, 2))


def _entry(message: bytes) -> _Entry:
    fields = dict(_fields(message))
    dtype, shard, offset, size, checksum = (_number(fields, field) for field in (1, 3, 4, 5, 6))
    return _Entry(dtype, _shape(fields.get(2, b'')), shard, offset, size, checksum, is_sliced=7 in fields)


def _shape(message: int | bytes) -> tuple[int, ...]:
    sides = [side for field, side in _fields(message) if field == 2]
    return tuple(_number(dict(_fields(side)), 1) for side in sides)


def _number(fields: Mapping[int, int | bytes], field: int) -> int:
    """Return a field that is a number; zeros are left out of messages."""
    number = fields.get(field, 0)
    if not isinstance(number, int):
        raise _DamageError(f'field {field} of a message is no number')
    return number


def _fields(message: int | bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield numbers and values of the fields of a protocol buffer."""
    if not isinstance(message, bytes):
        raise _DamageError('a message is a number')
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        field, wire_type = tag >> 3, tag & 7
        value: int | bytes
        if wire_type == _VARINT:
            value, position = _varint(message, position)
        elif wire_type in (_FIXED32, _FIXED64):
            number = _UINT32 if wire_type == _FIXED32 else _UINT64
            (value,) = number.unpack(_slice(message, position, number.size))
            position += number.size
        elif wire_type == _BYTES:
            length, position = _varint(message, position)
            value = _slice(message, position, length)
            position += length
        else:
            raise _DamageError(f'a field has the unknown wire type {wire_type}')
        yield field, value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Return a number of up to 64 bits in groups of seven, the lowest first, and the position after it."""
    number = 0
    for shift in range(0, 70, 7):
        byte = _slice(data, position, 1)[0]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
    raise _DamageError('a number has more than 64 bits')


def _slice(data: bytes, start: int, length: int) -> bytes:
    if start < 0 or start + length > len(data):
        raise _DamageError('it ends too early')
    return data[start : start + length]


def _read_variable(file: BinaryIO, name: str, entry: _Entry) -> Tensor:
    if entry.dtype not in _TYPES or entry.is_sliced or entry.shard:
        raise _DamageError(f'{name} is in parts or of a type other than float, which no weight is')
    dtype = np.dtype(_TYPES[entry.dtype])
    if len(entry.shape) > _MOST_DIMENSIONS or math.prod(entry.shape) * dtype.itemsize != entry.size:
        raise _DamageError(f'{name} has {entry.size} bytes, which its shape {entry.shape[:_MOST_DIMENSIONS]} is not')
    file.seek(entry.offset)
    content = file.read(entry.size)
    if masked_crc32c(content) != entry.checksum:
        raise _DamageError(f'the checksum of {name} differs')
    return torch.from_numpy(np.frombuffer(content, dtype).astype(np.float32).reshape(entry.shape))
