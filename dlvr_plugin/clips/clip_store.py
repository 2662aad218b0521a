"""Clips of frames in folders or in an LMDB: which there are, and how a frame is read."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from dlvr_plugin.clips.raw_records import RawRecord, is_raw
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.files import what_is_wrong_with
from dlvr_plugin.core.images import DecodeFlag, decode_image
from dlvr_plugin.core.lmdb_file import LmdbFile, find_lmdb_problem, open_lmdb, prefetch
from dlvr_plugin.core.regular_files import MOST_BYTES_OF_IMAGE, check_name, read_lines, read_regular

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp', '.ppm')
_META_LINE = re.compile(r'(?P<name>\S+) (?P<number>\d+) \((?P<height>\d+),(?P<width>\d+)(,\d+)?\)')
_LMDB_META_LINE = re.compile(
    r'(?P<key>\S+)\.(?P<suffix>\w+) \((?P<height>\d+),(?P<width>\d+)(,\d+)?\) \d+( (?P<checksum>[0-9a-f]{8}))?'
)


@dataclass(frozen=True)
class Clip:
    """Frames that follow one another.

    Attributes:
        name: Name of the clip.
        frames: File of each frame below the root, or its LMDB key, in the order of time.
        size: Height and width of every frame, None where it is not known yet.
    """

    name: str
    frames: tuple[str, ...]
    size: tuple[int, int] | None = None

    def frame_name(self, index: int) -> str:
        """Return the name of a frame without its clip and its extension."""
        return Path(self.frames[index]).stem


@dataclass(frozen=True)
class Record:
    """A line of the ``meta_info.txt`` of an LMDB, ``clip/frame.png (h,w,c) level [checksum]``.

    Attributes:
        key: Key of the record, ``clip/frame``.
        suffix: 'png', or 'npy' for a raw one.
        size: Height and width of the frame.
        checksum: CRC-32 of the record's bytes, 8 hexadecimal digits; None in an LMDB of the framework's own.
    """

    key: str
    suffix: str
    size: tuple[int, int]
    checksum: str | None = None

    @property
    def clip(self) -> str:
        """Name of its clip."""
        return self.key.rsplit('/', 1)[0]

    def __str__(self) -> str:
        level = 0 if self.suffix == 'npy' else 1
        line = f'{self.key}.{self.suffix} ({self.size[0]},{self.size[1]},3) {level}'
        return f'{line} {self.checksum}' if self.checksum else line


class NoClipsError(DataError):
    """A folder in which there are no clips."""


class ClipStore:
    """Clips below one root.

    Args:
        root: Folder of clip folders, or an LMDB as the framework or ``dlvr data prepare`` makes it.
        is_lmdb: Whether the root is an LMDB; None looks.
        subfolder: Where the frames lie below a clip's folder.

    Raises:
        DataError: The root does not exist, holds no clips, or is an LMDB that is not finished or cut off.
    """

    def __init__(self, root: str | Path, *, is_lmdb: bool | None = None, subfolder: str = '') -> None:
        self.root, self.subfolder = Path(root), subfolder
        self.is_lmdb = _looks_like_lmdb(self.root) if is_lmdb is None else is_lmdb
        self._lmdb: LmdbFile | None = None  # opened at the first read
        if not self.root.is_dir():
            raise DataError(f'{self.root} {what_is_wrong_with(self.root, wanted="a folder")}.')
        self._check_kind()
        found = self._list_lmdb() if self.is_lmdb else self._list_folders()
        check_name(self.root)
        self.clips = {clip.name: clip for clip in found}
        if not self.clips:
            raise NoClipsError(f'{self.root} holds no clips: no folder with images ({", ".join(IMAGE_SUFFIXES)}).')

    def _check_kind(self) -> None:
        """Demand an LMDB, or folders, as was said."""
        if (self.root / 'data.mdb').exists() and not self.is_lmdb:
            raise DataError(f'{self.root} is an LMDB, not a folder of clips. Set io_backend.type: lmdb.')
        if self.is_lmdb and not _looks_like_lmdb(self.root) and any(self._list_folders()):
            raise DataError(f'{self.root} is a folder of clips, not an LMDB. Set io_backend.type: disk.')

    def _list_folders(self) -> Iterable[Clip]:
        for folder in sorted(path for path in self.root.iterdir() if path.is_dir() and not path.name.startswith('.')):
            frames = folder / self.subfolder
            paths = frames.iterdir() if frames.is_dir() else ()
            names = sorted((path.name for path in paths if path.suffix.lower() in IMAGE_SUFFIXES), key=by_number)
            for name in names:
                check_name(folder / name)
            if names:
                below = frames.relative_to(self.root).as_posix()
                yield Clip(folder.name, tuple(f'{below}/{name}' for name in names))

    def _list_lmdb(self) -> Iterable[Clip]:
        keys: dict[str, list[str]] = {}
        sizes: dict[str, tuple[int, int]] = {}
        for record in read_records(self.root):
            if sizes.setdefault(record.clip, record.size) != record.size:
                raise DataError(
                    f'{self.root}/meta_info.txt: frame {record.key} is {record.size}, its clip is {sizes[record.clip]}.'
                )
            keys.setdefault(record.clip, []).append(record.key)
        if problem := find_lmdb_problem(self.root):
            raise DataError(problem)
        for name in sorted(keys):
            yield Clip(name, tuple(sorted(keys[name], key=by_number)), sizes[name])

    def read(self, clip: Clip, index: int, *, strict: bool = False) -> np.ndarray:
        """Read a frame.

        Args:
            clip: The clip.
            index: Number of the frame in it.
            strict: Refuse PNGs that lose something as 8-bit RGB, which the framework's decoding drops.

        Returns:
            Image (h, w, 3), BGR, uint8; of a raw record a view that is valid as long as the store.

        Raises:
            DataError: The frame is missing, damaged, or of another size than its clip.
        """
        return self.decode(self.read_bytes(clip, index), clip, index, strict=strict)

    def decode(
        self, content: bytes | RawRecord, clip: Clip, index: int, *, strict: bool = False, flag: DecodeFlag = 'color'
    ) -> np.ndarray:
        """Decode a frame from what ``read_bytes`` returned, by the flag of ``decode_image``; otherwise as ``read``."""
        if strict and (problem := find_png_loss(content)):
            raise DataError(f'{self.where(clip, index)} {problem}. Convert it to 8-bit RGB first.')
        if isinstance(content, RawRecord):
            image = content.decode()
        else:
            image = decode_image(content, self._source(clip, index), flag=flag)
        if clip.size is not None and image.shape[:2] != clip.size:
            raise DataError(
                f'{self.where(clip, index)} is {image.shape[0]}x{image.shape[1]} pixels (h x w), but its clip is '
                f'{clip.size[0]}x{clip.size[1]}.'
            )
        return image

    def read_bytes(self, clip: Clip, index: int) -> bytes | RawRecord:
        """Read a frame as it is stored; ``Raises:`` as ``read``, where it is missing."""
        source = self._source(clip, index)
        if not self.is_lmdb:
            content: bytes | memoryview = read_regular(self.root / clip.frames[index], most_bytes=MOST_BYTES_OF_IMAGE)
        else:
            if self._lmdb is None:
                self._lmdb = open_lmdb(self.root)
            content = self._lmdb.get(clip.frames[index])
            if is_raw(content):
                return RawRecord(content, source)
        if not content:
            raise DataError(f'{source} is empty.')
        if isinstance(content, memoryview):  # in the map of an LMDB, and read whole in a moment
            prefetch([np.frombuffer(content, np.uint8)])
        return bytes(content)

    def read_frames(self, clip: Clip, indices: Iterable[int] | None = None) -> Iterator[np.ndarray]:
        """Read frames of a clip, all of them by default, and demand one size of them.

        Yields:
            Images (h, w, 3), BGR, uint8.

        Raises:
            DataError: As in ``read``.
        """
        for index in range(len(clip.frames)) if indices is None else indices:
            image = self.read(clip, index)
            clip = replace(clip, size=image.shape[:2])
            yield image

    def where(self, clip: Clip, index: int) -> str:
        """Return what an error calls a frame."""
        return f'{self._source(clip, index)} (clip {clip.name}, frame {index})'

    def _source(self, clip: Clip, index: int) -> str:
        frame = clip.frames[index]
        return f'key {frame} of {self.root}' if self.is_lmdb else str(self.root / frame)

    def __getstate__(self) -> dict[str, object]:
        """Leave the open reader behind: a spawned worker opens its own."""
        return {**self.__dict__, '_lmdb': None}


def _looks_like_lmdb(root: Path) -> bool:
    """Tell whether a path is an LMDB, or is named as one."""
    return root.suffix == '.lmdb' or (root / 'data.mdb').exists()


def by_number(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts numbers in names by value, so that frame 10 follows frame 9.

    >>> sorted(['frame10', 'frame9', 'cover'], key=by_number)
    ['cover', 'frame9', 'frame10']
    """
    return [(int(part), '') if part.isdigit() else (-1, part) for part in re.split(r'(\d+)', name)]


