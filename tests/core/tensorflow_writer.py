"""Writes checkpoints as TensorFlow's BundleWriter does, from its description of the format alone."""

import functools
import struct
from pathlib import Path

import numpy as np

_TYPES = {'float32': 1, 'float64': 2, 'int32': 3, 'int64': 9, 'float16': 19}


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC = _crc_table()


@functools.lru_cache(maxsize=256)
def checksum(data: bytes) -> int:
    """The masked CRC-32C, byte by byte."""
    crc, table = 0xFFFFFFFF, _CRC
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


def varint(number: int) -> bytes:
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])


def field(number: int, value) -> bytes:
    """A field of a message; zeros are left out, as protocol buffers do."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value) if value else b''


def entry(array: np.ndarray, offset: int) -> bytes:
    shape = b''.join(field(2, field(1, side)) for side in array.shape)
    message = field(1, _TYPES[array.dtype.name]) + field(2, shape) + field(4, offset) + field(5, array.nbytes)
    return message + varint(6 << 3 | 5) + struct.pack('<I', checksum(array.tobytes()))


def block(pairs, restart_interval=16) -> bytes:
    content, restarts, last = bytearray(), [], b''
    for index, (key, value) in enumerate(pairs):
        shared = 0
        if index % restart_interval == 0:
            restarts.append(len(content))
        else:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    return bytes(content) + struct.pack(f'<{len(restarts) + 1}I', *restarts, len(restarts))


def table(pairs, block_pairs=20) -> bytes:
    out, handles = bytearray(), []

    def add(content: bytes) -> bytes:
        handle = varint(len(out)) + varint(len(content))
        out.extend(content + b'\0' + struct.pack('<I', checksum(content + b'\0')))
        return handle

    for start in range(0, len(pairs), block_pairs):
        some = pairs[start : start + block_pairs]
        handles.append((some[-1][0] + b'\xff', add(block(some))))  # a key that separates it from the next
    statistics = add(block([]))
    footer = statistics + add(block(handles, restart_interval=1))
    return bytes(out) + footer.ljust(40, b'\0') + struct.pack('<Q', 0xDB4775248B80FB57)


def write(prefix: Path, variables: dict[str, np.ndarray], *, header: bytes | None = None) -> Path:
    """Write both files, and return the index."""
    data, pairs = bytearray(), []
    for name, array in sorted(variables.items()):
        pairs.append((name.encode(), entry(array, len(data))))
        data += array.tobytes()
    version = field(3, field(1, 1))
    pairs.insert(0, (b'', field(1, 1) + version if header is None else header))
    prefix.with_name(f'{prefix.name}.data-00000-of-00001').write_bytes(bytes(data))
    index = prefix.with_name(f'{prefix.name}.index')
    index.write_bytes(table(pairs))
    return index
