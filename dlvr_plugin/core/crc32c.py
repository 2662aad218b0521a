"""CRC-32C, the checksum of TensorFlow's files, of many bytes at once.

The register of a CRC is linear in the bytes, so that lanes of a message are computed side by side, and joined.
"""

import functools

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, reflected
_ONES = 0xFFFFFFFF
_FEW = 2048  # bytes that are faster one by one
_LANE = 256  # bytes that follow one another; lanes are computed side by side

Register = NDArray[np.uint32]


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of bytes.

    Source: RFC 3720, appendix B.4.

    >>> hex(crc32c(b'123456789'))
    '0xe3069283'
    """
    if len(data) < _FEW:
        return _crc_of_few(data)
    # The register begins with ones, which is the same as zeros and the first four bytes inverted. Then zeros in front
    # change nothing, and fill up the lanes.
    num_lanes = 1 << ((len(data) - 1) // _LANE).bit_length()
    lanes = np.zeros(num_lanes * _LANE, np.uint8)
    start = lanes.size - len(data)
    lanes[start:] = np.frombuffer(data, np.uint8)
    lanes[start : start + 4] ^= 0xFF
    register = np.zeros(num_lanes, np.uint32)
    for column in np.ascontiguousarray(lanes.reshape(num_lanes, _LANE).T):
        register = _step(register, column)
    shift = _shift_of_a_lane()
    while register.size > 1:  # pairs of neighbours become one
        register = _apply(shift, register[0::2]) ^ register[1::2]
        shift = _apply(shift, shift)
    return int(register[0]) ^ _ONES


def masked_crc32c(data: bytes) -> int:
    """Return the CRC-32C of bytes as TensorFlow stores it: turned and moved, for data that hold checksums themselves.

    >>> hex(masked_crc32c(b''))
    '0xa282ead8'
    """
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & _ONES


def _crc_of_few(data: bytes) -> int:
    table, register = _table().tolist(), _ONES
    for byte in data:
        register = table[(register ^ byte) & 0xFF] ^ register >> 8
    return register ^ _ONES


@functools.cache
def _table() -> Register:
    """Return what the register becomes of each byte alone."""
    register = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        register = np.where(register & 1, (register >> 1) ^ np.uint32(_POLYNOMIAL), register >> 1)
    return register


def _step(register: Register, byte: NDArray[np.uint8]) -> Register:
    """Return registers after one more byte each."""
    return _table()[(register ^ byte) & 0xFF] ^ (register >> 8)


@functools.cache
def _shift_of_a_lane() -> Register:
    """Return what each bit of the register becomes by the zeros of a lane, the columns of a matrix."""
    register = np.uint32(1) << np.arange(32, dtype=np.uint32)
    for _ in range(_LANE):
        register = _step(register, np.zeros(32, np.uint8))
    return register


def _apply(matrix: Register, register: Register) -> Register:
    """Return registers times a matrix over bits, given by its columns."""
    out = np.zeros_like(register)
    for bit, column in enumerate(matrix):
        out ^= np.where((register >> np.uint32(bit)) & 1, column, np.uint32(0))
    return out
