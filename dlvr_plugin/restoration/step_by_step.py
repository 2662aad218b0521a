"""Restoring videos by recurrent networks that go from frame to frame with a hidden state."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from dlvr_plugin.core.nested_tensors import for_each_tensor
from dlvr_plugin.restoration.frame_by_frame import window_frames, windows
from dlvr_plugin.restoration.scene_parts import SavedState, ScenePart


class StepByStep:
    """Restores each frame with the state that the one before has left; a scene begins without one.

    Args:
        step: Takes a frame (1, C, h, w), or a window (1, T, C, h, w) around it, and the state, None for the first
            frame; returns the restored frame (1, C, H, W) and the next state.
        num_frame: T; 1 for single frames.
    """

    has_state = True

    def __init__(self, step: Callable[[Tensor, Any], tuple[Tensor, Any]], *, num_frame: int = 1) -> None:
        self._step, self._num_frame = step, num_frame
        self._state: Any = None
        self._saved: list[Tensor] | None = None  # a state that was read, in the form in which it was saved

    def starts(self, scene: range) -> range:
        """Return the frames at which a part of a scene may begin: any, with the state."""
        return scene

    def needed(self, part: ScenePart) -> range:
        """Return the frames that have to be read for a part."""
        return window_frames(part, self._num_frame, 'replicate')

    def restore(self, frames: Iterator[Tensor], part: ScenePart) -> Iterator[Tensor]:
        """Restore a part, see ``SceneRestorer``; one that begins within a scene goes on with the state that is there.

        Raises:
            RuntimeError: There is none.
        """
        if part.start == part.scene_start:
            self._state = self._saved = None
        elif self._state is None and self._saved is None:
            raise RuntimeError(f'Frame {part.start} needs the state of the frame before.')
        inputs = frames if self._num_frame == 1 else windows(frames, part, self._num_frame, 'replicate')
        for each in inputs:
            restored, self._state = self._step(each, self._resumed_state(each))
            yield restored

    def _resumed_state(self, first: Tensor) -> Any:
        """Return the state for the next step, built from saved tensors where it was read."""
        if self._saved is None:
            return self._state
        saved, self._saved = iter(self._saved), None
        _, like = self._step(first, None)  # for its form, which only the network knows
        return for_each_tensor(like, lambda tensor: next(saved).to(tensor.device, tensor.dtype))

    def save_state(self) -> SavedState:
        """Return the tensors of the state, on the CPU."""
        tensors: list[Tensor] = []
        for_each_tensor(self._state, lambda tensor: tensors.append(tensor.detach().cpu().clone()))
        return tensors

    def load_state(self, saved: SavedState) -> None:
        """Go on with a state, for a part that begins within a scene."""
        self._state, self._saved = None, list(saved)
