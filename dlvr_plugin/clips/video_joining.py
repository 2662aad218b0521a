"""Joining of segments of restored video with all else that their source holds."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from dlvr_plugin.clips.video_info import VideoInfo, error_text, open_video
from dlvr_plugin.clips.video_writer import Encoding
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.files import naming, partial_path

if TYPE_CHECKING:
    from av.container.core import Chapter

_MUXERS = {'.mp4': 'mp4', '.m4v': 'mp4', '.mov': 'mov', '.mkv': 'matroska', '.webm': 'webm'}
_OF_CONTAINERS = ('major_brand', 'minor_version', 'compatible_brands', 'encoder', 'creation_time')  # others are written
_WITHOUT_ASPECT = ('.mkv', '.webm')  # PyAV cannot tell it; x264 and x265 say it in what they encode


class Cut(NamedTuple):
    """What of a source is joined, in seconds of its clock.

    Attributes:
        begin: What lies before is left out, and this becomes the time 0; None: all is kept, and times stay.
        end: What begins then or later is left out; None: nothing is.
    """

    begin: Fraction | None = None
    end: Fraction | None = None

    @property
    def shift(self) -> Fraction:
        """By how much all becomes earlier."""
        return self.begin or Fraction(0)

    def keeps(self, time: Fraction) -> bool:
        """Tell whether what begins at a time is kept."""
        return (self.begin is None or time >= self.begin) and (self.end is None or time < self.end)


def join_segments(segments: Sequence[Path], info: VideoInfo, out: Path, cut: Cut | None = None) -> None:
    """Join segments of video, and copy from their source all other streams, chapters and metadata.

    Nothing is decoded or encoded: packets are copied as they are. The file gets its name when it is complete.

    Args:
        segments: Files of ``VideoWriter`` for the same source, size and encoding, in the order of their frames.
        info: The source.
        out: File to write or to replace, which ``check_container`` has passed.
        cut: What of the source the segments are, None for all. Sound begins with the first packet of the part, and
            keeps its place beside the frames.

    Raises:
        DataError: A segment is empty, or they overlap.
        InvalidValueError: The container of ``out`` cannot hold a stream of the source.
        OSError: The file cannot be written.
    """
    cut = cut or Cut()
    partial = partial_path(out)
    partial.unlink(missing_ok=True)
    try:
        with ExitStack() as stack, naming(out):
            source, source_video = stack.enter_context(open_video(info.path))
            target = stack.enter_context(_open_target(partial, out))
            template = stack.enter_context(av.open(f'file:{segments[0]}'))
            video = _add_video(target, template.streams.video[0], source_video, info)
            copies = _add_copies(target, source, source_video, out)
            _copy_metadata(source, target, cut)
            times = _Times(segments, info)
            merged = heapq.merge(
                _video_packets(segments, video, times, info, cut.shift),
                _copied_packets(source, copies, cut),
                key=lambda pair: pair[0],
            )
            for _, packet in merged:
                target.mux_one(packet)
        partial.replace(out)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def check_container(info: VideoInfo, out: Path, encoding: Encoding) -> None:
    """Demand a container that can hold the restored video and every other stream, before anything is restored.

    Raises:
        InvalidValueError: The suffix is unknown, or the container cannot hold a stream, or the shape of pixels.
    """
    suffix = out.suffix.lower()
    if suffix not in _MUXERS:
        raise InvalidValueError(
            f'{out}: a video can be written as {", ".join(_MUXERS)}, not as {suffix or "no suffix"}.'
        )
    if info.sample_aspect_ratio not in (0, 1) and suffix in _WITHOUT_ASPECT and encoding.codec in ('av1', 'ffv1'):
        raise InvalidValueError(
            f'{out}: pixels of {info.path} are {info.sample_aspect_ratio} times as wide as high, which {suffix} of '
            f'{encoding.codec} would not say. Write .mp4 or .mov, or take x264 or x265.'
        )
    with open_video(info.path) as (source, video), av.open(_Nowhere(), 'w', format=_MUXERS[suffix]) as target:
        _add_copies(target, source, video, out)


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, content: bytes) -> int:
        """Take what is written."""
        return len(content)


def _open_target(partial: Path, out: Path) -> OutputContainer:
    # A clock of the container in whole milliseconds would move the beginning of a stream.
    options = {'movie_timescale': '90000'} if _MUXERS[out.suffix.lower()] in ('mp4', 'mov') else {}
    return av.open(f'file:{partial}', 'w', format=_MUXERS[out.suffix.lower()], container_options=options)


def _add_video(target: OutputContainer, template: Stream, source: VideoStream, info: VideoInfo) -> VideoStream:
    assert isinstance(template, VideoStream)
    stream = target.add_stream_from_template(template, opaque=True)
    stream.time_base = info.time_base
    stream.codec_context.framerate = info.frame_rate or Fraction(25)
    if info.sample_aspect_ratio:
        stream.codec_context.sample_aspect_ratio = info.sample_aspect_ratio
    for name, number in info.color_numbers.items():
        setattr(stream.codec_context, name, number)
    if target.format.name in ('mp4', 'mov') and template.codec_context.codec.canonical_name == 'hevc':
        stream.codec_context.codec_tag = 'hvc1'  # players of Apple take no other
    stream.set_display_matrix(info.display_matrix)
    _copy_stream_facts(source, stream)
    return stream


def _add_copies(
    target: OutputContainer, source: InputContainer, restored: VideoStream, out: Path
) -> Mapping[int, Stream]:
    """Add a stream for each of the source but the restored one; return those that have packets, by number."""
    copies: dict[int, Stream] = {}
    made_anew = ('tmcd', 'bin_data') if 'mp4' in source.format.name and source.chapters() else ('tmcd',)
    for stream in source.streams:
        if stream.index == restored.index or (stream.type == 'data' and stream.name in (None, *made_anew)):
            continue  # clocks, and names of chapters, which muxers make of the metadata
        try:
            if isinstance(stream, av.stream.AttachmentStream):
                _add_attachment(target, stream.name or 'attachment', stream.mimetype or '', stream.data)
                continue
            if _is_picture(stream) and target.format.name == 'matroska':
                _add_attachment(target, *_picture_file(source, stream))
                continue
            if _is_picture(stream) and target.format.name == 'mov':
                raise ValueError('it has no cover pictures')
            copy = target.add_stream_from_template(stream, opaque=True)
        except (av.FFmpegError, ValueError) as error:
            raise InvalidValueError(
                f'{out.suffix} cannot hold stream {stream.index} of the source, {stream.type} '
                f'{stream.name or "of an unknown kind"}: {error_text(error)}. Write .mkv, which holds nearly all.'
            ) from error
        _copy_stream_facts(stream, copy)
        copies[stream.index] = copy
    return copies


def _add_attachment(target: OutputContainer, name: str, mimetype: str, content: bytes) -> None:
    if target.format.name != 'matroska':  # others say so after the last frame only
        raise ValueError('it has no attachments')
    target.add_attachment(name, mimetype, content)


def _is_picture(stream: Stream) -> bool:
    """Tell whether a stream is the picture of a cover, a single packet."""
    return bool(stream.disposition & Disposition.attached_pic)


def _picture_file(source: InputContainer, stream: Stream) -> tuple[str, str, bytes]:
    """Return the name, the type and the content of a cover, which Matroska keeps as an attachment."""
    codec = stream.codec_context.name
    kind = 'jpeg' if codec == 'mjpeg' else codec
    name = stream.metadata.get('filename') or f'cover.{"jpg" if kind == "jpeg" else kind}'
    with av.open(source.name) as again:  # which leaves the packets of the other to be copied
        content = next(bytes(packet) for packet in again.demux([again.streams[stream.index]]) if packet.size)
    return name, stream.metadata.get('mimetype') or f'image/{kind}', content


def _copy_stream_facts(source: Stream, copy: Stream) -> None:
    copy.metadata.update({key: text for key, text in source.metadata.items() if key.lower() not in _OF_CONTAINERS})
    copy.disposition = source.disposition


def _copy_metadata(source: InputContainer, target: OutputContainer, cut: Cut) -> None:
    target.metadata.update({key: text for key, text in source.metadata.items() if key not in _OF_CONTAINERS[:4]})
    target.set_chapters(list(_chapters_in(source, cut)))


def _chapters_in(source: InputContainer, cut: Cut) -> Iterator['Chapter']:
    """Return the chapters of a part, those at its ends shortened."""
    for chapter in source.chapters():
        clock = chapter['time_base'] or Fraction(1)
        start, end = chapter['start'] * clock, chapter['end'] * clock
        start = start if cut.begin is None else max(start, cut.begin)
        end = end if cut.end is None else min(end, cut.end)
        if start < end:
            chapter['start'], chapter['end'] = (round((time - cut.shift) / clock) for time in (start, end))
            yield chapter


class _Times:
    """Timestamps of all packets of the segments, in the order of showing.

    Each encoder made times of decoding for its own segment. Where segments meet, those would not rise, so all are made
    anew: the times of showing in order, earlier by as many frames as a packet comes before its turn.
    """

    def __init__(self, segments: Sequence[Path], info: VideoInfo) -> None:
        coded: list[int] = []
        for path in segments:
            own = [_pts(packet, info) for packet in _segment_packets(path)]
            if not own:
                raise DataError(f'{path} holds no frame. Restore this segment again.')
            if coded and min(own) <= max(coded):
                raise DataError(f'{path} begins before the segment in front of it has ended. Restore it again.')
            coded += own
        self._shown = sorted(coded)
        places = {pts: index for index, pts in enumerate(self._shown)}
        self._early = max(index - places[pts] for index, pts in enumerate(coded))
        self._places = places
        gaps = sorted(after - before for before, after in zip(self._shown, self._shown[1:], strict=False))
        self._usual = gaps[len(gaps) // 2] if gaps else 1

    def dts(self, index: int) -> int:
        """Return when the packet of a number is decoded."""
        if index >= self._early:
            return self._shown[index - self._early]
        return self._shown[0] - (self._early - index) * self._usual

    def duration(self, pts: int) -> int:
        """Return how long the frame of a timestamp is shown."""
        place = self._places[pts] + 1
        return self._shown[place] - pts if place < len(self._shown) else self._usual


def _segment_packets(path: Path) -> Iterator[Packet]:
    with av.open(f'file:{path}') as container:
        for packet in container.demux(video=0):
            if packet.size and packet.pts is not None:
                yield packet


def _pts(packet: Packet, info: VideoInfo) -> int:
    """Return the timestamp of a segment's packet on the clock of the source."""
    assert packet.pts is not None
    return info.start + int(packet.pts * packet.time_base / info.time_base)


