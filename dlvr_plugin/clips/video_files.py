"""Frames of video files, and the scenes that they fall into."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.regular_files import check_regular

VIDEO_SUFFIXES = ('.mp4', '.mkv', '.mov', '.avi', '.webm', '.m4v', '.mpg', '.mpeg', '.ts', '.wmv', '.flv', '.y4m')

_VIEW_SIZE = (160, 90)  # width, height at which scenes are compared
_SUDDEN = 1.5  # a cut changes the picture by this factor more than the motion before it


def count_frames(path: Path) -> tuple[int, tuple[int, int]]:
    """Return the number of frames that a video file announces, which may be off by some, and their size (h, w).

    Raises:
        DataError: It cannot be opened.
    """
    video = _open(path)
    size = int(video.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(video.get(cv2.CAP_PROP_FRAME_WIDTH))
    return max(int(video.get(cv2.CAP_PROP_FRAME_COUNT)), 0), size


def count_decodable_frames(path: Path) -> int:
    """Return the number of frames that a video file really holds, by decoding it.

    Raises:
        DataError: It cannot be opened.
    """
    video, num_frames = _open(path), 0
    while video.grab():
        num_frames += 1
    return num_frames


def read_frame_rate(path: Path) -> float:
    """Return the frames a second that a video file announces.

    Raises:
        DataError: It cannot be opened.
    """
    return float(_open(path).get(cv2.CAP_PROP_FPS))


def read_video(path: Path) -> Iterator[np.ndarray]:
    """Decode a video file.

    Yields:
        Frames (h, w, 3), BGR, uint8.

    Raises:
        DataError: It cannot be opened, or holds no frame that can be decoded.
    """
    video, num_frames = _open(path), 0
    while True:
        is_frame, frame = video.read()
        if not is_frame:
            break
        num_frames += 1
        yield frame
    if num_frames == 0:
        raise DataError(f'{path} holds no frame that can be decoded: it is cut off, damaged, or of an unknown codec.')


def split_scenes(
    frames: Iterable[np.ndarray], *, threshold: float = 27.0, min_frames: int = 1
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Split frames where the picture changes.

    Args:
        frames: Frames (h, w, 3), BGR, uint8.
        threshold: A scene ends where hue, saturation and value of a pixel change by more than this from one frame to
            the next, in the mean over pixels and the three, in units of OpenCV's 8-bit HSV, and by half more than
            before, so that fast motion is no cut. 0 never splits.
        min_frames: Shorter scenes are left out.

    Yields:
        Number of the scene, number of the frame in it, both from 0, and the frame.

    Source: the measure and the threshold of PySceneDetect's content detector.
    """
    scene, num_frames = 0, 0
    held: list[np.ndarray] = []  # the first frames of a scene, as long as it is too short
    view: np.ndarray | None = None
    last_change = float('inf')
    for frame in frames:
        if threshold:
            last_view, view = view, _small_view(frame)
            if last_view is not None:
                change = float(np.abs(view - last_view).mean())
                if change > max(threshold, _SUDDEN * last_change):
                    scene += int(num_frames >= min_frames)
                    num_frames, held = 0, []
                last_change = change
        num_frames += 1
        held.append(frame)
        if num_frames >= min_frames:
            for index, ready in enumerate(held, start=num_frames - len(held)):
                yield scene, index, ready
            held = []


def _small_view(frame: np.ndarray) -> np.ndarray:
    """Return hue, saturation and value (90, 160, 3), signed, for comparison."""
    small = cv2.resize(frame, _VIEW_SIZE, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2HSV).astype(np.int16)


def _open(path: Path) -> cv2.VideoCapture:
    check_regular(path)
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise DataError(f'{path} cannot be opened as a video: it is damaged, or of an unknown format.')
    return video
