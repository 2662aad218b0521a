"""Decoding of video files: from any timestamp on, in order, with what is damaged or lacks in words."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
from av.container import InputContainer
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from dlvr_plugin.clips.video_info import announced_frames, announced_rate, no_frame, open_video
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.regular_files import open_regular

OnCut = Callable[[str], None]

_FURTHER_BACK = 10  # seconds before the wanted time at which to begin where the nearest key frame comes after it
_ROUNDING_SECONDS = Fraction(1, 5)  # by which the duration of a container may exceed that of its frames, by its sound
ALLOW_CUT = (
    'Get the whole file; to use what can be read of it, say --allow-cut-videos, in a test set allow_cut_videos: true.'
)


@dataclass
class _Progress:
    """What was decoded of a file.

    Attributes:
        num_packets: What they were coded in, without what the file says not to show.
        num_read: Frames.
        last: Timestamp of the last one.
        damaged: Timestamps of frames that were decoded in part, and of packets that were not.
    """

    num_packets: int
    num_read: int
    last: int | None
    damaged: list[int]


def decode_video(
    path: Path, *, start: int | None = None, deinterlace: bool = False, on_cut: OnCut | None = None
) -> Generator[tuple[VideoFrame, int], None, None]:
    """Decode a video file.

    Args:
        path: The file.
        start: Timestamp in ticks of the first frame wanted, None for the first one of the file.
        deinterlace: Make a frame of the two fields of each interlaced one, instead of refusing them.
        on_cut: Takes in words what lacks or is damaged, once, after the last frame; None makes that an error.

    Yields:
        Frames and their timestamps, each of which is larger than the one before.

    Raises:
        DataError: It cannot be opened or decoded, is interlaced, damaged, or ends before its end.
    """
    done = _Progress(0, 0, None, [])
    with ExitStack() as stack:
        container, stream, frames = _open_at(path, start, done, stack)
        for frame, pts in _whole_frames(path, stream, frames, deinterlace=deinterlace):
            if start is not None and pts < start:
                done.damaged.clear()  # what is not wanted may depend on what was not decoded
                continue
            if on_cut is None and done.damaged:
                raise DataError(f'{_describe_damage(path, stream, done)}. {ALLOW_CUT}')
            yield frame, pts
        if done.last is None:
            raise no_frame(path)
        problem = _find_end(path, container, stream, done, is_whole=start is None)
        if not problem and done.damaged:
            problem = _describe_damage(path, stream, done)
    if problem and on_cut is None:
        raise DataError(f'{problem}. {ALLOW_CUT}')
    if problem and on_cut is not None:
        on_cut(problem)


def _open_at(
    path: Path, start: int | None, done: _Progress, stack: ExitStack
) -> tuple[InputContainer, VideoStream, Iterator[tuple[VideoFrame, int]]]:
    """Open a file so that the frames that follow begin at, or before, a timestamp."""
    container, stream = stack.enter_context(open_video(path))
    if start is not None:
        assert stream.time_base is not None
        for back in (0, int(_FURTHER_BACK / stream.time_base)):
            try:
                container.seek(start - back, stream=stream)
                frames = _decode(container, stream, done)
                first = next(frames, None)
            except av.FFmpegError:
                continue
            if first is not None and first[1] <= start:
                return container, stream, chain([first], frames)
        container, stream = stack.enter_context(open_video(path))
    return container, stream, _decode(container, stream, done)


def _decode(container: InputContainer, stream: VideoStream, done: _Progress) -> Iterator[tuple[VideoFrame, int]]:
    """Yield the frames from where a file stands."""
    done.num_packets, done.num_read, done.last = 0, 0, None
    done.damaged.clear()
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):  # whether frames lack, their number and the clock tell
            return
        done.num_packets += int(packet.size > 0 and not packet.is_discard)
        try:
            frames = packet.decode()
        except av.FFmpegError:
            if done.last is not None:  # recordings may begin amid frames that depend on earlier ones
                done.damaged.append(done.last if packet.pts is None else packet.pts)
            continue
        for frame in frames:
            pts = _timestamp(frame, done.last)
            done.num_read, done.last = done.num_read + 1, pts
            if frame.is_corrupt:
                done.damaged.append(pts)
            yield frame, pts


def _timestamp(frame: VideoFrame, last: int | None) -> int:
    """Return when a frame is shown; of one without a time, or not after the one before, the next that there can be."""
    if last is None:
        return frame.pts or 0
    if frame.pts is None:
        return last + max(frame.duration or 0, 1)
    return max(frame.pts, last + 1)


def _whole_frames(
    path: Path, stream: VideoStream, frames: Iterator[tuple[VideoFrame, int]], *, deinterlace: bool
) -> Iterator[tuple[VideoFrame, int]]:
    """Refuse interlaced frames, or make whole ones of them."""
    if deinterlace:
        yield from _deinterlace(stream, frames)
        return
    for frame, pts in frames:
        if frame.interlaced_frame:
            raise DataError(
                f'{path} is interlaced: the frame at {_seconds(stream, pts)} consists of two fields, each of its own '
                'time. Deinterlace it first: ffmpeg -i VIDEO -vf bwdif -c:v libx264 -crf 12 -c:a copy NEW_VIDEO.'
            )
        yield frame, pts


def _deinterlace(stream: VideoStream, frames: Iterator[tuple[VideoFrame, int]]) -> Iterator[tuple[VideoFrame, int]]:
    """Interpolate the lines of the later field of each interlaced frame, which keeps its time."""
    graph: Graph | None = None
    tick = stream.time_base
    assert tick is not None

    def pull() -> Iterator[tuple[VideoFrame, int]]:
        while graph is not None:
            try:
                made = graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(made, VideoFrame)
            assert made.pts is not None
            assert made.time_base is not None
            yield made, round(made.pts * made.time_base / tick)

    for frame, pts in frames:
        frame.pts, frame.time_base = pts, tick
        if graph is None:
            graph = Graph()
            graph.threads = 1
            graph.link_nodes(
                graph.add_buffer(template=stream), graph.add('bwdif', 'mode=send_frame:deint=interlaced'),
                graph.add('buffersink'),
            ).configure()  # fmt: skip
        graph.vpush(frame)
        yield from pull()
    if graph is not None:
        graph.vpush(None)
        yield from pull()


def _find_end(
    path: Path, container: InputContainer, stream: VideoStream, done: _Progress, *, is_whole: bool
) -> str | None:
    """Return in words that a video ended before the end that its file announces, None if it did not.

    The announced number alone would refuse sound videos: most containers announce a duration, of which the number is
    computed as if all frames lasted equally long, and as if no sound went on after the last one. So it counts as cut
    only if it also ends too early by its clock.

    Args:
        path: The file.
        container: It.
        stream: Its video.
        done: What was decoded of it.
        is_whole: Whether that began with the first frame, so that the number of frames says something.
    """
    announced, rate = announced_frames(container, stream), announced_rate(stream)
    lost = is_whole and 'mp4' in container.format.name and done.num_read < done.num_packets  # MP4: one packet a frame
    if not announced or (is_whole and done.num_read >= announced):
        return None
    if rate and not lost:
        with open_regular(path) as file:
            begin = file.read(12)
        counts_frames = begin[4:8] == b'ftyp' or (begin[:4], begin[8:]) == (b'RIFF', b'AVI ')
        assert done.last is not None
        assert stream.time_base is not None
        # The duration that these announce counts from 0, that of others from the first frame.
        counts_from_zero = any(name in container.format.name for name in ('matroska', 'mp4'))
        end = (done.last - (0 if counts_from_zero else stream.start_time or 0)) * stream.time_base
        late = announced - (end * rate + 1)  # frames that lack by the clock
        if late < (Fraction(1, 2) if counts_frames else max(Fraction(3, 2), _ROUNDING_SECONDS * rate)):
            return None
    can_be_read = f'{done.num_read} can be read' if is_whole else f'ends at {_seconds(stream, done.last or 0)}'
    return f'{path} is cut off or damaged: it announces {announced} frames, and {can_be_read}'


def _describe_damage(path: Path, stream: VideoStream, done: _Progress) -> str:
    number = len(done.damaged)
    first = f'at {_seconds(stream, done.damaged[0])}'
    if number == 1:
        return f'{path} is damaged: the frame {first} cannot be decoded whole'
    return f'{path} is damaged: {number} frames, the first {first}, cannot be decoded whole'


def _seconds(stream: VideoStream, pts: int) -> str:
    return f'{float(pts * (stream.time_base or 0)):.3f} s'
