"""The pictures of a study: read from an evaluation, written under names that tell nothing."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from dlvr_plugin.core.choices import ImageFormat
from dlvr_plugin.core.files import naming
from dlvr_plugin.data.degradations import Degradation, degrade_images
from dlvr_plugin.evaluation.evaluated_clips import EvaluatedClips
from dlvr_plugin.evaluation.evaluation_file import GROUND_TRUTH, Evaluation
from dlvr_plugin.report.report_page import encode_image
from dlvr_plugin.survey.study import Stimulus, derive

GOOD, BICUBIC = '@good', '@bicubic'
"""Sources of checks: frames of the owner, and what bicubic leaves of them at a part of the size and back again.

Both are cropped to multiples of the scale.
"""

_SCALE_OF_TRUTH, _SCALE_OF_RESULT = 4, 8  # a result may itself have no more in it than a quarter of the size can hold
_SAME_TIME = 946684800  # 2000-01-01: the order in which files were written tells whose they are


class Request(NamedTuple):
    """A stimulus to be made.

    Attributes:
        source: Name of a method, ``GOOD`` or ``BICUBIC``.
        clip: Name of the clip.
        frames: Indices, in order.
        frame_rate: Frames a second, None for one picture.
        copy: Number that sets a stimulus apart from another one of the same frames.
        owner: Whose frames ``GOOD`` and ``BICUBIC`` are made of: those of the ground truth, or of a method.
    """

    source: str
    clip: str
    frames: tuple[int, ...]
    frame_rate: float | None
    copy: int = 0
    owner: str = GROUND_TRUTH


class StimulusList:
    """Requests, each once, by the index that their stimulus will have."""

    def __init__(self) -> None:
        self.requests: dict[Request, int] = {}

    def add(self, request: Request) -> int:
        """Return the index of the stimulus that a request asks for."""
        return self.requests.setdefault(request, len(self.requests))


class PictureFormat(NamedTuple):
    """How pictures are stored: as PNG, which keeps every pixel, or in another format with a quality of 1 to 100."""

    image_format: ImageFormat
    quality: int


def write_stimuli(
    evaluation: Evaluation, requests: Mapping[Request, int], folder: Path, key: str, picture_format: PictureFormat
) -> tuple[Stimulus, ...]:
    """Write the pictures of all stimuli.

    Args:
        evaluation: Where the frames come from.
        requests: What to make, by index from 0.
        folder: An empty one.
        key: What the names are made of, hexadecimal.
        picture_format: Of the files.

    Raises:
        DataError: A frame is missing, damaged, or has changed since it was evaluated. OSError: A file cannot be
        written.
    """
    by_place: dict[tuple[str, str], list[Request]] = {}
    for request in requests:
        by_place.setdefault((_owner_of(request), request.clip), []).append(request)
    readers = {owner: EvaluatedClips(evaluation, owner) for owner, _ in by_place}
    for owner, reader in readers.items():
        reader.warn_of_mere_list([clip for each, clip in by_place if each == owner])
    sizes: dict[Request, tuple[int, int]] = {}
    with tqdm(total=sum(len(each.frames) for each in requests), desc='Pictures', unit='frame', disable=None) as bar:
        for (owner, clip), wanted in by_place.items():
            readers[owner].check(clip)
            for index, image in _read(readers[owner], clip, {frame for each in wanted for frame in each.frames}):
                for request in wanted:
                    if index in request.frames:
                        shown = _prepare(image, request)
                        content = encode_image(shown, *picture_format)
                        _write(folder / _file_name(key, requests[request], index, picture_format), content)
                        sizes[request] = (shown.shape[0], shown.shape[1])
                        bar.update()
    return tuple(
        Stimulus(
            size=sizes[request],
            frame_rate=request.frame_rate,
            files=tuple(_file_name(key, stimulus, index, picture_format) for index in request.frames),
        )
        for request, stimulus in requests.items()
    )


def _owner_of(request: Request) -> str:
    return request.owner if request.source in (GOOD, BICUBIC) else request.source


def _file_name(key: str, stimulus: int, frame: int, picture_format: PictureFormat) -> str:
    return f'{derive(key, f"picture/{stimulus}/{frame}")[:32]}.{picture_format.image_format}'


def _read(reader: EvaluatedClips, clip: str, wanted: set[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the frames that are wanted; of a video those before them are read, too."""
    if reader.clips.kind == 'videos':
        for index, image in enumerate(reader.clips.read_frames(clip)):
            if index in wanted:
                yield index, image
    else:
        for index in sorted(wanted):
            yield index, next(reader.clips.read_frames(clip, index, index + 1))


def _prepare(image: np.ndarray, request: Request) -> np.ndarray:
    if request.source not in (GOOD, BICUBIC):
        return image
    scale = _SCALE_OF_TRUTH if request.owner == GROUND_TRUTH else _SCALE_OF_RESULT
    height, width = (side // scale * scale for side in image.shape[:2])
    if request.source == GOOD:
        return image[:height, :width]
    small = degrade_images([image], Degradation(type='BI', scale=scale))
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def _write(path: Path, content: bytes) -> None:
    with naming(path):
        path.write_bytes(content)
        os.utime(path, (_SAME_TIME, _SAME_TIME))
