"""What is measured on the first frames of a video before it is restored: tiles that fit, and what cutting costs."""

import ctypes
import math
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from basicsr.utils import get_root_logger

from dlvr_plugin.restoration.engine import Engine
from dlvr_plugin.restoration.frame_sources import FrameSource
from dlvr_plugin.restoration.overlapping_chunks import difference_of_chunks
from dlvr_plugin.restoration.planning import Scan
from dlvr_plugin.restoration.scene_parts import ScenePart
from dlvr_plugin.restoration.tiles import ALIGNMENT

_ALWAYS_WHOLE = 2**16  # pixels of frames that are not worth a measurement
_PROBE = 128  # side of what is restored to learn how much memory a pixel takes
_USED_PART = 0.7  # of the memory that is free
_OVERLAPS, _CENTRE, _LARGEST_OVERLAP = (16, 32, 48), 32, 64
_NEGLIGIBLE = 1.0  # grey levels of 255
_CHUNK_PROBE = 96  # side of the frames on which chunks are compared with the whole clip


def choose_tiles(
    engine: Engine, source: FrameSource, scan: Scan, *, tile: int | None, overlap: int | None
) -> tuple[int, int]:
    """Return the side of tiles, 0 for whole frames, and their overlap.

    Args:
        engine: What restores.
        source: The video.
        scan: What is known of it.
        tile: The side that was asked for, None for what fits into the memory that is free.
        overlap: The overlap that was asked for, None for what the network needs.

    Raises:
        InvalidValueError: The side that was asked for leaves nothing beside the overlap.
    """
    largest = max(scan.size)
    if tile == 0 or (tile is not None and tile >= largest):
        return 0, 0
    if tile is None:
        tile = _side_that_fits(engine, source, scan)
        if tile == 0 or tile >= largest:
            return 0, 0
    if overlap is None:
        overlap, difference = measure_overlap(engine, _first_images(engine, source, scan))
        get_root_logger().info(
            f'{source.name}: tiles of {tile} pixels overlap by {overlap}, where they differ by at most '
            f'{difference:.2f}/255 from a larger part of the frame.'
        )
    engine.tiles(scan.size, tile, overlap)  # what does not go is refused before the work is begun
    return tile, overlap


def _first_images(engine: Engine, source: FrameSource, scan: Scan) -> list[np.ndarray]:
    """Return the frames that the first three of a scene need."""
    part = ScenePart(0, scan.scenes[1], 0, min(3, scan.scenes[1]))
    count = len(engine.restorer(scan.size).needed(part))
    return [frame.image for frame in islice(source.read(scan.times[0]), count)]


def _restore(engine: Engine, images: list[np.ndarray]) -> torch.Tensor:
    """Return the first three frames, or fewer, restored as a scene."""
    part = ScenePart(0, len(images), 0, min(3, len(images)))
    restorer = engine.restorer(images[0].shape[:2])
    return torch.cat(list(engine.restore(restorer, iter(images), part)))


