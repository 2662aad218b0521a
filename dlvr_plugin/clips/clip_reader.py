"""Clips to compare: folders of frames, an LMDB, or video files, read in one way and strictly as 8-bit RGB."""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import numpy as np

from dlvr_plugin.clips.clip_store import IMAGE_SUFFIXES, ClipStore, NoClipsError, by_number, read_records
from dlvr_plugin.clips.raw_records import RawRecord
from dlvr_plugin.clips.video_files import VIDEO_SUFFIXES, OnCut, count_decodable_frames, read_frame_rate, read_video
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.files import what_is_wrong_with
from dlvr_plugin.core.regular_files import check_name, hash_open, open_regular

ClipKind = Literal['frames', 'videos']

_LIST = 'meta_info.txt'  # of an LMDB
_BATCH = 32  # frames that a thread hashes at a time


class ClipReader:
    """Clips of one method, or the ground truth.

    Args:
        root: Folder of clip folders, LMDB, folder of video files, one a clip, or one video file.
        allow_cut_videos: Take a video that ends before the frames that its file announces as it is.

    Attributes:
        cut_videos: In words, what is missing of the videos that were found cut, by clip.
        kind: 'frames' or 'videos'.
        names: Names of the clips, sorted.

    Raises:
        DataError: The root does not exist, holds no clips, or both kinds.
    """

    def __init__(self, root: str | Path, *, allow_cut_videos: bool = False) -> None:
        self.root, self.allow_cut_videos = Path(root), allow_cut_videos
        self.cut_videos: dict[str, str] = {}
        self._videos = _list_videos(self.root)
        self._store: ClipStore | None = None
        if not self._videos:
            self._store = _open_store(self.root)
        elif self.root.is_dir() and any(
            path.is_dir() and not path.name.startswith('.') for path in self.root.iterdir()
        ):
            raise DataError(f'{self.root} holds video files and folders. Keep one of them: which are the clips?')
        self._num_frames: dict[str, int] = {}
        self._digests: dict[str, list[str]] = {}  # of the files of clips that were hashed

    @property
    def kind(self) -> ClipKind:
        """What the clips are made of."""
        return 'frames' if self._store else 'videos'

    @property
    def names(self) -> list[str]:
        """Names of the clips."""
        return list(self._store.clips if self._store else self._videos)

    def num_frames(self, clip: str) -> int:
        """Return how many frames a clip has; of a video those that can be decoded, which takes a while.

        Raises:
            DataError: A video ends before the frames that its file announces, and that is not allowed.
        """
        if self._store:
            return len(self._store.clips[clip].frames)
        if clip not in self._num_frames:
            self._num_frames[clip] = count_decodable_frames(self._videos[clip], on_cut=self._on_cut(clip))
        return self._num_frames[clip]

    def _on_cut(self, clip: str) -> OnCut | None:
        def remember(problem: str) -> None:
            self.cut_videos[clip] = problem

        return remember if self.allow_cut_videos else None

    def frame_names(self, clip: str) -> list[str] | None:
        """Return the names of a clip's frames without their extensions, None for a video."""
        if not self._store:
            return None
        found = self._store.clips[clip]
        return [found.frame_name(index) for index in range(len(found.frames))]

    def frame_rate(self, clip: str) -> float | None:
        """Return the frames a second that a video announces, None for a clip of frames."""
        return None if self._store else read_frame_rate(self._videos[clip])

    def hash_files(self, clip: str) -> dict[str, str]:
        """Return the SHA-256, hexadecimal, of what a clip is made of, by name: a file a frame, a record, or the video.

        From then on, what is read of the clip must be what was hashed.

        Raises:
            DataError: A frame is missing or empty.
        """
        if not self._store:
            names, digests = [self._videos[clip].name], [_hash_file(self._videos[clip])]
        else:
            names = [Path(frame).name for frame in self._store.clips[clip].frames]
            first = self._hash_frames(clip, range(1))  # opens an LMDB, which refuses two threads that do so at once
            batches = [range(start, min(start + _BATCH, len(names))) for start in range(1, len(names), _BATCH)]
            with ThreadPoolExecutor() as pool:
                digests = [*first, *chain.from_iterable(pool.map(partial(self._hash_frames, clip), batches))]
        self._digests[clip] = digests
        return dict(zip(names, digests, strict=True))

    def _hash_frames(self, clip: str, indices: Iterable[int]) -> list[str]:
        assert self._store is not None
        return [_hash(self._store.read_bytes(self._store.clips[clip], index)) for index in indices]

    def hash_list(self) -> dict[str, str] | None:
        """Return the SHA-256 of the list of an LMDB's frames, None where the clips lie in files of their own.

        This is all that evaluations of older versions know of an LMDB. It tells raw records apart, which have their
        checksums in it, and no others.
        """
        if not self._store or not self._store.is_lmdb:
            return None
        return {_LIST: _hash_file(self.root / _LIST)}

    def list_has_checksums(self) -> bool:
        """Tell whether the list of an LMDB's frames has a checksum of each of them."""
        return all(record.checksum for record in read_records(self.root))

    def where(self, clip: str, index: int) -> str:
        """Return what an error calls a frame."""
        if self._store:
            return self._store.where(self._store.clips[clip], index)
        return f'{self._videos[clip]} (clip {clip}, frame {index})'

    def read_frames(self, clip: str, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Read frames of a clip.

        Args:
            clip: Name of the clip.
            start: First frame.
            stop: The frame after the last one, None for all.

        Yields:
            Images (h, w, 3), BGR, uint8.

        Raises:
            DataError: A frame is damaged, or not 8-bit RGB: 16 bits a channel, grey, or with an alpha channel; or it is
            no longer what ``hash_files`` found. Or a video ends too early.
        """
        if self._store:
            for index in range(start, self.num_frames(clip) if stop is None else stop):
                yield self._read(self._store, clip, index)
        else:  # a video can be read from its beginning only
            yield from islice(read_video(self._videos[clip], on_cut=self._on_cut(clip)), start, stop)
            if clip in self._digests:
                self._demand_unchanged(clip, 0, _hash_file(self._videos[clip]))

    def _read(self, store: ClipStore, clip: str, index: int) -> np.ndarray:
        content = store.read_bytes(store.clips[clip], index)
        if clip in self._digests:
            self._demand_unchanged(clip, index, _hash(content))
        if not isinstance(content, bytes):
            return store.decode(content, store.clips[clip], index)
        image = store.decode(content, store.clips[clip], index, flag='unchanged')
        if problem := find_difference_to_rgb(image):
            raise DataError(f'{self.where(clip, index)} {problem}; expected 8-bit RGB. Convert the clip first.')
        return image

    def _demand_unchanged(self, clip: str, index: int, digest: str) -> None:
        if digest != self._digests[clip][index]:
            raise DataError(
                f'{self.where(clip, index)} has changed while it was being measured or shown. Run the command again '
                'when nothing writes to it any more.'
            )


def find_difference_to_rgb(image: np.ndarray) -> str | None:
    """Return what an image, decoded as it is, has that 8-bit RGB has not; None for nothing."""
    if image.dtype != np.uint8:
        return f'has {8 * image.itemsize} bits a channel'
    num_channels = 1 if image.ndim == 2 else image.shape[2]
    if num_channels == 4:
        return 'has an alpha channel'
    return None if num_channels == 3 else f'has {num_channels} channel{"s" if num_channels > 1 else ""} (grey)'


def _hash(content: bytes | RawRecord) -> str:
    return hashlib.sha256(content.content if isinstance(content, RawRecord) else content).hexdigest()


def _hash_file(path: Path) -> str:
    with open_regular(path) as file:
        return hash_open(file)


def _list_videos(root: Path) -> dict[str, Path]:
    """Return the video files below a folder, or the one that the root is, by name."""
    check_name(root)
    if root.exists() and not root.is_dir() and root.suffix.lower() in VIDEO_SUFFIXES:
        return {root.stem: root}
    if not root.is_dir():
        raise DataError(f'{root} {what_is_wrong_with(root, wanted="a folder or a video")}.')
    videos: dict[str, Path] = {}
    for path in sorted(root.iterdir(), key=lambda path: by_number(path.name)):
        if not path.is_dir() and path.suffix.lower() in VIDEO_SUFFIXES:
            check_name(path)
            if path.stem in videos:
                raise DataError(f'{root} holds two videos of one name: {videos[path.stem].name} and {path.name}.')
            videos[path.stem] = path
    return videos


def _open_store(root: Path) -> ClipStore:
    try:
        return ClipStore(root)
    except NoClipsError as error:
        if any(path.suffix.lower() in IMAGE_SUFFIXES for path in root.iterdir()):
            raise DataError(f'{root} holds frames; expected a folder for each clip. Give the folder above.') from error
        if (root / 'data.mdb').exists() or root.suffix == '.lmdb':
            raise
        raise DataError(
            f'{root} holds neither folders of frames ({", ".join(IMAGE_SUFFIXES)}) nor video files '
            f'({", ".join(VIDEO_SUFFIXES)}).'
        ) from error