def find_png_loss(content: bytes | RawRecord) -> str | None:
    """Return what a PNG holds that 8-bit RGB cannot, None for nothing."""
    if isinstance(content, RawRecord) or content[:4] != b'\x89PNG':
        return None
    if content[24] == 16:  # bits a sample, then the type of colour, follow the size in the header
        return 'has 16 bits a channel'
    return 'has an alpha channel' if content[25] in (4, 6) else None


def read_records(root: str | Path) -> Iterator[Record]:
    """Read the ``meta_info.txt`` of an LMDB.

    Raises:
        DataError: The file is missing, or a line has another form.
    """
    path = Path(root) / 'meta_info.txt'
    if not path.exists():
        raise DataError(f'{path} is missing: {root} is no LMDB of clips, or one that was not finished.')
    for number, line in enumerate(read_lines(path), start=1):
        match = _LMDB_META_LINE.fullmatch(line.strip())
        if match is None or '/' not in match['key']:
            raise DataError(f'{path}, line {number}: expected "clip/frame.png (h,w,c) level", got {line!r}.')
        size = (int(match['height']), int(match['width']))
        yield Record(match['key'], match['suffix'], size, match['checksum'])


def read_meta_info(path: str | Path) -> dict[str, tuple[int, tuple[int, int]]]:
    """Read a meta file of lines ``clip frames (h,w,c)``.

    Returns:
        Number of frames and size (h, w) by clip.

    Raises:
        DataError: The file is missing, or a line has another form.
    """
    path = Path(path)
    if path.is_dir() or not path.exists():
        raise DataError(f'meta_info_file: {path} {what_is_wrong_with(path, wanted="a file")}.')
    info = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        match = _META_LINE.fullmatch(line.strip())
        if match is None:
            raise DataError(f'{path}, line {number}: expected "clip frames (h,w,c)", got {line!r}.')
        info[match['name']] = (int(match['number']), (int(match['height']), int(match['width'])))
    return info


