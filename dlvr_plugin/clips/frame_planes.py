"""Frames of PyAV to arrays of RGB and back: planes, chroma at its place, bit depths."""

from fractions import Fraction

import cv2
import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import Interpolation, VideoReformatter

from dlvr_plugin.clips.video_colors import rgb_to_yuv, round_codes, spread_codes, yuv_to_rgb

_FLAGS = 'flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact:sws_dither=none'
_FINE = {(1, 1): 'yuv420p16le', (1, 0): 'yuv422p16le', (0, 0): 'yuv444p16le'}  # by halvings of width and height
_RESAMPLING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP | Interpolation.BITEXACT
_LOCATIONS = {
    (0.5, 0): 'left', (0.5, 0.5): 'center', (0, 0): 'topleft', (0, 0.5): 'top', (1, 0): 'bottomleft',
    (1, 0.5): 'bottom',
}  # fmt: skip
_LEAST_SIDE = 16  # of a frame that has room for what a filter makes of one sample
_PLANAR_RGB_DEPTHS = (9, 10, 12, 14, 16)


class FrameDecoder:
    """Makes arrays of RGB of decoded frames.

    Args:
        matrix: FFmpeg's name of the matrix, 'gbr' for R'G'B'.
        is_full_range: Whether codes use their whole range.
        chroma_location: Where chroma samples lie, by FFmpeg's name.
        num_bits: 8 or 16, of the arrays.
    """

    def __init__(self, *, matrix: str, is_full_range: bool, chroma_location: str, num_bits: int) -> None:
        self.matrix, self.is_full_range, self.num_bits = matrix, is_full_range, num_bits
        self._scale = f'in_chroma_loc={chroma_location}:{_FLAGS}'
        self._filters = _Filters()

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """Return a frame as RGB (h, w, 3), uint8 or uint16, over the whole range."""
        if self.matrix == 'gbr':
            return self._read_rgb(frame)
        depth = frame.format.components[0].bits
        fine = self._fine_planes(frame, depth)
        if fine[1].shape != fine[0].shape:
            rows, columns = (int(whole != part) for whole, part in zip(fine[0].shape, fine[1].shape, strict=True))
            made = _frame_of_planes(fine, _FINE[columns, rows])
            fine = [_read_plane(plane, 2) for plane in self._filters(made, self._scale, 'yuv444p16le').planes]
        return yuv_to_rgb(
            cv2.merge(fine),
            matrix=self.matrix,
            is_full_range=self.is_full_range,
            bit_depth=depth,
            num_bits=self.num_bits,
        )

    def _fine_planes(self, frame: VideoFrame, depth: int) -> list[np.ndarray]:
        """Return luma and chroma, uint16, with the codes in the upper bits."""
        shift = 16 - depth
        num_bytes = 1 if depth <= 8 else 2
        if frame.format.name.startswith('gray') and _is_little_endian(frame):
            luma = _read_plane(frame.planes[0], num_bytes).astype(np.uint16) << shift
            return [luma, *(np.full_like(luma, 1 << 15) for _ in range(2))]
        if not _is_plain_yuv(frame):
            # swscale changes the layout, no more: no range is named, and the depth stays
            frame = self._filters(frame, _FLAGS, _plain_format(frame, depth))
        return [_read_plane(plane, num_bytes).astype(np.uint16) << shift for plane in frame.planes[:3]]

    def _read_rgb(self, frame: VideoFrame) -> np.ndarray:
        depth = frame.format.components[0].bits
        depth = 8 if depth <= 8 else next(each for each in _PLANAR_RGB_DEPTHS if each >= depth)
        wanted = 'gbrp' if depth == 8 else f'gbrp{depth}le'
        if frame.format.name != wanted:
            frame = self._filters(frame, _FLAGS, wanted)
        green, blue, red = (_read_plane(plane, 1 if depth == 8 else 2) for plane in frame.planes)
        return spread_codes(cv2.merge([red, green, blue]), depth, self.num_bits)


class FrameEncoder:
    """Makes frames to be encoded of arrays of RGB.

    Args:
        pixel_format: 'yuv420p', 'yuv422p' or 'yuv444p', followed by '10le' or '12le' for more than 8 bits.
        matrix: FFmpeg's name of the matrix.
        is_full_range: Whether codes shall use their whole range.
        chroma_location: Where chroma samples shall lie, by FFmpeg's name.
    """

    def __init__(self, *, pixel_format: str, matrix: str, is_full_range: bool, chroma_location: str) -> None:
        self.pixel_format, self.matrix, self.is_full_range = pixel_format, matrix, is_full_range
        base, _, depth = pixel_format.removesuffix('le').partition('p')
        self.bit_depth = int(depth or 8)
        self._fine_format = f'{base}p16le'
        self._scale = f'out_chroma_loc={chroma_location}:{_FLAGS}'
        self._filters = _Filters()

    def __call__(self, rgb: np.ndarray) -> VideoFrame:
        """Return the frame of RGB (h, w, 3): uint8, uint16, or float in [0, 1]."""
        yuv = rgb_to_yuv(rgb, matrix=self.matrix, is_full_range=self.is_full_range, bit_depth=self.bit_depth)
        fine = list(cv2.split(yuv))
        if self._fine_format != 'yuv444p16le':
            made = self._filters(_frame_of_planes(fine, 'yuv444p16le'), self._scale, self._fine_format)
            fine = [_read_plane(plane, 2) for plane in made.planes]
        return _frame_of_planes([round_codes(plane, self.bit_depth) for plane in fine], self.pixel_format)


