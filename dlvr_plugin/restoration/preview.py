"""A few frames of a video before and after, to look at before hours of work are spent."""

import math
import re
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.files import make_folder
from dlvr_plugin.core.images import line_up, write_image
from dlvr_plugin.restoration.engine import Engine, resize, to_image, to_tensor
from dlvr_plugin.restoration.frame_sources import FrameSource, TimedImage
from dlvr_plugin.restoration.measured_limits import choose_tiles
from dlvr_plugin.restoration.planning import Position, Scan
from dlvr_plugin.restoration.restore_video import RestoreOptions
from dlvr_plugin.restoration.results import Targets
from dlvr_plugin.restoration.scene_cuts import find_scenes
from dlvr_plugin.restoration.scene_parts import ScenePart
from dlvr_plugin.restoration.workers import Model

MARK = '<meta name="generator" content="dlvr restore">'
"""What the page of a preview begins with."""

_PAGE = 'index.html'
_OWN_NAME = re.compile(rf'(before|after|preview)_\d+\.png|{re.escape(_PAGE)}')
_FRAMES_AROUND = 15  # that are read for a frame: what recurrent networks need to come to rest


class PreviewFrame(NamedTuple):
    """A restored frame.

    Attributes:
        seconds: When it is shown.
        size: Of both pictures, (H, W).
        before: Picture of the frame, enlarged by bicubic interpolation.
        after: Picture of the restored frame.
        both: Picture of both, before on the left.
    """

    seconds: float
    size: tuple[int, int]
    before: Path
    after: Path
    both: Path


def write_preview(
    source: FrameSource, targets: Targets, options: RestoreOptions, model: Model, *, device: str, count: int
) -> list[PreviewFrame]:
    """Restore frames from all over a video, and write pictures of them before and after.

    Args:
        source: The video.
        targets: Where its results would go; pictures go to a folder beside, ``NAME_preview``.
        options: How it would be restored.
        model: The network.
        device: Where it runs.
        count: Number of frames.

    Returns:
        The frames, in the order of time.

    Raises:
        FileExistsError: The folder holds something else than a preview.
    """
    folder = targets.first.with_name(f'{targets.first.stem if targets.video else targets.first.name}_preview')
    _check_folder(folder)
    part = _part(source, options)
    make_folder(folder)
    engine = Engine(model.generator, replace(options.engine, device=device))
    previews: list[PreviewFrame] = []
    for number in range(count):
        frames = _read_around(source, (number + 0.5) / count, part)
        scan = Scan(_size(frames[0]), [0, len(frames)], [frame.pts for frame in frames], 0)
        if number == 0:
            tile, overlap = choose_tiles(engine, source, scan, tile=options.tile, overlap=options.tile_overlap)
            engine = Engine(model.generator, replace(engine.options, tile=tile, tile_overlap=overlap))
        pair = _before_and_after(engine, frames, options.outscale, options.scene_threshold)
        before, after = (cv2.cvtColor(source.upright(image), cv2.COLOR_RGB2BGR) for image in pair)
        preview = PreviewFrame(
            seconds=float((_middle(frames).pts - (source.info.start if source.info else 0)) * source.time_base),
            size=(before.shape[0], before.shape[1]),
            before=folder / f'before_{number + 1}.png',
            after=folder / f'after_{number + 1}.png',
            both=folder / f'preview_{number + 1}.png',
        )
        write_image(preview.before, before)
        write_image(preview.after, after)
        write_image(preview.both, line_up([before, after]))
        previews.append(preview)
    return previews


def _check_folder(folder: Path) -> None:
    page = folder / _PAGE
    is_own = not page.exists() or MARK in page.read_text(encoding='utf-8', errors='replace')[:1000]
    if folder.exists() and not (is_own and all(_OWN_NAME.fullmatch(path.name) for path in folder.iterdir())):
        raise FileExistsError(
            f'{folder} holds something else than a preview, and is not replaced. Choose another name with -o.'
        )


def _middle(frames: list[TimedImage]) -> TimedImage:
    return frames[len(frames) // 2]


def _size(frame: TimedImage) -> tuple[int, int]:
    return frame.image.shape[0], frame.image.shape[1]


def _part(source: FrameSource, options: RestoreOptions) -> tuple[int, int]:
    """Return about which frames are to be restored, as far as the source says how many there are."""
    rate = 1 / source.time_base if source.info is None else source.info.frame_rate or Fraction(0)

    def number(position: Position | None, default: int) -> int:
        if position is None:
            return default
        return position.frame if position.frame is not None else math.ceil((position.seconds or 0) * rate)

    begin, end = number(options.start, 0), min(number(options.end, source.announced), source.announced)
    if source.announced and begin >= end:
        raise InvalidValueError(f'{source.path} has no frame between --start and --end.')
    return begin, end


def _read_around(source: FrameSource, place: float, part: tuple[int, int]) -> list[TimedImage]:
    """Return some frames in a row, about at a place between 0, the begin of a part, and 1, its end."""
    begin, end = part
    first = max(begin, begin + round(place * (end - begin)) - _FRAMES_AROUND // 2)
    count = min(_FRAMES_AROUND, end - first) if end > first else _FRAMES_AROUND
    start: int | None = first if source.info is None else None
    if source.info is not None and source.info.frame_rate:
        start = source.info.start + int(first / source.info.frame_rate / source.time_base)
    frames = list(islice(source.read(start), count)) or list(islice(source.read(), count))
    if not frames:
        raise DataError(f'{source.path} holds no frames.')
    return frames


def _before_and_after(
    engine: Engine, frames: list[TimedImage], outscale: float | None, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures, RGB, of the middle frame, enlarged by bicubic interpolation, and restored."""
    middle, images = len(frames) // 2, [frame.image for frame in frames]
    scenes = find_scenes(images, threshold=threshold)
    begin = max(start for start in scenes[:-1] if start <= middle)
    end = min(stop for stop in scenes[1:] if stop > middle)
    height, width = images[0].shape[:2]
    factor = outscale or engine.scale
    size = max(1, round(height * factor)), max(1, round(width * factor))
    restorer = engine.restorer((height, width))
    starts = restorer.starts(range(begin, end))
    start = begin if restorer.has_state else max(place for place in starts if place <= middle)
    part = ScenePart(begin, end, start, middle + 1)
    results = engine.restore(restorer, (images[index] for index in restorer.needed(part)), part)
    restored = next(islice(results, middle - start, None))
    return to_image(resize(to_tensor(images[middle]), size)), to_image(resize(restored, size))
