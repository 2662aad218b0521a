"""What is restored: a video file, a folder of frames, or a clip of an LMDB, read from any frame on."""

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.clips.clip_store import IMAGE_SUFFIXES, by_number
from dlvr_plugin.clips.video_info import VideoInfo, probe_video
from dlvr_plugin.clips.video_stream import read_frames, upright
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.images import decode_image
from dlvr_plugin.core.regular_files import MOST_BYTES_OF_IMAGE, check_name, hash_open, open_regular, read_regular


class TimedImage(NamedTuple):
    """A frame (h, w, 3), RGB, uint8 or uint16, and when and how long it is shown, in ticks."""

    image: np.ndarray
    pts: int
    duration: int


class FrameSource(Protocol):
    """Frames in the order of time.

    Attributes:
        name: What they are called, a name of a file without its suffix.
        path: Where they are.
        info: What the file says, for a video; None for frames.
        time_base: Seconds of a tick.
        announced: About how many frames there are; 0 where nothing says so.
    """

    name: str
    path: Path
    info: VideoInfo | None
    time_base: Fraction
    announced: int

    def read(self, start: int | None = None) -> Iterator[TimedImage]:
        """Read frames from a timestamp on, None for the first one.

        Raises:
            DataError: A frame is missing, damaged, or of another size than the first one.
        """
        ...

    def frame_name(self, index: int, pts: int) -> str:
        """Return how the file of a restored frame is to be called, without its suffix."""
        ...

    def upright(self, image: np.ndarray) -> np.ndarray:
        """Turn a frame (h, w, c), as it is read or restored, as it is to be shown."""
        ...

    def fingerprint(self) -> str:
        """Return the SHA-256 of all that is read, hexadecimal."""
        ...


class VideoSource:
    """A video file, see ``FrameSource``.

    Args:
        path: The file.
        deinterlace: Make frames of the fields of interlaced video.
        allow_cut: Take what can be read of a damaged file.

    Raises:
        DataError: It cannot be read, or is of high dynamic range.
    """

    def __init__(self, path: Path, *, deinterlace: bool = False, allow_cut: bool = False) -> None:
        self.path, self.name = path, path.stem
        self._deinterlace, self._allow_cut = deinterlace, allow_cut
        self.info: VideoInfo | None = (info := probe_video(path))
        if info.is_hdr:
            raise DataError(
                f'{path} is of high dynamic range (transfer {info.transfer}). Networks learn from frames of standard '
                'range, and its metadata would be lost. Convert it to BT.709 first, such as by the filters zscale and '
                'tonemap of ffmpeg.'
            )
        self.time_base, self.announced = info.time_base, info.num_frames
        self.problem = ''

    def read(self, start: int | None = None) -> Iterator[TimedImage]:
        """Read frames from a timestamp on, see ``FrameSource``."""
        on_cut = self._note if self._allow_cut else None
        for frame in read_frames(self.path, start=start, deinterlace=self._deinterlace, on_cut=on_cut):
            yield TimedImage(frame.rgb, frame.pts, frame.duration)

    def frame_name(self, index: int, pts: int) -> str:
        """Return the number of a frame."""
        return f'{index:08d}'

    def upright(self, image: np.ndarray) -> np.ndarray:
        """Turn a frame as the telephone was held."""
        return image if self.info is None else upright(image, self.info)

    def _note(self, problem: str) -> None:
        self.problem = problem

    def fingerprint(self) -> str:
        """Return the SHA-256 of the file."""
        with open_regular(self.path) as file:
            return hash_open(file)


class ImageSource:
    """The frames of a folder, or of a clip of an LMDB, see ``FrameSource``; a tick is the time of a frame.

    Args:
        path: The folder, or the LMDB.
        frame_rate: Frames a second.
        clip: Name of the clip, of an LMDB.
    """

    info: VideoInfo | None = None

    def __init__(self, path: Path, *, frame_rate: Fraction, clip: str | None = None) -> None:
        self.path, self.time_base = path, 1 / frame_rate
        self.name = clip.replace('/', '_') if clip else path.name
        self._clip = clip
        self._reader: ClipReader | None = None
        self._files: list[Path] = []
        if clip is not None:
            self._reader = ClipReader(path)
            self.announced = self._reader.num_frames(clip)
            self._names = self._reader.frame_names(clip) or []
        else:
            files = [each for each in path.iterdir() if each.suffix.lower() in IMAGE_SUFFIXES]
            self._files = sorted(files, key=lambda each: by_number(each.name))
            self.announced = len(self._files)
            self._names = [each.stem for each in self._files]
            for each in self._files:
                check_name(each)

    def read(self, start: int | None = None) -> Iterator[TimedImage]:
        """Read frames from a timestamp on, see ``FrameSource``."""
        size: tuple[int, ...] | None = None
        for index in range(start or 0, self.announced):
            image = self._read(index)
            size = size or image.shape
            if image.shape != size:
                raise DataError(
                    f'{self._where(index)} has {image.shape[1]}x{image.shape[0]} pixels, those before {size[1]}x'
                    f'{size[0]}. Frames of one video must have one size.'
                )
            yield TimedImage(image, index, 1)

    def _read(self, index: int) -> np.ndarray:
        if self._reader is not None:
            assert self._clip is not None
            image = next(self._reader.read_frames(self._clip, index, index + 1))
        else:
            content = read_regular(self._files[index], most_bytes=MOST_BYTES_OF_IMAGE)
            image = decode_image(content, str(self._files[index]), flag='unchanged')
        if image.dtype not in (np.uint8, np.uint16) or (image.ndim == 3 and image.shape[2] != 3):
            raise DataError(
                f'{self._where(index)} is no image of 8 or 16 bits in RGB or grey: {image.dtype}, '
                f'{image.shape[2] if image.ndim == 3 else 1} channels. Convert it first.'
            )
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB)

    def frame_name(self, index: int, pts: int) -> str:
        """Return the name that the frame has."""
        return self._names[pts]

    def upright(self, image: np.ndarray) -> np.ndarray:
        """Return a frame as it is."""
        return image

    def _where(self, index: int) -> str:
        if self._reader is not None:
            assert self._clip is not None
            return self._reader.where(self._clip, index)
        return str(self._files[index])

    def fingerprint(self) -> str:
        """Return a SHA-256 of the names and contents of all frames."""
        total = hashlib.sha256()
        if self._reader is not None:
            assert self._clip is not None
            hashes = self._reader.hash_files(self._clip)
        else:
            hashes = {}
            for path in self._files:
                with open_regular(path, most_bytes=MOST_BYTES_OF_IMAGE) as file:
                    hashes[path.name] = hash_open(file)
        for name, digest in hashes.items():
            total.update(f'{name}\0{digest}\n'.encode())
        return total.hexdigest()
