"""What stores are made of: clips of frames, and video files."""

import hashlib
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from dlvr_plugin.clips.clip_store import Clip, ClipStore, missing_frames
from dlvr_plugin.clips.store_writer import EncodedFrame, encode_frame
from dlvr_plugin.clips.video_files import VIDEO_SUFFIXES, count_frames, read_video, split_scenes
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.images import read_size
from dlvr_plugin.core.regular_files import check_name
from dlvr_plugin.data.processing import Processing
from dlvr_plugin.data.realistic.stored_copies import StoredCopy

_SAMPLED_FRAMES = 5  # that tell how much PNG compresses


@dataclass(frozen=True)
class SourceEnd:
    """Says that a video was read to its end.

    Attributes:
        stamp: Identifies the video in its present state.
        num_short: Frames of it that are left out, because their scenes are short.
        warning: What is missing of it, in words; empty for nothing.
    """

    stamp: str
    num_short: int
    warning: str = ''


Item = EncodedFrame | SourceEnd


class ClipFrames(Dataset[list[Item]]):
    """Frames of clips, each made into a frame of a store by itself or with those around it.

    Args:
        store: Where the clips are.
        clips: Names of those to take.
        processing: What happens to their frames.

    Attributes:
        num_frames: How many there are.
        num_bytes: About how much they take in a store.
        may_be_fewer: Whether these are upper bounds.

    Raises:
        DataError: A clip that the store has not, two names that become one, or a frame that cannot be read.
    """

    may_be_fewer = False

    def __init__(self, store: ClipStore, clips: Sequence[str], processing: Processing) -> None:
        self.store, self.processing = store, processing
        names = _unique_names(clips)
        self._frames: dict[str, tuple[Clip, int]] = {}
        self._stamps: dict[str, str] = {}
        self._runs: list[list[str]] = []
        for name in clips:
            if missing := missing_frames(store.clips[name]):
                raise DataError(f'Clip {name} of {store.root} has a gap: {", ".join(missing[:5])} is missing.')
            self._add_clip(store.clips[name], names[name])
        self._todo = self._runs
        self._done: Container[str] = ()
        self.num_frames = len(self._frames)
        compression = _png_compression(self._sample()) if processing.codec == 'png' else 1.0
        self.num_bytes = sum(
            processing.num_bytes(len(store.clips[name].frames), self._size(store.clips[name]), compression)
            for name in clips
        )

    def _add_clip(self, clip: Clip, name: str) -> None:
        keys = [f'{name}/{clip.frame_name(index)}' for index in range(len(clip.frames))]
        length = self.processing.run_length(len(keys), self._size(clip))
        if length > 1:
            clip = replace(clip, size=self._size(clip))  # so that reading demands it of the whole run
        for index, key in enumerate(keys):
            if key in self._frames:
                raise DataError(f'Clip {clip.name} of {self.store.root} has two frames named {key.rsplit("/", 1)[1]}.')
            self._frames[key] = (clip, index)
        for first in range(0, len(keys), length):
            run = keys[first : first + length]
            self._runs.append(run)
            stamps = [self._stamp(clip, first + index) for index in range(len(run))]
            if length > 1:  # what becomes of a frame depends on those beside it, and on how many there are
                told = f'{len(keys)} {" ".join(stamps)}'
                stamps = [hashlib.sha256(told.encode()).hexdigest()[:16]] * len(run)
            self._stamps.update(zip(run, stamps, strict=True))

    def _stamp(self, clip: Clip, index: int) -> str:
        path = self.store.root / ('data.mdb' if self.store.is_lmdb else clip.frames[index])
        return _file_stamp(path)

    def _size(self, clip: Clip) -> tuple[int, int]:
        return clip.size or read_size(self.store.root / clip.frames[0])

    def _sample(self) -> Iterator[np.ndarray]:
        frames = list(self._frames.values())
        for clip, index in frames[:: max(len(frames) // _SAMPLED_FRAMES, 1)][:_SAMPLED_FRAMES]:
            yield self.store.read(clip, index)

    def is_current(self, key: str, stamp: str) -> bool:
        """Tell whether a frame of the store is made of what is there now."""
        return self._stamps.get(key) == stamp

    def skip(self, keys: Container[str], ended: Container[str]) -> None:
        """Leave out frames that the store has already."""
        self._done = keys
        self._todo = [run for run in self._runs if any(key not in keys for key in run)]

    def keys(self, records: Iterable[str]) -> list[str]:
        """Return the keys that the finished store has."""
        return list(self._frames)

    def __len__(self) -> int:
        return len(self._todo)

    def __getitem__(self, index: int) -> list[Item]:
        run = self._todo[index]
        clip, first = self._frames[run[0]]
        images = self.processing.make(
            lambda frame: self.store.read(clip, frame, strict=True),
            range(first, first + len(run)),
            clip=run[0].rsplit('/', 1)[0],
            num_frames=len(clip.frames),
        )
        return [
            encode_frame(image, codec=self.processing.codec, key=key, stamp=self._stamps[key])
            for key, image in zip(run, images, strict=True)
            if key not in self._done
        ]


@dataclass(frozen=True)
class SceneChoice:
    """Which scenes of a video are taken.

    Attributes:
        chosen: Their numbers; empty for all.
        excluded: Numbers of those that are left out.
    """

    chosen: frozenset[int] = frozenset()
    excluded: frozenset[int] = frozenset()

    def takes(self, scene: int) -> bool:
        """Tell whether a scene is taken."""
        return (not self.chosen or scene in self.chosen) and scene not in self.excluded


class VideoFrames(IterableDataset[list[Item]]):
    """Frames of video files, a clip for each scene. Worker processes take whole files.

    Args:
        videos: The files, and which scenes of them to take.
        processing: What happens to their frames.
        scene_threshold: See ``split_scenes``; 0 makes one clip of each file.
        min_frames: Shorter scenes are left out.
        allow_cut: Take a video that ends before the frames that its file announces as it is.

    Attributes:
        num_frames: How many the files announce.
        num_bytes: About how much they take in a store.
        may_be_fewer: Whether these are upper bounds, because scenes were chosen.

    Raises:
        DataError: A file that cannot be opened or is cut, two names that become one, or a chosen scene that there is
            not. InvalidValueError: Clips as a whole would have to be known.
    """

    def __init__(
        self,
        videos: Mapping[Path, SceneChoice],
        processing: Processing,
        *,
        scene_threshold: float = 27.0,
        min_frames: int = 1,
        allow_cut: bool = False,
    ) -> None:
        self.processing, self.scene_threshold, self.min_frames = processing, scene_threshold, min_frames
        self.allow_cut = allow_cut
        if isinstance(processing.degradation, StoredCopy):
            raise InvalidValueError('Realistic degradations need whole clips. Make a store of the videos first.')
        names = _unique_names([video.stem for video in videos])
        self._videos = {f'{video.name} {_file_stamp(video)}': (video, names[video.stem]) for video in videos}
        self._choices = dict(videos)
        self.may_be_fewer = any(choice.chosen or choice.excluded for choice in videos.values())
        announced = [count_frames(video) for video in videos]
        self.num_frames = sum(number for number, _ in announced)
        first_frames = (next(read_video(video)) for video in list(videos)[:_SAMPLED_FRAMES])
        compression = _png_compression(first_frames) if processing.codec == 'png' else 1.0
        self.num_bytes = sum(processing.num_bytes(number, size, compression) for number, size in announced)
        self._done: Container[str] = ()
        self._ended: Container[str] = ()

    def is_current(self, key: str, stamp: str) -> bool:
        """Tell whether a frame of the store is made of what is there now."""
        return stamp in self._videos

    def skip(self, keys: Container[str], ended: Container[str]) -> None:
        """Leave out videos that have ended, and do not encode frames again that the store has already."""
        self._done, self._ended = keys, ended

    def keys(self, records: Iterable[str]) -> list[str]:
        """Return the keys that the finished store has."""
        return list(records)

    def __iter__(self) -> Iterator[list[Item]]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        todo = [stamp for stamp in self._videos if stamp not in self._ended]
        for stamp in todo[first::step]:
            yield from self._read(stamp)

    def _read(self, stamp: str) -> Iterator[list[Item]]:
        video, name = self._videos[stamp]
        choice = self._choices[video]
        num_frames = num_split = num_scenes = 0
        cuts: list[str] = []

        def counted() -> Iterator[np.ndarray]:
            nonlocal num_frames
            for frame in read_video(video, on_cut=cuts.append if self.allow_cut else None):
                num_frames += 1
                yield frame

        for scene, index, frame in split_scenes(counted(), threshold=self.scene_threshold, min_frames=self.min_frames):
            num_split, num_scenes = num_split + 1, scene + 1
            key = f'{name}_{scene:03d}/{index:08d}' if self.scene_threshold else f'{name}/{index:08d}'
            if choice.takes(scene) and key not in self._done:
                image = self.processing.make([frame].__getitem__, range(1), clip=name, num_frames=1)[0]
                yield [encode_frame(image, codec=self.processing.codec, key=key, stamp=stamp)]
        if missing := sorted(scene for scene in choice.chosen | choice.excluded if scene >= num_scenes):
            there = f'It has {video.stem}_000 to {video.stem}_{num_scenes - 1:03d}' if num_scenes else 'It has none'
            raise DataError(
                f'{video} has no scene {video.stem}_{missing[0]:03d}. {there}, of at least {self.min_frames} frames.'
            )
        yield [SourceEnd(stamp, num_frames - num_split, ' '.join(cuts))]


def find_source(
    root: Path,
    processing: Processing,
    *,
    subfolder: str = '',
    clips: Sequence[str] = (),
    exclude_clips: Sequence[str] = (),
    scene_threshold: float = 27.0,
    min_frames: int = 1,
    allow_cut_videos: bool = False,
) -> ClipFrames | VideoFrames:
    """Find out what a path holds: an LMDB, clip folders, video files or one of these.

    Args:
        root: The path.
        processing: What happens to the frames.
        subfolder: Where frames lie below a clip's folder.
        clips: Clips, videos or scenes of videos (``VIDEO_000``), by name, to take; all by default.
        exclude_clips: Those to leave out.
        scene_threshold: For videos, see ``split_scenes``.
        min_frames: For videos, see ``split_scenes``.
        allow_cut_videos: Take a video that ends before the frames that its file announces as it is.

    Raises:
        DataError: It holds none of these, or not what was chosen.
    """
    videos = [root] if root.exists() and not root.is_dir() else []
    if root.is_dir():
        videos = sorted(path for path in root.iterdir() if not path.is_dir() and path.suffix.lower() in VIDEO_SUFFIXES)
    for video in videos:
        check_name(video)
    if videos:
        taken = _choose_scenes(videos, clips, exclude_clips, root, are_split=scene_threshold > 0)
        return VideoFrames(
            taken, processing, scene_threshold=scene_threshold, min_frames=min_frames, allow_cut=allow_cut_videos
        )
    store = ClipStore(root, subfolder=subfolder)
    return ClipFrames(store, _choose(list(store.clips), clips, exclude_clips, root), processing)


def _choose(names: Sequence[str], clips: Sequence[str], exclude_clips: Sequence[str], root: Path) -> list[str]:
    unknown = [name for name in (*clips, *exclude_clips) if name not in names]
    if unknown:
        raise DataError(f'{root} has no {unknown[0]}. It has: {", ".join(names[:20])}{" ..." * (len(names) > 20)}')
    chosen = [name for name in names if (not clips or name in clips) and name not in exclude_clips]
    if not chosen:
        raise DataError(f'Nothing is left of {root}.')
    return chosen


def _choose_scenes(
    videos: Sequence[Path], clips: Sequence[str], exclude_clips: Sequence[str], root: Path, *, are_split: bool
) -> dict[Path, SceneChoice]:
    """Return the videos to read, and which of their scenes to take, by names of videos and of scenes."""
    by_name = {**{_safe_name(video.stem): video for video in videos}, **{video.stem: video for video in videos}}

    def find(name: str) -> tuple[Path, int | None]:
        if name in by_name:
            return by_name[name], None
        match = re.fullmatch(r'(.+)_(\d{3,})', name) if are_split else None
        if match and match[1] in by_name:
            return by_name[match[1]], int(match[2])
        known = [video.stem for video in videos]
        hint = f' Scenes of {known[0]} are {known[0]}_000, {known[0]}_001 and so on.' if are_split else ''
        raise DataError(f'{root} has no {name}. It has: {", ".join(known[:20])}{" ..." * (len(known) > 20)}.{hint}')

    chosen, excluded = [find(name) for name in clips], [find(name) for name in exclude_clips]
    taken = {}
    for video in videos:
        scenes = {scene for each, scene in chosen if each == video}
        if (video, None) in excluded or (clips and not scenes):
            continue
        numbers = frozenset() if None in scenes else frozenset(scene for scene in scenes if scene is not None)
        without = frozenset(scene for each, scene in excluded if each == video and scene is not None)
        taken[video] = SceneChoice(numbers, without)
    if not taken:
        raise DataError(f'Nothing is left of {root}.')
    return taken


def _safe_name(name: str) -> str:
    """Return a name that keys and meta files can hold; these are split at blanks, slashes and dots."""
    return re.sub(r'[^A-Za-z0-9_-]+', '_', name)


def _unique_names(names: Sequence[str]) -> dict[str, str]:
    """Return names that keys and meta files can hold, all of them different."""
    result: dict[str, str] = {}
    for name in names:
        safe = _safe_name(name)
        twin = next((other for other, taken in result.items() if taken == safe), None)
        if twin is not None or name in result:
            raise DataError(f'{twin or name} and {name} would both be named {safe} in a store. Rename one of them.')
        result[name] = safe
    return result


def _file_stamp(path: Path) -> str:
    state = path.stat()
    return f'{state.st_size}-{state.st_mtime_ns}'


def _png_compression(images: Iterable[np.ndarray]) -> float:
    """Return the size of images as PNG, as a part of their raw size."""
    sizes = [(len(encode_frame(image, codec='png', key='', stamp='').content), image.nbytes) for image in images]
    return sum(encoded for encoded, _ in sizes) / sum(raw for _, raw in sizes)