def measure_overlap(engine: Engine, images: list[np.ndarray]) -> tuple[int, float]:
    """Return the smallest overlap with which a tile shows no difference, and the largest difference with it.

    The middle of the frames is restored with more and with less around it; offsets that a network learns have no hard
    border, so that this cannot be told from its layers.

    Args:
        engine: What restores, without tiles.
        images: Frames (h, w, 3), RGB.

    Returns:
        The overlap in low-quality pixels, and grey levels of 255.
    """
    height, width = images[0].shape[:2]
    reach = _LARGEST_OVERLAP + _CENTRE // 2
    top, left = ((max(side // 2 - reach, 0)) // ALIGNMENT * ALIGNMENT for side in (height, width))
    region = [image[top : top + 2 * reach, left : left + 2 * reach] for image in images]
    whole = _restore(engine, region).clamp(0, 1)
    scale, difference = engine.scale, 0.0
    for overlap in _OVERLAPS:
        (top, bottom), (left, right) = spans = [_middle(side, overlap) for side in region[0].shape[:2]]
        part = _restore(engine, [image[top:bottom, left:right] for image in region]).clamp(0, 1)
        expected = whole[..., top * scale : bottom * scale, left * scale : right * scale]
        # What is nearer to an edge inside the frame than three quarters of the overlap has no weight in a tile.
        rows, columns = (
            slice(3 * overlap // 4 * scale * (begin > 0), (end - begin - 3 * overlap // 4 * (end < side)) * scale)
            for (begin, end), side in zip(spans, region[0].shape[:2], strict=True)
        )
        difference = 255 * float((part - expected).abs()[..., rows, columns].max())
        if difference <= _NEGLIGIBLE:
            return overlap, difference
    return _LARGEST_OVERLAP, difference


def _middle(side: int, overlap: int) -> tuple[int, int]:
    """Return where the middle of a side begins and ends, with an overlap around it as far as there is so much."""
    begin = max(side // 2 - _CENTRE // 2 - overlap, 0) // ALIGNMENT * ALIGNMENT
    return begin, min(side // 2 + _CENTRE // 2 + overlap, side)


def _side_that_fits(engine: Engine, source: FrameSource, scan: Scan) -> int:
    """Return the side of tiles that fit into the memory that is free, 0 where the whole frame does."""
    height, width = scan.size
    free = _free_bytes(engine.options.device)
    if height * width <= _ALWAYS_WHOLE or free is None:
        return 0
    images = _first_images(engine, source, scan)
    bytes_a_pixel = _bytes_a_pixel(engine, images)
    if bytes_a_pixel is None:
        return 0
    pixels = _USED_PART * free / bytes_a_pixel
    if pixels >= height * width:
        return 0
    return max(int(math.sqrt(pixels)) // ALIGNMENT * ALIGNMENT, 2 * _LARGEST_OVERLAP + 4 * ALIGNMENT)


def _bytes_a_pixel(engine: Engine, images: list[np.ndarray]) -> float | None:
    """Return how much memory the network takes for a pixel of the frame, None where the system does not tell."""
    crops = [image[:_PROBE, :_PROBE] for image in images]
    is_gpu = torch.device(engine.options.device).type == 'cuda'
    if is_gpu:
        before = torch.cuda.memory_allocated(engine.options.device)
        torch.cuda.reset_peak_memory_stats(engine.options.device)
    else:
        _trim()
        before = _status_bytes('VmRSS')
        if not _reset_peak():
            return None
    _restore(engine, crops)
    peak = torch.cuda.max_memory_allocated(engine.options.device) if is_gpu else _status_bytes('VmHWM')
    return max(peak - before, 1) / (crops[0].shape[0] * crops[0].shape[1])


def _free_bytes(device: str) -> int | None:
    if torch.device(device).type == 'cuda':
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        text = Path('/proc/meminfo').read_text()
        return int(text.partition('MemAvailable:')[2].split()[0]) * 1024
    except (OSError, IndexError):  # not Linux
        return None


def _status_bytes(name: str) -> int:
    return int(Path('/proc/self/status').read_text().partition(f'{name}:')[2].split()[0]) * 1024


def _reset_peak() -> bool:
    """Let the peak of this process's memory begin anew; tell whether the system does that."""
    try:
        Path('/proc/self/clear_refs').write_text('5')
    except OSError:
        return False
    return True


def _trim() -> None:
    """Give freed memory back, so that what is taken next shows."""
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None) if sys.platform == 'linux' else None
    if trim is not None:
        trim(0)


def measure_chunks(engine: Engine, source: FrameSource, scan: Scan) -> float | None:
    """Say by how much chunks differ from the whole clip, on the middle of the first frames of the longest scene.

    Returns:
        The largest difference in grey levels of 255; None where no scene is longer than a chunk.
    """
    options = engine.options
    begin, end = max(zip(scan.scenes[:-1], scan.scenes[1:], strict=True), key=lambda scene: scene[1] - scene[0])
    chunks = engine.chunks(options.chunk_frames, options.chunk_overlap)
    if len(chunks.starts(range(begin, end))) == 1:
        return None
    count = min(end - begin, 2 * options.chunk_frames + 2 * options.chunk_overlap)
    frames = []
    for frame in islice(source.read(scan.times[begin]), count):
        height, width = frame.image.shape[:2]
        top, left = max(0, (height - _CHUNK_PROBE) // 2), max(0, (width - _CHUNK_PROBE) // 2)
        frames.append(engine.prepare(frame.image[top : top + _CHUNK_PROBE, left : left + _CHUNK_PROBE]))
    difference = difference_of_chunks(chunks, engine.chunks(count, 0), torch.stack(frames, dim=1))
    get_root_logger().info(
        f'{source.name}: chunks of {options.chunk_frames} frames with {options.chunk_overlap} on each side differ by '
        f'at most {difference:.2f}/255 from the clip as a whole, measured on {count} frames of '
        f'{frames[0].shape[-1]}x{frames[0].shape[-2]} pixels.'
    )
    return difference
