"""Where scenes of a video begin, and how the frames of a scene are divided."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np

from dlvr_plugin.clips.video_files import split_scenes
from dlvr_plugin.restoration.scene_parts import ScenePart


def find_scenes(images: Iterable[np.ndarray], *, threshold: float) -> list[int]:
    """Return the frames at which scenes begin, and the number of all frames at the end.

    Args:
        images: Frames (h, w, 3), RGB, uint8 or uint16.
        threshold: As for ``split_scenes``; 0 finds one scene.
    """
    borders: list[int] = []
    count = 0
    for _, index, _ in split_scenes(map(_to_bgr, images), threshold=threshold):
        if index == 0:
            borders.append(count)
        count += 1
    return [*borders, count]


def _to_bgr(image: np.ndarray) -> np.ndarray:
    """Return an image of 8 bits in the order of channels that the measure of cuts expects."""
    image = image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)
    return np.ascontiguousarray(image[..., ::-1])


def parts_of(scenes: list[int], start: int, stop: int) -> Iterator[ScenePart]:
    """Divide frames by scenes.

    Args:
        scenes: What ``find_scenes`` returned.
        start: The first frame.
        stop: The frame after the last one.

    >>> list(parts_of([0, 4, 10], 2, 6))
    [ScenePart(scene_start=0, scene_stop=4, start=2, stop=4), ScenePart(scene_start=4, scene_stop=10, start=4, stop=6)]
    """
    for begin, end in pairwise(scenes):
        if begin < stop and end > start:
            yield ScenePart(begin, end, max(begin, start), min(end, stop))
