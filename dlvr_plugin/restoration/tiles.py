"""Restoring large frames in tiles that overlap, with seams that are blended.

Shape legend: h, w size of the low-quality frames, H = s * h, W = s * w of the restored ones; V overlap in low-quality
pixels: a tile reaches V beyond the middle of a seam.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import tee
from typing import NamedTuple

import torch
from torch import Tensor

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.restoration.scene_parts import SavedState, ScenePart, SceneRestorer

ALIGNMENT = 16
"""Tiles begin at multiples of it, so that layers of other sizes sample a tile as they do the frame."""

_BLENDED = 0.5  # width of a seam, as a part of the overlap


class Tile(NamedTuple):
    """Where a tile is, in low-quality pixels; what is restored of it is weighted, see ``weights_of``."""

    top: int
    bottom: int
    left: int
    right: int

    def crop(self, frame: Tensor, scale: int = 1) -> Tensor:
        """Return the part of a frame (..., h, w), or (..., H, W) with a scale."""
        return frame[..., self.top * scale : self.bottom * scale, self.left * scale : self.right * scale]


def spans(length: int, side: int, overlap: int, alignment: int = ALIGNMENT) -> list[tuple[int, int]]:
    """Return begin and end of the tiles along one dimension.

    Args:
        length: Pixels of the frame.
        side: Pixels of a tile, its overlap included.
        overlap: V.
        alignment: Tiles begin at multiples of it.

    Raises:
        InvalidValueError: The side leaves nothing beside the overlap.

    >>> spans(100, 64, 16, alignment=4)
    [(0, 64), (32, 96), (36, 100)]
    >>> spans(50, 64, 16)
    [(0, 50)]
    """
    if length <= side:
        return [(0, length)]
    step = (side - 2 * overlap) // alignment * alignment
    if step < 1:
        raise InvalidValueError(
            f'A tile must have at least {2 * overlap + alignment} pixels a side with an overlap of {overlap}, got '
            f'{side}. Take larger tiles, or a smaller overlap.'
        )
    found = [(start, start + side) for start in range(0, length - side, step)]
    return [*found, ((length - side) // alignment * alignment, length)]


def tiles_of(size: tuple[int, int], side: int, overlap: int, alignment: int = ALIGNMENT) -> list[Tile]:
    """Return the tiles of frames of size (h, w)."""
    rows, columns = (spans(length, side, overlap, alignment) for length in size)
    return [Tile(*row, *column) for row in rows for column in columns]


def weights_of(tile: Tile, size: tuple[int, int], overlap: int, scale: int) -> Tensor:
    """Return how much each restored pixel of a tile counts, (H, W) of the tile, before weights are made to add to 1.

    Towards an edge inside the frame, the weight falls from 1 to 0 around the distance V, and is 0 beyond.
    """
    (height, width), (top, bottom, left, right) = size, tile
    rows = _ramp(bottom - top, top > 0, bottom < height, overlap, scale)
    columns = _ramp(right - left, left > 0, right < width, overlap, scale)
    return rows[:, None] * columns


def _ramp(length: int, begins_inside: bool, ends_inside: bool, overlap: int, scale: int) -> Tensor:
    positions = (torch.arange(length * scale) + 0.5) / scale
    distance = torch.full_like(positions, float('inf'))
    if begins_inside:
        distance = torch.minimum(distance, positions)
    if ends_inside:
        distance = torch.minimum(distance, length - positions)
    band = max(_BLENDED * overlap, 1)
    return ((distance - overlap) / band + 0.5).clamp(0, 1)


class Tiled:
    """Restores the tiles of frames side by side, each with a restorer of its own, and puts them together.

    Args:
        make: Makes the restorer of a tile.
        tiles: The tiles; together they cover the frame.
        size: h and w of the frame.
        overlap: V with which the tiles were made.
        scale: Factor s between the sizes.
    """

    def __init__(
        self,
        make: Callable[[], SceneRestorer],
        tiles: Sequence[Tile],
        *,
        size: tuple[int, int],
        overlap: int,
        scale: int,
    ) -> None:
        self._tiles, self._scale = tiles, scale
        self._restorers = [make() for _ in tiles]
        self.has_state = self._restorers[0].has_state
        self._result_size = size[0] * scale, size[1] * scale
        self._weights = [weights_of(tile, size, overlap, scale) for tile in tiles]
        total = torch.zeros(self._result_size)
        for tile, weights in zip(tiles, self._weights, strict=True):
            tile.crop(total, scale).add_(weights)
        self._weights = [weights / tile.crop(total, scale) for tile, weights in zip(tiles, self._weights, strict=True)]

    def starts(self, scene: range) -> range:
        """Return the frames at which a part of a scene may begin."""
        return self._restorers[0].starts(scene)

    def needed(self, part: ScenePart) -> range:
        """Return the frames that have to be read for a part."""
        return self._restorers[0].needed(part)

    def restore(self, frames: Iterator[Tensor], part: ScenePart) -> Iterator[Tensor]:
        """Restore a part, see ``SceneRestorer``."""
        results = [
            restorer.restore(map(tile.crop, copy), part)
            for restorer, tile, copy in zip(self._restorers, self._tiles, tee(frames, len(self._tiles)), strict=True)
        ]
        for restored in zip(*results, strict=True):
            yield self._blend(restored)

    def _blend(self, restored: Sequence[Tensor]) -> Tensor:
        first = restored[0]
        self._weights = [weights.to(first.device) for weights in self._weights]
        whole = first.new_zeros(*first.shape[:2], *self._result_size)
        for tile, weights, part in zip(self._tiles, self._weights, restored, strict=True):
            tile.crop(whole, self._scale).add_(part * weights)
        return whole

    def save_state(self) -> SavedState:
        """Return the states of all tiles."""
        return [restorer.save_state() for restorer in self._restorers]

    def load_state(self, saved: SavedState) -> None:
        """Go on with the states of all tiles."""
        for restorer, state in zip(self._restorers, saved, strict=True):
            restorer.load_state(state)
