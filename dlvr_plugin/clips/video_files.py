"""Frames of video files, and the scenes that they fall into."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from dlvr_plugin.clips.video_decoding import ALLOW_CUT, OnCut, decode_video
from dlvr_plugin.clips.video_info import announced_rate, open_video, probe_video
from dlvr_plugin.clips.video_stream import read_frames, upright
from dlvr_plugin.core.errors import DataError

VIDEO_SUFFIXES = ('.mp4', '.mkv', '.mov', '.avi', '.webm', '.m4v', '.mpg', '.mpeg', '.ts', '.wmv', '.flv', '.y4m')

_VIEW_SIZE = (160, 90)  # width, height at which scenes are compared
_SUDDEN = 1.5  # a cut changes the picture by this factor more than the motion before it


def count_frames(path: Path) -> tuple[int, tuple[int, int]]:
    """Return the number of frames that a video file announces, which may be off by some, and their size (h, w).

    Raises:
        DataError: It cannot be opened, or holds no frame that can be decoded.
    """
    info = probe_video(path)
    return info.num_frames, info.upright_size


def count_decodable_frames(path: Path, *, on_cut: OnCut | None = None) -> int:
    """Return the number of frames that a video file really holds, by decoding it.

    Args:
        path: The file.
        on_cut: As for ``read_video``.

    Raises:
        DataError: As ``read_video``.
    """
    problems: list[str] = []
    number = sum(1 for _ in decode_video(path, on_cut=problems.append))  # to the end, to say how much there is
    for problem in problems:
        if on_cut is None:
            raise DataError(f'{problem}. {ALLOW_CUT}')
        on_cut(problem)
    return number


def read_frame_rate(path: Path) -> float:
    """Return the frames a second that a video file announces.

    Raises:
        DataError: It cannot be opened.
    """
    with open_video(path) as (_, stream):
        return float(announced_rate(stream) or 0)


def read_video(path: Path, *, on_cut: OnCut | None = None) -> Iterator[np.ndarray]:
    """Decode a video file into 8-bit pictures as they are shown: the right way up, in the order of their time.

    Args:
        path: The file.
        on_cut: Takes in words what is missing or damaged, where the video ends before the frames that the file
            announces, or not all can be decoded whole; None makes that an error.

    Yields:
        Frames (h, w, 3), BGR, uint8.

    Raises:
        DataError: It cannot be opened, holds no frame that can be decoded, is interlaced or damaged, or ends before
            its end.
    """
    info = probe_video(path)
    for frame in read_frames(path, num_bits=8, on_cut=on_cut):
        yield cv2.cvtColor(upright(frame.rgb, info), cv2.COLOR_RGB2BGR)


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
