"""What a restoration writes: segments of a video, frames, or both; they get their names when all is whole."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple

import cv2
import numpy as np

from dlvr_plugin.clips.video_joining import Cut
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.files import make_folder, partial_path, remove
from dlvr_plugin.core.images import write_image
from dlvr_plugin.restoration.frame_sources import FrameSource
from dlvr_plugin.restoration.restore_journal import Plan, RestoreJournal
from dlvr_plugin.restoration.segments import Segment
from dlvr_plugin.restoration.video_segments import VideoOptions, VideoSegments

_FRAMES, _FINISHING = 'frames', 'finishing'


class Targets(NamedTuple):
    """Where results go.

    Attributes:
        video: File of the video, None for none.
        frames: Folder of the frames, None for none.
    """

    video: Path | None
    frames: Path | None

    @property
    def first(self) -> Path:
        """The one beside which the work is kept."""
        found = self.video or self.frames
        assert found is not None
        return found


class Results:
    """Writes restored frames; entered, it removes what an error leaves of a segment.

    Args:
        targets: Where results go.
        source: What is restored.
        plan: How.
        journal: Where segments are kept.
        size: H and W of restored frames.
        frame_bits: 8 or 16, of the frames that are written as images.
        video: How the video is written.
    """

    def __init__(
        self,
        targets: Targets,
        source: FrameSource,
        plan: Plan,
        journal: RestoreJournal,
        *,
        size: tuple[int, int],
        frame_bits: Literal[8, 16] = 8,
        video: VideoOptions | None = None,
    ) -> None:
        self.targets, self.size, self._frame_bits = targets, size, frame_bits
        self._source, self._plan, self._journal = source, plan, journal
        self._video: VideoSegments | None = None
        if targets.video is not None:
            self._video = VideoSegments(source, size=size, target=targets.video, options=video or VideoOptions())
        needs_16 = self._video.needs_16_bits if self._video is not None else frame_bits == 16
        self.bits: Literal[8, 16] = 16 if needs_16 or frame_bits == 16 else 8
        self._frames = journal.folder / _FRAMES

    def write(self, segment: Segment, index: int, image: np.ndarray) -> None:
        """Write a frame (H, W, 3), RGB, of ``bits``."""
        if self._video is not None:
            self._video.write(self._part(segment), image, self._plan.times[index], self._duration(index))
        if self.targets.frames is not None:
            make_folder(self._frames)
            if image.dtype == np.uint16 and self._frame_bits == 8:
                image = np.round(image / 257).astype(np.uint8)
            name = self._source.frame_name(index, self._plan.times[index])
            shown = cv2.cvtColor(self._source.upright(image), cv2.COLOR_RGB2BGR)
            write_image(self._frames / f'{name}.png', shown)

    def _duration(self, index: int) -> int:
        times = self._plan.times
        if index + 1 < len(times):
            return times[index + 1] - times[index]
        return self._plan.last_duration or (times[-1] - times[-2] if len(times) > 1 else 1)

    def _part(self, segment: Segment) -> Path:
        assert self.targets.video is not None
        return self._journal.folder / f'{segment.number:06d}{self._video.suffix if self._video else ""}'

    def end_segment(self, segment: Segment) -> None:
        """Make the files of a segment whole."""
        if self._video is not None:
            self._video.end()

    def discard_parts(self, segments: Iterable[Segment]) -> None:
        """Remove what a process that was ended has left of segments that are not whole."""
        if self._video is not None:
            for segment in segments:
                partial_path(self._part(segment)).unlink(missing_ok=True)

    def __enter__(self) -> 'Results':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._video is not None:
            self._video.abort()

    def finish(self, *, replaces: bool) -> None:
        """Put all segments together, give the results their names, and remove what was kept.

        Args:
            replaces: Whether results of an earlier command are replaced.

        Raises:
            FileExistsError: There is one, and it is not to be replaced.
        """
        joined = None
        if self._video is not None and self.targets.video is not None:
            joined = self._journal.folder / f'joined{self.targets.video.suffix}'
            if not self.is_finishing(self._journal):
                joined.unlink(missing_ok=True)
                self._video.join([self._part(each) for each in self._plan.segments], joined, self._cut())
        (self._journal.folder / _FINISHING).touch()  # from here on, what is missing has its name already
        for made, target in ((self._frames, self.targets.frames), (joined, self.targets.video)):
            if made is None or target is None or not made.exists():
                continue
            if target.exists():
                if not replaces:
                    raise FileExistsError(f'{target} exists already. Choose another name, or replace it with --force.')
                if made.is_dir() or target.is_dir():
                    remove(target)
            made.replace(target)
        self._journal.remove()

    def _cut(self) -> Cut:
        """Return which part of the source is restored."""
        plan, clock = self._plan, self._source.time_base
        begin = plan.times[0] * clock if plan.parameters['start'] is not None else None
        last = len(plan.times) - 1
        end = (plan.times[last] + self._duration(last)) * clock if plan.parameters['end'] is not None else None
        return Cut(begin, end)

    @staticmethod
    def is_finishing(journal: RestoreJournal) -> bool:
        """Tell whether all segments were put together, and results are about to get their names."""
        return (journal.folder / _FINISHING).exists()


def check_targets(targets: Targets, journal: RestoreJournal, source: FrameSource, *, replaces: bool) -> None:
    """Refuse results that exist, or that would replace what is restored, before any work.

    Raises:
        FileExistsError: One exists. DataError: It is the input.
    """
    for target in targets:
        if target is None:
            continue
        if target.resolve() == source.path.resolve() or source.path.resolve() in target.resolve().parents:
            raise DataError(f'{target} is where the frames come from. Choose another place with -o.')
        if target.exists() and not replaces and not Results.is_finishing(journal):
            raise FileExistsError(f'{target} exists already. Choose another name, or replace it with --force.')
