"""Copies of clips that are degraded realistically to be stored: drawn once for a clip, made run by run."""

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from dlvr_plugin.data.degradations import to_frames, to_images
from dlvr_plugin.data.realistic.degradation import Chain, RealisticDegradation

_LONGEST_RUN, _SHORTEST_RUN = 24, 6
_MOST_PIXELS = 2**24  # of a run: 200 MB as RGB in 32 bits, of which a chain holds a few at a time


@dataclass(frozen=True, kw_only=True)
class StoredCopy:
    """A degraded copy of clips; the same seed, copy and clip give the same bytes.

    Attributes:
        degradation: What each clip's own degradation is drawn from.
        seed: Of what is drawn.
        copy: Number of the copy; each is drawn anew.
    """

    degradation: RealisticDegradation
    seed: int = 0
    copy: int = 0

    @property
    def scale(self) -> int:
        """Factor between the sizes."""
        return self.degradation.scale

    def run_length(self, num_frames: int, size: tuple[int, int]) -> int:
        """Return how many frames of a clip, of a height and width, are degraded at once.

        There are fewer of large ones, for the memory, and about as many in the last run as in the others. Noise and
        strengths belong to the index of a frame in its clip, so that runs join. A video codec begins each run by a key
        frame.
        """
        most = min(max(_MOST_PIXELS // (size[0] * size[1]), _SHORTEST_RUN), _LONGEST_RUN)
        return math.ceil(num_frames / math.ceil(num_frames / most))

    def draw(self, clip: str, num_frames: int) -> Chain:
        """Draw what happens to a clip."""
        return self.degradation.draw(random.Random(f'{self.seed} {self.copy} {clip}'), num_frames=num_frames)

    def __call__(self, images: Sequence[np.ndarray], *, clip: str, first: int, num_frames: int) -> list[np.ndarray]:
        """Degrade a run of frames.

        Args:
            images: Images (H, W, 3), BGR, uint8, cropped at the bottom and right to multiples of the scale.
            clip: Name of the clip.
            first: Index in the clip of the first of them.
            num_frames: Frames of the whole clip.

        Returns:
            Images (H // scale, W // scale, 3), BGR, uint8.
        """
        with _one_thread():
            frames = to_frames(images, self.scale).flip(1)  # BGR -> RGB
            degraded = self.draw(clip, num_frames)(frames, first=first)
        return [cv2.cvtColor(image, cv2.COLOR_RGB2BGR) for image in to_images(degraded)]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch work in one thread, as worker processes do: sums of several may differ in their last digit."""
    number = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(number)
