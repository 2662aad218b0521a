"""Frames of clips by number, of which the last ones are kept, for windows that move along."""

from collections.abc import Iterable, Iterator

import numpy as np

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.core.errors import DataError


class RecentFrames:
    """Reads frames of any kind of clip by their numbers.

    Windows that move forward read each frame once, and a video is decoded once, from its beginning; going back further
    than what is kept decodes it again.

    Args:
        reader: Where the clips are.
        num_kept: Frames that stay in memory.
    """

    def __init__(self, reader: ClipReader, num_kept: int) -> None:
        self.reader, self.num_kept = reader, num_kept
        self._start('')

    def _start(self, clip: str) -> None:
        self._clip = clip
        self._kept: dict[int, np.ndarray] = {}
        self._size: tuple[int, ...] | None = None
        self._video: Iterator[np.ndarray] | None = None
        self._position = 0  # of the next frame of the video

    def read(self, clip: str, indices: Iterable[int]) -> dict[int, np.ndarray]:
        """Read frames of a clip.

        Returns:
            Images (h, w, 3), BGR, uint8, by number.

        Raises:
            DataError: A frame is missing, damaged, or of another size than its clip.
        """
        if clip != self._clip:
            self._start(clip)
        return {index: self._read(index) for index in sorted(set(indices))}

    def _read(self, index: int) -> np.ndarray:
        if index not in self._kept:
            if self.reader.kind == 'videos':
                self._decode(index)
            else:
                self._keep(index, next(self.reader.read_frames(self._clip, index, index + 1)))
        return self._kept[index]

    def _decode(self, index: int) -> None:
        """Decode a video as far as a frame."""
        if self._video is None or index < self._position:
            self._video, self._position = self.reader.read_frames(self._clip), 0
        while self._position <= index:
            image = next(self._video, None)
            if image is None:
                raise DataError(f'{self.reader.where(self._clip, self._position)} cannot be decoded: the video ends.')
            self._keep(self._position, image)
            self._position += 1

    def _keep(self, index: int, image: np.ndarray) -> None:
        self._size = self._size or image.shape[:2]
        if image.shape[:2] != self._size:
            raise DataError(
                f'{self.reader.where(self._clip, index)} is {image.shape[0]}x{image.shape[1]} pixels (h x w), but its '
                f'clip is {self._size[0]}x{self._size[1]}.'
            )
        self._kept[index] = image
        while len(self._kept) > self.num_kept:
            del self._kept[next(iter(self._kept))]

    def __getstate__(self) -> dict[str, object]:
        """Leave frames and open videos here: a spawned worker opens its own."""
        return {'reader': self.reader, 'num_kept': self.num_kept}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._start('')
