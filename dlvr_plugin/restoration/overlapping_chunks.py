"""Restoring videos by networks that see a clip as a whole, in chunks that overlap."""

from collections.abc import Callable, Iterator
from itertools import islice, pairwise

import torch
from torch import Tensor

from dlvr_plugin.restoration.scene_parts import SavedState, ScenePart


class OverlappingChunks:
    """Restores a scene in chunks, each with its neighbours, which are restored with it and left out.

    What lies farther away than the overlap does not count, where a network of bidirectional propagation would let it;
    ``difference_of_chunks`` measures how much that matters. A scene that is not longer than a chunk and its overlap is
    restored as a whole.

    Args:
        run: Takes a clip (1, T, C, h, w) and returns it restored (1, T, C, H, W).
        length: Frames of a chunk.
        overlap: Frames on each side of it.
        min_frames: The shortest clip that the network takes; shorter scenes are continued by their last frame.
    """

    has_state = False

    def __init__(
        self, run: Callable[[Tensor], Tensor], *, length: int = 30, overlap: int = 10, min_frames: int = 1
    ) -> None:
        self._run, self._length, self._overlap, self._min_frames = run, length, overlap, min_frames

    def starts(self, scene: range) -> range:
        """Return the frames at which a part of a scene may begin: those at which chunks do."""
        # What is left at the end of a scene and is no longer than the overlap belongs to the last chunk.
        return range(scene.start, max(scene.stop - self._overlap, scene.start + 1), self._length)

    def needed(self, part: ScenePart) -> range:
        """Return the frames that have to be read for a part."""
        return part.widened(self._overlap, self._overlap)

    def restore(self, frames: Iterator[Tensor], part: ScenePart) -> Iterator[Tensor]:
        """Restore a part, see ``SceneRestorer``."""
        kept: list[Tensor] = []
        first = self.needed(part).start  # number of the first frame that is kept
        starts = self.starts(range(part.scene_start, part.scene_stop))
        borders = [start for start in starts if part.start <= start < part.stop]
        for start, stop in pairwise([*borders, part.stop]):
            wanted = part._replace(start=start, stop=stop).widened(self._overlap, self._overlap)
            del kept[: wanted.start - first]
            first = wanted.start
            kept += islice(frames, wanted.stop - first - len(kept))
            clip = [*kept, *kept[-1:] * (self._min_frames - len(kept))]
            restored = self._run(torch.stack(clip, dim=1))
            for index in range(start - first, stop - first):
                yield restored[:, index]

    def save_state(self) -> SavedState:
        """Return no state."""
        return []

    def load_state(self, saved: SavedState) -> None:
        """Do nothing."""


def difference_of_chunks(chunks: OverlappingChunks, whole: OverlappingChunks, clip: Tensor) -> float:
    """Return the largest difference that chunks make, in grey levels of 255.

    Args:
        chunks: With the length and overlap in question.
        whole: Long enough for the clip as a whole.
        clip: Frames (1, T, C, h, w).
    """
    part = ScenePart(0, clip.shape[1], 0, clip.shape[1])
    results = [torch.cat(list(each.restore(iter(clip.unbind(1)), part))) for each in (chunks, whole)]
    one, other = (result.clamp(0, 1) for result in results)
    return 255 * float((one - other).abs().max())
