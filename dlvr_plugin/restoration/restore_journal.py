"""What a restoration has done so far: a folder beside its result, with the plan, and a mark for every segment."""

import io
import json
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.files import make_folder, write_atomic
from dlvr_plugin.core.regular_files import read_json, read_regular
from dlvr_plugin.restoration.scene_parts import SavedState
from dlvr_plugin.restoration.segments import Segment

_PLAN, _FORMAT = 'plan.json', 1
_NAMES = {  # what people call parameters that are no flags of their own name
    'model': 'the model',
    'network': 'the network',
    'input': 'the input',
    'video': '--codec, --quality or --pixel-format',
    'video_result': '-o or --write',
    'frames_result': '-o or --write',
    'time_base': '--fps',
    'frame_bits': '--bits',
    'segment_frames': '--segment',
    'chunk_frames': '--chunk',
    'compiled': '--compile',
}
_NOT_TOLD = ('model', 'network', 'input', 'video', 'start', 'end')  # hashes, and values of several parts


@dataclass(frozen=True)
class Plan:
    """How a video is restored; the same command makes the same plan.

    Attributes:
        parameters: What the result depends on, by name, in plain values.
        size: h and w of the frames that are restored.
        scenes: The frames at which scenes begin, and the number of all frames.
        times: When each frame is shown, in ticks.
        last_duration: How long the last one is, in ticks; 0 if unknown.
        segments: What is restored at a time.
        tile: Side of a tile in low-quality pixels, 0 for none.
        tile_overlap: That of tiles.
    """

    parameters: Mapping[str, Any]
    size: tuple[int, int]
    scenes: list[int]
    times: list[int]
    last_duration: int
    segments: list[Segment]
    tile: int
    tile_overlap: int

    @property
    def num_frames(self) -> int:
        """Frames that are restored."""
        return self.scenes[-1]


class RestoreJournal:
    """The folder ``.RESULT.restoring``.

    Args:
        result: What the restoration makes.
    """

    def __init__(self, result: Path) -> None:
        self.folder = result.with_name(f'.{result.name}.restoring')

    def exists(self) -> bool:
        """Tell whether a restoration was begun."""
        return (self.folder / _PLAN).exists()

    def read_plan(self) -> Plan:
        """Return the plan.

        Raises:
            DataError: It is damaged, or of another version.
        """
        path = self.folder / _PLAN
        content = read_json(path)
        try:
            if content.pop('format') != _FORMAT:
                raise ValueError('it is of another version of this program')
            segments = [Segment(*map(int, each)) for each in content.pop('segments')]
            height, width = content.pop('size')
            return Plan(segments=segments, size=(int(height), int(width)), **content)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f'{path} cannot be used: {error}. To begin anew, repeat the command with --force.'
            ) from error

    def write_plan(self, plan: Plan) -> None:
        """Begin."""
        make_folder(self.folder)
        write_atomic(self.folder / _PLAN, json.dumps({'format': _FORMAT, **asdict(plan)}).encode())

    def check_parameters(self, plan: Plan, parameters: Mapping[str, Any]) -> None:
        """Demand that a command goes on with what was begun.

        Raises:
            InvalidValueError: It would give another result.
        """
        known = plan.parameters
        for name in {**parameters, **known}:
            before, now = known.get(name), parameters.get(name)
            if before == now:
                continue
            values = f' ({before} then, {now} now)' if name not in _NOT_TOLD else ''
            raise InvalidValueError(
                f'{self.folder} holds the work of another command, with another value of '
                f'{_NAMES.get(name, "--" + name.replace("_", "-"))}{values}. Give the same command to go on, or '
                '--force to begin anew.'
            )

    def is_done(self, segment: Segment) -> bool:
        """Tell whether a segment is finished."""
        return self._mark(segment).exists()

    def mark_done(self, segment: Segment) -> None:
        """Remember that a segment is finished: all of its files are whole."""
        write_atomic(self._mark(segment), b'')

    def _mark(self, segment: Segment) -> Path:
        return self.folder / f'{segment.number:06d}.done'

    def write_state(self, segment: Segment, state: SavedState) -> None:
        """Keep the hidden state after a segment, for the next one."""
        content = io.BytesIO()
        torch.save(state, content)
        write_atomic(self._state(segment.number), content.getvalue())

    def read_state(self, segment: Segment) -> SavedState:
        """Return the hidden state with which a segment begins.

        Raises:
            DataError: It is missing or damaged.
        """
        path = self._state(segment.number - 1)
        try:
            state: SavedState = torch.load(io.BytesIO(read_regular(path)), map_location='cpu', weights_only=True)
        except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            raise DataError(
                f'{path} cannot be used: {error}. To begin anew, repeat the command with --force.'
            ) from error
        return state

    def drop_state(self, segment: Segment) -> None:
        """Remove the state with which a segment began, when it is finished."""
        self._state(segment.number - 1).unlink(missing_ok=True)

    def _state(self, index: int) -> Path:
        return self.folder / f'{index:06d}.state'

    def remove(self) -> None:
        """Remove all that was kept."""
        if self.folder.is_dir():
            shutil.rmtree(self.folder)
