"""Parts of scenes, and what restores them: one frame after the other, in memory that does not grow with the scene."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from torch import Tensor

SavedState = list[Any]
"""Tensors of a hidden state; of several states, where frames are restored in tiles, a list of those."""


class ScenePart(NamedTuple):
    """Frames ``start`` to ``stop - 1`` of a video, which lie in the scene ``scene_start`` to ``scene_stop - 1``."""

    scene_start: int
    scene_stop: int
    start: int
    stop: int

    def widened(self, before: int, after: int) -> range:
        """Return the frames of the part and its neighbours on each side, none beyond the scene."""
        return range(max(self.scene_start, self.start - before), min(self.scene_stop, self.stop + after))


class SceneRestorer(Protocol):
    """A network with the way in which it goes through the frames of a scene.

    Results never depend on where a scene was cut into parts, as long as parts begin where ``starts`` says and, with
    ``has_state``, follow one another or begin with the state that was saved.
    """

    has_state: bool

    def starts(self, scene: range) -> range:
        """Return the frames at which a part of a scene may begin."""
        ...

    def needed(self, part: ScenePart) -> range:
        """Return the frames that have to be read for a part."""
        ...

    def restore(self, frames: Iterator[Tensor], part: ScenePart) -> Iterator[Tensor]:
        """Restore a part.

        Args:
            frames: The frames ``needed``, in order, each (1, C, h, w), RGB in [0, 1].
            part: Where they are.

        Yields:
            Restored frames of the part, each (1, C, H, W).
        """
        ...

    def save_state(self) -> SavedState:
        """Return the hidden state after the frame that was restored last; empty where there is none."""
        ...

    def load_state(self, saved: SavedState) -> None:
        """Go on with a state, for a part that begins within a scene."""
        ...