def _video_packets(
    segments: Sequence[Path], video: VideoStream, times: _Times, info: VideoInfo, shift: Fraction
) -> Iterator[tuple[float, Packet]]:
    for index, packet in enumerate(chain.from_iterable(map(_segment_packets, segments))):
        pts, ticks = _pts(packet, info), round(shift / info.time_base)
        packet.pts, packet.dts, packet.time_base = pts - ticks, times.dts(index) - ticks, info.time_base
        packet.duration = times.duration(pts)
        packet.stream = video
        yield float(packet.dts * info.time_base), packet


def _copied_packets(source: InputContainer, copies: Mapping[int, Stream], cut: Cut) -> Iterator[tuple[float, Packet]]:
    last = float('-inf')
    begun: set[int] = set()  # streams that can be decoded from their first packet of the part on
    for packet in source.demux([source.streams[index] for index in copies]) if copies else ():
        is_picture = _is_picture(packet.stream)
        if is_picture and packet.size:
            packet.pts = packet.dts = 0
        time = packet.pts if packet.dts is None else packet.dts
        if time is None:  # the end of a stream
            continue
        index, clock = packet.stream.index, packet.time_base
        shown = (time if packet.pts is None else packet.pts) * clock
        if not is_picture:
            if not cut.keeps(shown) or not (packet.is_keyframe or index in begun):
                continue
            begun.add(index)
            ticks = round(cut.shift / clock)
            packet.pts = None if packet.pts is None else packet.pts - ticks
            packet.dts = None if packet.dts is None else packet.dts - ticks
            time -= ticks
        last = max(last, float(time * clock))
        packet.stream = copies[index]
        yield last, packet
