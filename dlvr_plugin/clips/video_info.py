"""What a video file says of its frames: size, clock, colours, and how they are to be shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from basicsr.utils import get_root_logger

from dlvr_plugin.clips.frame_planes import find_chroma_location
from dlvr_plugin.clips.video_colors import LUMA_WEIGHTS
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.regular_files import check_regular

Untagged = Literal['auto', 'bt601', 'bt709', 'bt2020']
"""What video that names no matrix is taken for; 'auto': BT.709 from 720 lines on, BT.601 below."""

_UNTAGGED_MATRICES = {'bt601': 'smpte170m', 'bt709': 'bt709', 'bt2020': 'bt2020nc'}
_HD_LINES = 720
# Names of FFmpeg, by the numbers of ITU-T H.273, which it uses.
_MATRICES = {
    0: 'gbr', 1: 'bt709', 4: 'fcc', 5: 'bt470bg', 6: 'smpte170m', 7: 'smpte240m', 8: 'ycgco', 9: 'bt2020nc',
    10: 'bt2020c', 11: 'smpte2085', 12: 'chroma-derived-nc', 13: 'chroma-derived-c', 14: 'ictcp', 15: 'ipt-c2',
    16: 'ycgco-re', 17: 'ycgco-ro',
}  # fmt: skip
_TRANSFERS = {
    1: 'bt709', 4: 'gamma22', 5: 'gamma28', 6: 'smpte170m', 7: 'smpte240m', 8: 'linear', 9: 'log100', 10: 'log316',
    11: 'iec61966-2-4', 12: 'bt1361e', 13: 'iec61966-2-1', 14: 'bt2020-10', 15: 'bt2020-12', 16: 'smpte2084',
    17: 'smpte428', 18: 'arib-std-b67',
}  # fmt: skip
_PRIMARIES = {
    1: 'bt709', 4: 'bt470m', 5: 'bt470bg', 6: 'smpte170m', 7: 'smpte240m', 8: 'film', 9: 'bt2020', 10: 'smpte428',
    11: 'smpte431', 12: 'smpte432', 22: 'ebu3213',
}  # fmt: skip
UNKNOWN = 'unknown'
"""Transfer or primaries that a file does not name."""

_HDR_TRANSFERS = ('smpte2084', 'arib-std-b67')
_UNSPECIFIED = 2  # as a matrix, transfer or primaries
_LIMITED_RANGE, _FULL_RANGE = 1, 2
_INTERLACED_ORDERS = (2, 3, 4, 5)
_IDENTITY = (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
_DEEPEST = 16

# Lists that name other files, or addresses, are no video files, whatever their name ends in.
_FORMATS = (
    'mov,matroska,avi,mpeg,mpegvideo,mpegts,asf,flv,yuv4mpegpipe,nut,ogg,ivf,obu,mxf,dv,h264,hevc,m4v,rm,wtv,gif,apng'
)
_MOST_FRAMES = 2**28  # half a year; a file that announces more holds a placeholder
_told: set[Path] = set()  # files of which the log says already what was assumed


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says of its video stream, and what was assumed where it says nothing.

    Attributes:
        path: The file.
        size: Height and width of its frames as they are coded, before they are turned.
        time_base: Seconds of a tick, the unit of timestamps.
        start: Timestamp of the first frame in ticks.
        frame_rate: Frames a second as the file has them on average, None if unknown.
        num_frames: Frames that the file announces, which may be off by some; 0 for none.
        codec: FFmpeg's name of the codec.
        pixel_format: FFmpeg's name of the pixel format.
        bit_depth: Bits of a code.
        matrix: FFmpeg's name of the matrix between Y'CbCr and R'G'B'; 'gbr' where the file holds R'G'B'.
        transfer: FFmpeg's name of the transfer characteristic, 'unknown' for none.
        primaries: FFmpeg's name of the primaries, 'unknown' for none.
        is_full_range: Whether codes use their whole range.
        chroma_location: Where chroma samples lie: 'left', 'center', 'topleft', 'top', 'bottomleft' or 'bottom'.
        sample_aspect_ratio: Width of a pixel over its height as it is to be shown; 0 if unknown.
        display_matrix: How a player turns frames, nine numbers as FFmpeg has them; None for not at all.
        is_interlaced: Whether the file says that frames consist of two fields, each of its own time.
        assumed: Which of 'matrix', 'range' and 'chroma_location' the file does not say.
    """

    path: Path
    size: tuple[int, int]
    time_base: Fraction
    start: int
    frame_rate: Fraction | None
    num_frames: int
    codec: str
    pixel_format: str
    bit_depth: int
    matrix: str
    transfer: str
    primaries: str
    is_full_range: bool
    chroma_location: str
    sample_aspect_ratio: Fraction
    display_matrix: tuple[int, ...] | None
    is_interlaced: bool
    assumed: frozenset[str]

    @property
    def is_hdr(self) -> bool:
        """Whether the transfer characteristic is one of high dynamic range: PQ or HLG."""
        return self.transfer in _HDR_TRANSFERS

    @property
    def color_numbers(self) -> dict[str, int]:
        """Numbers of ITU-T H.273 that restored video is tagged with, by PyAV's names; R'G'B' becomes BT.709."""
        matrix = 'bt709' if self.matrix == 'gbr' else self.matrix
        is_full_range = self.is_full_range and self.matrix != 'gbr'
        return {
            'colorspace': _number_of(matrix, _MATRICES),
            'color_range': _FULL_RANGE if is_full_range else _LIMITED_RANGE,
            'color_primaries': _number_of(self.primaries, _PRIMARIES),
            'color_trc': _number_of(self.transfer, _TRANSFERS),
        }

    @property
    def upright_size(self) -> tuple[int, int]:
        """Height and width of frames as they are to be shown, but for the shape of pixels."""
        return self.size[::-1] if self.rotation % 180 else self.size

    @property
    def rotation(self) -> int:
        """By how many degrees a player turns frames, counter-clockwise: 0, 90, 180 or 270."""
        if self.display_matrix is None:
            return 0
        angle = np.degrees(np.arctan2(-self.display_matrix[1], self.display_matrix[0]))
        return round(float(angle) / 90) * 90 % 360


