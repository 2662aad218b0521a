"""Restoring videos by networks that take windows of neighbouring frames, or single ones."""

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from basicsr.data.data_util import generate_frame_indices
from torch import Tensor

from dlvr_plugin.restoration.scene_parts import SavedState, ScenePart

Padding = Literal['replicate', 'reflection', 'reflection_circle', 'circle']


class SlidingWindow:
    """Restores each frame from the window around it.

    Args:
        run: Takes a window (1, T, C, h, w), or a frame (1, C, h, w) where ``num_frame`` is None, and returns the
            restored frame (1, C, H, W).
        num_frame: Frames of the window, odd; None for a network of single frames.
        padding: What stands for frames beyond the ends of a scene, as in the framework's test sets.
    """

    has_state = False

    def __init__(
        self, run: Callable[[Tensor], Tensor], *, num_frame: int | None = None, padding: Padding = 'replicate'
    ) -> None:
        self._run, self._num_frame, self._padding = run, num_frame, padding

    def starts(self, scene: range) -> range:
        """Return the frames at which a part of a scene may begin: any."""
        return scene

    def needed(self, part: ScenePart) -> range:
        """Return the frames that have to be read for a part."""
        return window_frames(part, self._num_frame or 1, self._padding)

    def restore(self, frames: Iterator[Tensor], part: ScenePart) -> Iterator[Tensor]:
        """Restore a part, see ``SceneRestorer``."""
        if self._num_frame is None:
            yield from map(self._run, frames)
            return
        for window in windows(frames, part, self._num_frame, self._padding):
            yield self._run(window)

    def save_state(self) -> SavedState:
        """Return no state."""
        return []

    def load_state(self, saved: SavedState) -> None:
        """Do nothing."""


def window_frames(part: ScenePart, num_frame: int, padding: Padding) -> range:
    """Return the frames of all windows around the frames of a part."""
    reach = num_frame // 2 if padding == 'replicate' else num_frame - 1
    return part.widened(reach, reach)


def windows(frames: Iterator[Tensor], part: ScenePart, num_frame: int, padding: Padding) -> Iterator[Tensor]:
    """Form the window (1, T, C, h, w) around each frame of a part.

    A scene that is too short for the padding is continued by its first and last frame.

    Args:
        frames: Those of ``window_frames``, each (1, C, h, w).
        part: The part.
        num_frame: T, odd.
        padding: What stands for frames beyond the ends of the scene.
    """
    length, position = part.scene_stop - part.scene_start, window_frames(part, num_frame, padding).start
    kept: dict[int, Tensor] = {}
    for middle in range(part.start, part.stop):
        found = generate_frame_indices(middle - part.scene_start, length, num_frame, padding=padding)
        indices = [part.scene_start + min(max(index, 0), length - 1) for index in found]
        while position <= max(indices):
            kept[position] = next(frames)
            position += 1
        yield torch.stack([kept[index] for index in indices], dim=1)
        for index in [index for index in kept if index <= middle - num_frame + 1]:
            del kept[index]
