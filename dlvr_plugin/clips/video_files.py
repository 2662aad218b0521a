"""Frames of video files, and the scenes that they fall into."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.regular_files import check_regular, open_regular

VIDEO_SUFFIXES = ('.mp4', '.mkv', '.mov', '.avi', '.webm', '.m4v', '.mpg', '.mpeg', '.ts', '.wmv', '.flv', '.y4m')

OnCut = Callable[[str], None]

_MOST_FRAMES = 2**28  # half a year; a file that announces more holds a placeholder
_ROUNDING_SECONDS = 0.2  # by which the duration of a container may exceed that of its frames, mostly by its sound

_VIEW_SIZE = (160, 90)  # width, height at which scenes are compared
_SUDDEN = 1.5  # a cut changes the picture by this factor more than the motion before it


def count_frames(path: Path) -> tuple[int, tuple[int, int]]:
    """Return the number of frames that a video file announces, which may be off by some, and their size (h, w).

    Raises:
        DataError: It cannot be opened.
    """
    video = _open(path)
    size = int(video.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(video.get(cv2.CAP_PROP_FRAME_WIDTH))
    return _announced_frames(video), size


def count_decodable_frames(path: Path, *, on_cut: OnCut | None = None) -> int:
    """Return the number of frames that a video file really holds, by decoding it.

    Args:
        path: The file.
        on_cut: As for ``read_video``.

    Raises:
        DataError: It cannot be opened, or ends before its end.
    """
    video, num_frames, end = _open(path), 0, 0.0
    while video.grab():
        num_frames += 1
        end = video.get(cv2.CAP_PROP_POS_MSEC)
    _check_end(path, video, num_frames, end, on_cut)
    return num_frames


def read_frame_rate(path: Path) -> float:
    """Return the frames a second that a video file announces.

    Raises:
        DataError: It cannot be opened.
    """
    return float(_open(path).get(cv2.CAP_PROP_FPS))


def read_video(path: Path, *, on_cut: OnCut | None = None) -> Iterator[np.ndarray]:
    """Decode a video file.

    Args:
        path: The file.
        on_cut: Takes in words what is missing, where the video ends before the frames that the file announces; None
            makes that an error.

    Yields:
        Frames (h, w, 3), BGR, uint8.

    Raises:
        DataError: It cannot be opened, holds no frame that can be decoded, or ends before its end.
    """
    video, num_frames, end = _open(path), 0, 0.0
    while True:
        is_frame, frame = video.read()
        if not is_frame:
            break
        num_frames += 1
        end = video.get(cv2.CAP_PROP_POS_MSEC)
        yield frame
    if num_frames == 0:
        raise DataError(f'{path} holds no frame that can be decoded: it is cut off, damaged, or of an unknown codec.')
    _check_end(path, video, num_frames, end, on_cut)


def _announced_frames(video: cv2.VideoCapture) -> int:
    """Return how many frames a file announces; 0 for none, as of a recording that nobody closed, and for nonsense."""
    number = video.get(cv2.CAP_PROP_FRAME_COUNT)
    return int(number) if 0 < number < _MOST_FRAMES else 0


def _check_end(path: Path, video: cv2.VideoCapture, num_read: int, end: float, on_cut: OnCut | None) -> None:
    """Demand that a video was read to the end that its file announces.

    The announced number alone would refuse sound videos: most containers announce a duration, of which the number is
    computed as if all frames lasted equally long, and as if no sound went on after the last one. So it counts as cut
    only if it also ends too early by its clock.

    Args:
        path: The file, for errors.
        video: It, after its last frame.
        num_read: Frames that were read.
        end: When the last one is shown, in milliseconds.
        on_cut: As for ``read_video``.
    """
    announced, rate = _announced_frames(video), video.get(cv2.CAP_PROP_FPS)
    if num_read >= announced:
        return
    if rate > 0:
        with open_regular(path) as file:
            start = file.read(12)
        counts_frames = start[4:8] == b'ftyp' or (start[:4], start[8:]) == (b'RIFF', b'AVI ')
        late = announced - (end / 1000 * rate + 1)  # frames that lack by the clock
        if late < (0.5 if counts_frames else max(1.5, _ROUNDING_SECONDS * rate)):
            return
    problem = f'{path} is cut off or damaged: it announces {announced} frames, and {num_read} can be read'
    if on_cut is None:
        raise DataError(
            f'{problem}. Get the whole file; to use what can be read of it, say --allow-cut-videos, in a test set '
            'allow_cut_videos: true.'
        )
    on_cut(problem)


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
