"""Write stores of frames so that a kill at any moment costs a few frames, and never a store.

A store in the making is a hidden folder beside its target, with a journal of the frames that it holds already. It gets
its name when it is complete.
"""

import json
import os
import shutil
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, get_args

import cv2
import lmdb
import numpy as np

from dlvr_plugin.clips.clip_store import Record, by_number, format_meta_line
from dlvr_plugin.clips.raw_records import encode_raw
from dlvr_plugin.core.choices import Codec
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.files import naming, partial_path, remove, write_atomic
from dlvr_plugin.core.folder_lock import FolderLock, lock_beside
from dlvr_plugin.core.regular_files import read_json, read_regular

CODECS: tuple[Codec, ...] = get_args(Codec)

_COMMIT_BYTES = 2**26  # of frames that are written at once, and lost at a kill
_WARNINGS = 'warnings'  # key of a finished store's description
_JOURNAL, _DESCRIPTION = '.journal.jsonl', '.prepare.json'


@dataclass(frozen=True)
class EncodedFrame:
    """A frame as a store holds it.

    Attributes:
        key: ``clip/frame``.
        suffix: 'npy' for a raw one, or 'png'.
        size: Height and width.
        content: Its bytes.
        stamp: Identifies the file that it was made of, in its present state.
    """

    key: str
    suffix: str
    size: tuple[int, int]
    content: bytes
    stamp: str


