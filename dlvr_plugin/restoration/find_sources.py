"""What the words of a command name: videos, folders of frames, folders of these, LMDBs, and patterns of all of them."""

import glob
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.clips.clip_store import IMAGE_SUFFIXES, by_number
from dlvr_plugin.clips.video_files import VIDEO_SUFFIXES
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.regular_files import check_name
from dlvr_plugin.restoration.frame_sources import FrameSource, ImageSource, VideoSource


def find_sources(
    words: Sequence[str],
    *,
    frame_rate: Fraction = Fraction(24),
    deinterlace: bool = False,
    allow_cut: bool = False,
) -> list[FrameSource]:
    """Return what is to be restored, in order.

    Args:
        words: Paths or patterns.
        frame_rate: Frames a second of folders and LMDBs.
        deinterlace: Make frames of the fields of interlaced videos.
        allow_cut: Take videos that are cut off or damaged as they are.

    Raises:
        DataError: A path does not exist, holds nothing that can be restored, or two results would have one name.
    """
    video = partial(VideoSource, deinterlace=deinterlace, allow_cut=allow_cut)
    images = partial(ImageSource, frame_rate=frame_rate)
    found: dict[str, FrameSource] = {}
    for path in _expand(words):
        check_name(path)
        for source in _sources_in(path, video, images):
            if source.name in found and found[source.name].path == source.path:
                raise DataError(f'{source.path} is named twice. Name it once.')
            if source.name in found:
                raise DataError(
                    f'{found[source.name].path} and {source.path} would have results of one name, {source.name}. '
                    'Restore them by two commands.'
                )
            found[source.name] = source
    return list(found.values())


def _expand(words: Sequence[str]) -> Iterator[Path]:
    for word in words:
        if Path(word).exists():
            yield Path(word)
            continue
        matches = sorted(glob.glob(word, recursive=True), key=by_number)
        if not matches:
            raise DataError(f'{word} does not exist.')
        yield from map(Path, matches)


def _sources_in(path: Path, video: partial[VideoSource], images: partial[ImageSource]) -> Iterator[FrameSource]:
    path = path.absolute()
    if not path.is_dir():
        yield video(path)
    elif (path / 'data.mdb').exists() or path.suffix == '.lmdb':
        for clip in ClipReader(path).names:
            yield images(path, clip=clip)
    elif any(each.suffix.lower() in IMAGE_SUFFIXES for each in path.iterdir()):
        yield images(path)
    else:
        yield from _sources_below(path, video, images)


def _sources_below(path: Path, video: partial[VideoSource], images: partial[ImageSource]) -> Iterator[FrameSource]:
    is_empty = True
    for each in sorted(path.iterdir(), key=lambda each: by_number(each.name)):
        if each.name.startswith('.'):
            continue
        if each.is_file() and each.suffix.lower() in VIDEO_SUFFIXES:
            yield video(each)
            is_empty = False
        elif each.is_dir() and any(inner.suffix.lower() in IMAGE_SUFFIXES for inner in each.iterdir()):
            yield images(each)
            is_empty = False
    if is_empty:
        raise DataError(
            f'{path} holds neither frames ({", ".join(IMAGE_SUFFIXES)}), nor folders of frames, nor video files '
            f'({", ".join(VIDEO_SUFFIXES)}).'
        )