def format_meta_line(name: str, num_frames: int, size: tuple[int, ...]) -> str:
    """Return the line of a clip in a meta file, as ``read_meta_info`` takes it; ``size`` begins with (h, w).

    >>> format_meta_line('000', 100, (720, 1280)).strip()
    '000 100 (720,1280,3)'
    """
    return f'{name} {num_frames} ({size[0]},{size[1]},3)\n'


def missing_frames(clip: Clip) -> list[str]:
    """Return the names that a clip of numbered frames lacks between its first and its last; any even step is fine."""
    names = [clip.frame_name(index) for index in range(len(clip.frames))]
    if len(names) < 2 or not all(name.isdigit() for name in names):
        return []
    numbers, width = [int(name) for name in names], len(names[0])
    step = max(1, min(after - before for before, after in pairwise(numbers)))
    present = set(numbers)
    return [f'{number:0{width}d}' for number in range(numbers[0], numbers[-1], step) if number not in present]


def check_pair(gt_store: ClipStore, lq_store: ClipStore, name: str) -> None:
    """Demand that a clip has the same frames, by name, in both stores.

    Raises:
        DataError: The clip or a frame is missing in one of them.
    """
    for store, other in ((gt_store, lq_store), (lq_store, gt_store)):
        if name not in store.clips:
            raise DataError(f'Clip {name} is missing in {store.root}.')
        names = {Path(frame).stem for frame in store.clips[name].frames}
        for frame in other.clips[name].frames if name in other.clips else ():
            if Path(frame).stem not in names:
                raise DataError(f'Frame {name}/{Path(frame).stem} is missing in {store.root}.')
