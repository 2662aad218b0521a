"""CRC-32C of known messages, and against the definition bit by bit."""

import random

import pytest

from dlvr_plugin.core.crc32c import crc32c, masked_crc32c


def by_definition(data):
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ('message', 'expected'),
    [
        (b'', 0),
        (b'123456789', 0xE3069283),
        (bytes(32), 0x8A9136AA),  # this one and the next two: RFC 3720, B.4
        (b'\xff' * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_known_messages(message, expected):
    assert crc32c(message) == expected


@pytest.mark.parametrize('length', [1, 3, 255, 2047, 2048, 2049, 4095, 4096, 4097, 5000])
def test_equals_the_definition(length):
    message = random.Random(length).randbytes(length)
    assert crc32c(message) == by_definition(message)


def test_masked():
    crc = by_definition(b'foo')
    assert masked_crc32c(b'foo') == ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32 != crc