def find_chroma_location(frame: VideoFrame) -> str:
    """Return where the chroma samples of a frame lie, by FFmpeg's name; 'center' also if it does not say.

    PyAV does not give what the frame says, but its reformatter heeds it: this marks one sample of chroma, and looks
    where that comes to lie in full resolution. The frame's own content is lost.
    """
    if not _is_plain_yuv(frame) or min(frame.width, frame.height) < _LEAST_SIDE:
        return 'center'
    depth = frame.format.components[0].bits
    codes = np.uint8 if depth <= 8 else np.uint16
    middle = 1 << (depth - 1)
    marked = frame.planes[1]
    row, column = marked.height // 2, marked.width // 2
    content = np.full((marked.height, marked.line_size // np.dtype(codes).itemsize), middle, codes)
    content[row, column] += middle // 2
    marked.update(content.tobytes())
    full = VideoReformatter().reformat(frame, format='yuv444p16le', interpolation=_RESAMPLING, threads=1)
    weights = _read_plane(full.planes[1], 2).astype(np.float64) - (1 << 15)
    rows, columns = np.mgrid[: weights.shape[0], : weights.shape[1]]
    y, x = ((weights * at).sum() / weights.sum() for at in (rows, columns))
    step_y, step_x = 1 << _halvings(frame.format.chroma_height(64)), 1 << _halvings(frame.format.chroma_width(64))
    across = 0.5 if step_x == 1 else round(2 * (x - step_x * column)) / 2
    down = 0.5 if step_y == 1 else round(2 * (y - step_y * row)) / 2
    return _LOCATIONS.get((down, across), 'center')


class _Filters:
    """Runs frames through FFmpeg's filter ``scale``, which is set up again where their format changes."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._graph = Graph()

    def __call__(self, frame: VideoFrame, scale: str, pixel_format: str) -> VideoFrame:
        key = (frame.width, frame.height, frame.format.name, scale, pixel_format)
        if key != self._key:
            self._key, self._graph = key, self._build(frame, scale, pixel_format)
        self._graph.vpush(frame)
        return self._graph.vpull()

    @staticmethod
    def _build(frame: VideoFrame, scale: str, pixel_format: str) -> Graph:
        graph = Graph()
        graph.threads = 1
        size = f'video_size={frame.width}x{frame.height}'
        last = graph.add('buffer', f'{size}:pix_fmt={frame.format.name}:time_base={Fraction(1, 1000)}')
        for name, arguments in (('scale', scale), ('format', pixel_format), ('buffersink', None)):
            node = graph.add(name, arguments)
            last.link_to(node)
            last = node
        graph.configure()
        return graph


def _is_little_endian(frame: VideoFrame) -> bool:
    return not frame.format.name.endswith('be')


def _is_plain_yuv(frame: VideoFrame) -> bool:
    format_ = frame.format
    is_known = (_halvings(format_.chroma_width(64)), _halvings(format_.chroma_height(64))) in _FINE
    return format_.name.startswith('yuv') and len(frame.planes) >= 3 and is_known and _is_little_endian(frame)


def _plain_format(frame: VideoFrame, depth: int) -> str:
    """Return the planar format that holds what a frame holds; where there is none, the one with more chroma."""
    halvings = _halvings(frame.format.chroma_width(64)), _halvings(frame.format.chroma_height(64))
    base = _FINE.get(halvings, 'yuv444p16le').removesuffix('16le')
    return base if depth <= 8 else f'{base}{depth}le'


def _halvings(part_of_64: int) -> int:
    return (64 // part_of_64).bit_length() - 1


def _read_plane(plane: VideoPlane, num_bytes: int) -> np.ndarray:
    codes = np.frombuffer(memoryview(plane), np.uint8 if num_bytes == 1 else np.dtype('<u2'))
    return codes.reshape(plane.height, plane.line_size // num_bytes)[:, : plane.width]


def _frame_of_planes(planes: list[np.ndarray], pixel_format: str) -> VideoFrame:
    height, width = planes[0].shape
    frame = VideoFrame(width, height, pixel_format)
    for plane, codes in zip(frame.planes, planes, strict=True):
        padded = np.zeros((codes.shape[0], plane.line_size // codes.itemsize), codes.dtype)
        padded[:, : codes.shape[1]] = codes
        plane.update(padded.tobytes())
    return frame
