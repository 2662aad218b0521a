"""Pictures of validation clips for TensorBoard: what went in, what came out, the truth, and both over time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from dlvr_plugin.core.images import line_up
from dlvr_plugin.restoration.restored_frames import RestoredFrame


@dataclass
class ClipPictures:
    """Collects pictures of chosen clips.

    Attributes:
        set_name: Name of the set.
        clips: Names of the clips, or 'all'.
        frames: By clip, the middle frame: low quality, result and, where there is one, ground truth, side by side.
        rows: By clip, number of the frame: the middle row of the result and the truth, one below the other.
    """

    set_name: str
    clips: Sequence[str | int] | str
    frames: dict[str, np.ndarray] = field(default_factory=dict)
    rows: dict[str, dict[int, np.ndarray]] = field(default_factory=dict)

    def add(self, frame: RestoredFrame) -> None:
        """Take what the pictures need of a frame."""
        if self.clips != 'all' and frame.clip not in [str(clip) for clip in self.clips]:
            return
        sides = [image for image in (frame.result, frame.truth) if image is not None]
        if frame.index == frame.num_frames // 2:
            height, width = frame.result.shape[:2]
            lq = cv2.resize(frame.lq, (width, height), interpolation=cv2.INTER_NEAREST)
            self.frames[frame.clip] = line_up([lq, *sides])
        self.rows.setdefault(frame.clip, {})[frame.index] = np.stack([image[len(image) // 2] for image in sides])

    def merge(self, other: 'ClipPictures') -> None:
        """Add what another process has collected."""
        self.frames.update(other.frames)
        for clip, rows in other.rows.items():
            self.rows.setdefault(clip, {}).update(rows)

    def log(self, tb_logger: Any, step: Any) -> None:
        """Write the pictures to TensorBoard: ``images`` and ``profiles`` (x to the right, time downwards)."""
        for clip, image in self.frames.items():
            tb_logger.add_image(f'images/{self.set_name}/{clip}', _to_rgb(image), step, dataformats='HWC')
        for clip, rows in self.rows.items():
            by_time = np.stack([rows[index] for index in sorted(rows)])  # (T, sides, w, 3)
            picture = line_up([np.repeat(by_time[:, side], 4, axis=0) for side in range(by_time.shape[1])])
            tb_logger.add_image(f'profiles/{self.set_name}/{clip}', _to_rgb(picture), step, dataformats='HWC')


def _to_rgb(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[..., ::-1])
