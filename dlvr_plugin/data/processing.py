"""What happens to frames on their way into a store."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dlvr_plugin.core.choices import Codec
from dlvr_plugin.data.degradations import Degradation, degrade_images
from dlvr_plugin.data.realistic.stored_copies import StoredCopy


@dataclass(frozen=True, kw_only=True)
class Processing:
    """What happens to a frame on its way into a store.

    Attributes:
        codec: 'raw' or 'png'.
        downscale: Factor of a bicubic downsampling that removes the noise of compression; 1 for none.
        degradation: What makes it a low-quality frame, None for nothing.
    """

    codec: Codec = 'raw'
    downscale: int = 1
    degradation: Degradation | StoredCopy | None = None

    @property
    def scale(self) -> int:
        """Factor between the sizes before and after."""
        return self.downscale * (self.degradation.scale if self.degradation else 1)

    def run_length(self, num_frames: int, size: tuple[int, int]) -> int:
        """Return how many frames of a clip, of a height and width, are made at once."""
        return self.degradation.run_length(num_frames, size) if isinstance(self.degradation, StoredCopy) else 1

    def make(self, read: Callable[[int], np.ndarray], run: range, *, clip: str, num_frames: int) -> list[np.ndarray]:
        """Make the frames of a run.

        Args:
            read: Returns a frame of the clip, an image (h, w, 3), BGR, uint8.
            run: Which frames to make, one or as many as ``run_length`` says.
            clip: Name of the clip in the store.
            num_frames: Frames of the whole clip.
        """
        degradation = self.degradation
        if isinstance(degradation, StoredCopy):
            images = [self._shrink(read(index)) for index in run]
            return degradation(images, clip=clip, first=run.start, num_frames=num_frames)
        if degradation is None:
            return [self._shrink(read(index)) for index in run]
        windows = (degradation.window(index, num_frames) for index in run)
        return [degrade_images([self._shrink(read(each)) for each in window], degradation) for window in windows]

    def _shrink(self, image: np.ndarray) -> np.ndarray:
        return degrade_images([image], Degradation(scale=self.downscale)) if self.downscale > 1 else image

    def num_bytes(self, num_frames: int, size: tuple[int, int], compression: float) -> int:
        """Return about how much frames of this size before processing take; ``compression`` is that of PNG."""
        height, width = (side // self.scale for side in size)
        frame = height * width * 3 * (compression if self.codec == 'png' else 1)
        return int(num_frames * (frame + 2**12))  # an LMDB works in pages