def encode_frame(image: np.ndarray, *, codec: Codec, key: str, stamp: str) -> EncodedFrame:
    """Encode an image (h, w, 3), BGR, uint8."""
    if codec == 'raw':
        content, suffix = encode_raw(image), 'npy'
    else:
        content, suffix = cv2.imencode('.png', image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes(), 'png'
    return EncodedFrame(key, suffix, (image.shape[0], image.shape[1]), content, stamp)


class _Sink(Protocol):
    def put(self, frames: Sequence[EncodedFrame]) -> None: ...
    def has(self, record: Record) -> bool: ...
    def keep_only(self, keys: set[str]) -> None: ...
    def close(self) -> None: ...


class _LmdbSink:
    """Frames as the records of an LMDB."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        is_new = not (folder / 'data.mdb').exists()
        try:
            with self._writing():
                self.env = lmdb.open(str(folder), map_size=2**30, lock=False, max_readers=1)
        except OSError:
            if is_new:  # a part of its head, with which nobody could go on
                remove(folder / 'data.mdb')
            raise
        self.page_size = self.env.stat()['psize']

    def put(self, frames: Sequence[EncodedFrame]) -> None:
        info = self.env.info()
        used = (info['last_pgno'] + 1) * self.page_size
        needed = used + 2 * sum(len(frame.content) for frame in frames) + 2**24
        with self._writing():
            if needed > info['map_size']:
                self.env.set_mapsize(2 * needed)
            with self.env.begin(write=True) as transaction:
                for frame in frames:
                    transaction.put(frame.key.encode(), frame.content)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except lmdb.Error as error:
            raise OSError(f'{self.folder} cannot be written: {error}. The same command goes on from here.') from error

    def has(self, record: Record) -> bool:
        with self.env.begin() as transaction:
            return transaction.cursor().set_key(record.key.encode())  # ``get`` would read the whole record

    def keep_only(self, keys: set[str]) -> None:
        wanted = {key.encode() for key in keys}
        with self._writing(), self.env.begin(write=True) as transaction:
            if transaction.stat()['entries'] == len(keys):
                return
            for key in list(transaction.cursor().iternext(values=False)):
                if key not in wanted:
                    transaction.delete(key)

    def close(self) -> None:
        self.env.close()


class _FolderSink:
    """Frames as files in a folder a clip."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, key: str, suffix: str) -> Path:
        return self.folder / f'{key}.{suffix}'

    def put(self, frames: Sequence[EncodedFrame]) -> None:
        for frame in frames:
            path = self._path(frame.key, frame.suffix)
            path.parent.mkdir(exist_ok=True)
            write_atomic(path, frame.content)

    def has(self, record: Record) -> bool:
        return self._path(record.key, record.suffix).is_file()

    def keep_only(self, keys: set[str]) -> None:
        for clip in [path for path in self.folder.iterdir() if path.is_dir()]:
            for path in clip.iterdir():
                if path.name.startswith('.') or f'{clip.name}/{path.stem}' not in keys:
                    path.unlink()
            if not any(clip.iterdir()):
                clip.rmdir()

    def close(self) -> None:
        pass


class StoreWriter:
    """Writes one store, and goes on with one that was begun.

    Args:
        target: ``NAME.lmdb`` for an LMDB, any other name for a folder of clip folders.
        description: What the store is made of and how, in JSON's types; begun and finished stores keep it.
        force: Replace a finished target, and begin anew what was begun otherwise.

    Attributes:
        records: What the store holds already, by key: the record and the stamp of its source.
        ended: Sources of many frames that are done as a whole: by stamp, the frames of them that were left out because
            their scenes are short.
        warnings: What is missing of sources, in words, by stamp; the store keeps it beside its description.

    Raises:
        FileExistsError: The target exists. DataError: It is no store at all, or was begun in another way. InUseError:
        It is being made by another process.
    """

    def __init__(self, target: Path, description: Mapping[str, Any], *, force: bool = False) -> None:
        self.target, self.description, self.folder = target, description, partial_path(target)
        self._lock = FolderLock(lock_beside(target), target)
        self._lock.acquire()
        try:
            self._begin(force)
        except BaseException:
            self._lock.release()
            raise

    def _begin(self, force: bool) -> None:
        target, description = self.target, self.description
        if target.exists():
            if not force:
                raise FileExistsError(f'{target} exists already. --force replaces it.')
            if not (target / _DESCRIPTION).is_file() and not (target / 'data.mdb').is_file():
                raise DataError(f'{target} is no store, and is not replaced. Remove it, or choose another name.')
        if self.folder.is_symlink():  # not what a run has left: it may lead anywhere
            self.folder.unlink()
        self.folder.mkdir(exist_ok=True)
        self.records: dict[str, tuple[Record, str]] = {}
        self.ended: dict[str, int] = {}
        self.warnings: dict[str, str] = {}
        self._clip_sizes: dict[str, tuple[str, tuple[int, int]]] = {}
        self._pending: list[EncodedFrame] = []
        begun = self._read_description(self.folder)
        if begun is not None and begun != dict(description) and not force:
            changed = [key for key in {**begun, **description} if begun.get(key) != description.get(key)]
            raise DataError(
                f'{target} was begun with other arguments ({", ".join(changed)}). Use those to go on, or --force to '
                'begin anew.'
            )
        if begun != dict(description):
            self._clear()
            write_atomic(self.folder / _DESCRIPTION, json.dumps(description, indent=2).encode())
        self._sink: _Sink = (_LmdbSink if target.suffix == '.lmdb' else _FolderSink)(self.folder)
        self._read_journal()
        self._journal = (self.folder / _JOURNAL).open('a', encoding='utf-8')

    @staticmethod
    def _read_description(folder: Path) -> dict[str, Any] | None:
        path = folder / _DESCRIPTION
        if not path.exists():
            return None
        return {key: value for key, value in read_json(path).items() if key != _WARNINGS}

    @classmethod
    def made_by(cls, target: Path, description: Mapping[str, Any]) -> bool:
        """Tell whether a finished store is of this description."""
        return cls._read_description(target) == dict(description)

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            remove(path)

    def _read_journal(self) -> None:
        path = self.folder / _JOURNAL
        if not path.exists():
            return
        content = read_regular(path)
        whole = content.rfind(b'\n') + 1
        if whole < len(content):  # killed in the middle of a line
            os.truncate(path, whole)
        for line in content[:whole].splitlines():
            entry = json.loads(line)
            stamp, num_short = entry.pop('stamp'), entry.pop('num_short', 0)
            warning = entry.pop('warning', '')
            if not entry:
                self._end(stamp, num_short, warning)
                continue
            record = Record(**{**entry, 'size': tuple(entry['size'])})
            if self._sink.has(record):
                self.records[record.key] = (record, stamp)

    def keep(self, is_current: Callable[[str, str], bool]) -> None:
        """Forget the frames and sources that are no longer current, given their key and stamp."""
        self.records = {key: entry for key, entry in self.records.items() if is_current(key, entry[1])}
        self.ended = {stamp: number for stamp, number in self.ended.items() if is_current('', stamp)}
        self.warnings = {stamp: warning for stamp, warning in self.warnings.items() if stamp in self.ended}
        self._clip_sizes = {record.clip: (key, record.size) for key, (record, _) in self.records.items()}

    def put(self, frame: EncodedFrame) -> None:
        """Take a frame; it is on disk after some more, or ``flush``.

        Raises:
            DataError: It differs in size from its clip. OSError: It cannot be written.
        """
        clip = frame.key.rsplit('/', 1)[0]
        first, size = self._clip_sizes.setdefault(clip, (frame.key, frame.size))
        if frame.size != size:
            raise DataError(f'Frame {frame.key} is {frame.size} (h, w), but {first} is {size}: a clip has one size.')
        self._pending.append(frame)
        if sum(len(pending.content) for pending in self._pending) >= _COMMIT_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the frames that are pending."""
        if not self._pending:
            return
        self._sink.put(self._pending)
        lines: list[dict[str, Any]] = []
        for frame in self._pending:
            # A PNG says by itself whether it is whole, and the framework's tools expect no more than it writes.
            checksum = f'{zlib.crc32(frame.content):08x}' if frame.suffix == 'npy' else None
            record = Record(frame.key, frame.suffix, frame.size, checksum)
            self.records[frame.key] = (record, frame.stamp)
            lines.append({**asdict(record), 'stamp': frame.stamp})
        self._write_journal(lines)
        self._pending = []

    def end_source(self, stamp: str, num_short: int = 0, warning: str = '') -> None:
        """Note that a source is done as a whole, but for some frames of short scenes and what a warning tells."""
        self.flush()
        self._end(stamp, num_short, warning)
        self._write_journal([{'stamp': stamp, 'num_short': num_short, 'warning': warning}])

    def _end(self, stamp: str, num_short: int, warning: str) -> None:
        self.ended[stamp] = num_short
        if warning:
            self.warnings[stamp] = warning

    def _write_journal(self, entries: Sequence[Mapping[str, Any]]) -> None:
        with naming(self.folder / _JOURNAL):
            self._journal.write(''.join(json.dumps(entry) + '\n' for entry in entries))
            self._journal.flush()
            os.fsync(self._journal.fileno())

    def close(self) -> None:
        """Write what is pending and leave the store unfinished, if ``finish`` did not end it."""
        try:
            if not self._journal.closed:
                self.flush()
                self._journal.close()
                self._sink.close()
        finally:
            self._lock.release()

    def finish(self, keys: Sequence[str]) -> None:
        """Give the store its name.

        Args:
            keys: All that it is to hold. What was begun of other sources is removed.

        Raises:
            DataError: A frame is missing.
        """
        self.flush()
        missing = [key for key in keys if key not in self.records]
        if missing:
            raise DataError(f'{self.target}: {len(missing)} frames are missing, {missing[0]} to begin with.')
        self._sink.keep_only(set(keys))
        if self.target.suffix == '.lmdb':
            records = [self.records[key][0] for key in sorted(keys, key=by_number)]
            write_atomic(self.folder / 'meta_info_clips.txt', ''.join(_clip_lines(records)).encode())
            write_atomic(self.folder / 'meta_info.txt', ''.join(f'{record}\n' for record in records).encode())
        if self.warnings:
            content = {**self.description, _WARNINGS: list(self.warnings.values())}
            write_atomic(self.folder / _DESCRIPTION, json.dumps(content, indent=2).encode())
        self._journal.close()
        self._sink.close()
        old = self.target.with_name(f'.{self.target.stem}.old{self.target.suffix}')
        remove(old)
        if self.target.exists():
            self.target.rename(old)
        self.folder.rename(self.target)
        (self.target / _JOURNAL).unlink(missing_ok=True)
        shutil.rmtree(old, ignore_errors=True)


def read_warnings(root: Path) -> list[str]:
    """Return what a store says is missing of what it was made of, in words; nothing of one that was made elsewhere."""
    path = root / _DESCRIPTION
    return list(read_json(path).get(_WARNINGS, ())) if path.is_file() else []


def _clip_lines(records: Sequence[Record]) -> list[str]:
    """Return the lines ``clip frames (h,w,c)`` of a meta file."""
    sizes = {record.clip: record.size for record in records}
    counts = Counter(record.clip for record in records)
    return [format_meta_line(clip, counts[clip], size) for clip, size in sizes.items()]