def probe_video(path: str | Path, *, untagged: Untagged = 'auto') -> VideoInfo:
    """Read what a video file says of its frames, and decode the first one.

    Args:
        path: The file.
        untagged: What to take it for where it names no matrix.

    Raises:
        DataError: It cannot be opened, holds no frame that can be decoded, or colours that cannot be converted.
    """
    with open_video(path) as (container, stream):
        stream.thread_type = 'SLICE'  # one frame is enough
        return _describe(Path(path), container, stream, _first_frame(Path(path), container, stream), untagged)


@contextmanager
def open_video(path: str | Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video file, and find its video stream; pictures of a cover are none.

    Raises:
        DataError: It is no regular file, of an unknown format, or has no video.
    """
    check_regular(path)
    try:
        # 'file:', so that no name is taken for an address
        container = av.open(
            f'file:{path}', container_options={'format_whitelist': _FORMATS}, metadata_errors='backslashreplace'
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise DataError(
            f'{path} cannot be opened as a video: it is damaged, or of an unknown format ({error_text(error)}).'
        ) from error
    with container:
        streams = [each for each in container.streams.video if not each.disposition & _COVER]
        stream = container.streams.best('video')
        stream = stream if stream in streams else next(iter(streams), None)
        if not isinstance(stream, VideoStream) or stream.codec_context is None:
            raise DataError(f'{path} cannot be opened as a video: it has no video stream that can be decoded.')
        stream.thread_type = 'AUTO'
        yield container, stream


_COVER = av.stream.Disposition.attached_pic


def announced_frames(container: InputContainer, stream: VideoStream) -> int:
    """Return how many frames a file announces; 0 for none, as of a recording that nobody closed, and for nonsense."""
    number = stream.frames
    if number <= 0:
        rate = announced_rate(stream)
        seconds = Fraction(container.duration or 0, av.time_base)
        if not seconds and stream.duration and stream.time_base:
            seconds = stream.duration * stream.time_base
        number = int(seconds * rate + Fraction(1, 2)) if rate and seconds > 0 else 0
    return number if 0 < number < _MOST_FRAMES else 0


def announced_rate(stream: VideoStream) -> Fraction | None:
    """Return the frames a second that a file announces, None for none."""
    return stream.guessed_rate or stream.average_rate or None


def error_text(error: Exception) -> str:
    """Return what an error of FFmpeg says, without number and file."""
    return str(getattr(error, 'strerror', None) or error)


def _describe(
    path: Path, container: InputContainer, stream: VideoStream, frame: VideoFrame, untagged: Untagged
) -> VideoInfo:
    """Return what a file and its first frame say.

    Raises:
        DataError: Its colours cannot be converted.
    """
    assumed: set[str] = set()
    depth = max(component.bits for component in frame.format.components)
    matrix, is_full_range = _matrix(path, frame, untagged, assumed), _is_full_range(stream, frame, assumed)
    if depth > _DEEPEST or 'f' in frame.format.name.removesuffix('le').removeprefix('bayer')[-3:]:
        raise DataError(f'{path} has frames of {frame.format.name}, which cannot be read. Convert it by ffmpeg first.')
    location = find_chroma_location(frame)
    if location == 'center' and not _can_say_center(stream.codec_context.codec.canonical_name, frame.format.name):
        location = 'left'
        assumed.add('chroma_location')
    assert stream.time_base is not None
    info = VideoInfo(
        path=path,
        size=(frame.height, frame.width),
        time_base=stream.time_base,
        start=frame.pts or 0,
        frame_rate=stream.average_rate or announced_rate(stream),
        num_frames=announced_frames(container, stream),
        codec=stream.codec_context.codec.canonical_name,
        pixel_format=frame.format.name.replace('yuvj', 'yuv'),  # the range is told apart
        bit_depth=depth,
        matrix=matrix,
        transfer=_TRANSFERS.get(frame.color_trc, UNKNOWN),
        primaries=_PRIMARIES.get(frame.color_primaries, UNKNOWN),
        is_full_range=is_full_range,
        chroma_location=location,
        sample_aspect_ratio=stream.sample_aspect_ratio or Fraction(0),
        display_matrix=_display_matrix(frame),
        is_interlaced=frame.interlaced_frame or stream.codec_context.field_order in _INTERLACED_ORDERS,
        assumed=frozenset(assumed),
    )
    _tell_assumed(info)
    return info


def _first_frame(path: Path, container: InputContainer, stream: VideoStream) -> VideoFrame:
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            if frames:
                return frames[0]
    except (av.FFmpegError, OSError):
        pass
    raise no_frame(path)


def no_frame(path: Path) -> DataError:
    """Return the error of a file without frames."""
    return DataError(f'{path} holds no frame that can be decoded: it is cut off, damaged, or of an unknown codec.')


def _matrix(path: Path, frame: VideoFrame, untagged: Untagged, assumed: set[str]) -> str:
    if frame.format.is_rgb or frame.format.name == 'pal8':
        return 'gbr'
    matrix = _MATRICES.get(frame.colorspace)
    if matrix is None or matrix == 'gbr':  # a tag that Y'CbCr cannot have
        assumed.add('matrix')
        kind = ('bt709' if frame.height >= _HD_LINES else 'bt601') if untagged == 'auto' else untagged
        return _UNTAGGED_MATRICES[kind]
    if matrix not in LUMA_WEIGHTS:
        raise DataError(
            f'{path} has colours of the matrix {matrix}, which cannot be converted; expected one of '
            f'{", ".join(LUMA_WEIGHTS)}. Convert it by ffmpeg first.'
        )
    return matrix


def _is_full_range(stream: VideoStream, frame: VideoFrame, assumed: set[str]) -> bool:
    if frame.format.is_rgb or frame.format.name.startswith('yuvj') or frame.format.name == 'pal8':
        return True
    known = frame.color_range or stream.color_range
    if not known:
        assumed.add('range')
    return known == _FULL_RANGE


def _can_say_center(codec: str, pixel_format: str) -> bool:
    """Tell whether 'center' is what a file says, and not what is found where it says nothing."""
    return codec in ('mjpeg', 'mpeg1video') or (codec in ('h264', 'hevc', 'vvc') and '420' in pixel_format)


def _display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    all_side_data: Any = frame.side_data  # its declared type lacks keys that it has
    side_data = all_side_data.get(SideDataType.DISPLAYMATRIX)
    if side_data is None:
        return None
    matrix = tuple(int(number) for number in np.frombuffer(bytes(side_data), np.int32))
    return None if matrix == _IDENTITY else matrix


def _tell_assumed(info: VideoInfo) -> None:
    if 'matrix' not in info.assumed or info.path in _told:
        return
    _told.add(info.path)
    kind = next(kind for kind, matrix in _UNTAGGED_MATRICES.items() if matrix == info.matrix)
    get_root_logger().info(
        f'{info.path} does not say by which matrix its colours were coded; it has {info.size[0]} lines, and is taken '
        f'for {kind.upper().replace("BT", "BT.")}.'
    )


def _number_of(name: str, names: dict[int, str]) -> int:
    return next((number for number, each in names.items() if each == name), _UNSPECIFIED)
