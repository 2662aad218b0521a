"""The zip archive that a checkpoint is: looked at before anything reads its members."""

import struct
import zipfile
from pathlib import Path
from typing import BinaryIO

from dlvr_plugin.core.errors import CheckpointError

_MOST_MEMBERS = 100_000  # one a tensor; the largest training states have some thousands
_LOCAL_HEADER = struct.Struct('<4s22xHH')  # signature, then the lengths of name and extra field
_IS_ENCRYPTED = 1


def check_archive(file: BinaryIO, path: Path) -> None:
    """Demand an archive as torch writes it: members stored as they are, one after the other, with right checksums.

    So its members together take no more than the file; others can be made to take any memory and time. torch itself
    looks neither at that nor at the checksums.

    Args:
        file: The open file.
        path: Its name, for errors.

    Raises:
        CheckpointError: Members that are compressed, encrypted or overlap, or too many. zipfile.BadZipFile: It is
            damaged.
    """
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > _MOST_MEMBERS:
            raise CheckpointError(f'{path} is no checkpoint: it has {len(members)} members, over {_MOST_MEMBERS}.')
        for member in members:
            is_plain = member.compress_type == zipfile.ZIP_STORED and member.compress_size == member.file_size
            if not is_plain or member.flag_bits & _IS_ENCRYPTED:
                raise CheckpointError(
                    f'{path} is no checkpoint as torch writes it: {member.filename!r:.60} in it is compressed or '
                    f'encrypted ({member.compress_size} bytes become {member.file_size}). Nothing was unpacked.'
                )
        end = 0
        for member in sorted(members, key=lambda member: member.header_offset):
            if member.header_offset < end:
                raise CheckpointError(
                    f'{path} is no checkpoint as torch writes it: {member.filename!r:.60} in it overlaps another '
                    'member. Nothing was unpacked.'
                )
            end = member.header_offset + _local_size(file, member)
        if end > archive.start_dir:
            raise zipfile.BadZipFile('a member reaches into the directory')
        if archive.testzip() is not None:
            raise zipfile.BadZipFile('a checksum differs')


def _local_size(file: BinaryIO, member: zipfile.ZipInfo) -> int:
    """Return the bytes of a member with the header in front of it."""
    file.seek(member.header_offset)
    header = file.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or not header.startswith(b'PK\3\4'):
        raise zipfile.BadZipFile('a member without its header')
    _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    return _LOCAL_HEADER.size + int(name_length) + int(extra_length) + member.compress_size
