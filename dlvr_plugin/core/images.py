"""Images (h, w, 3), BGR, uint8: decoded with the name of what is damaged, written atomically, placed side by side."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.files import write_atomic
from dlvr_plugin.core.regular_files import open_regular

DecodeFlag = Literal['color', 'grayscale', 'unchanged']

_FLAGS = {'color': cv2.IMREAD_COLOR, 'grayscale': cv2.IMREAD_GRAYSCALE, 'unchanged': cv2.IMREAD_UNCHANGED}
_JPEG_START, _JPEG_END, _PNG_START = b'\xff\xd8', b'\xff\xd9', b'\x89PNG\r\n\x1a\n'
_EXIF_MARKS = (b'Exif', b'eXIf', b'EXIF')  # of JPEG, PNG and WebP; OpenCV turns 'unchanged' images by none of them
_MOST_PIXELS = 2**28  # 16384x16384, eight times a frame of 8K
_TIFF_SIZE = 256, 257  # the tags of width and height
_ORIENTATION, _TURNED = 0x0112, range(5, 9)  # the EXIF tag, and its values that swap height and width
_GAP, _PAPER = 6, 255


def decode_image(content: bytes | memoryview, source: str, *, flag: DecodeFlag = 'color') -> np.ndarray:
    """Decode the content of an image file.

    Args:
        content: PNG, JPEG or whatever else OpenCV reads.
        source: What an error calls it.
        flag: 'color' gives (h, w, 3), BGR, uint8; 'grayscale' (h, w); 'unchanged' the bits and channels of the file.

    Returns:
        The image, upright: turned as its EXIF orientation says. One with an alpha channel is not, if it is 'unchanged'.

    Raises:
        DataError: It is cut off, cannot be decoded, or would take too much memory.
    """
    content = bytes(content)
    if content[:2] == _JPEG_START and content.rfind(_JPEG_END, -4096) < 0:
        raise DataError(f'{source} is cut off: a JPEG without its end ({len(content)} bytes).')
    image = _imdecode(content, source, _FLAGS[flag])
    if flag == 'unchanged' and image is not None and not _has_alpha(image) and any(map(content.count, _EXIF_MARKS)):
        image = _imdecode(content, source, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR)
    if image is None:
        raise DataError(f'{source} cannot be decoded: it is cut off or damaged ({len(content)} bytes).')
    return image


def _has_alpha(image: np.ndarray) -> bool:
    return image.ndim == 3 and image.shape[2] in (2, 4)


def _imdecode(content: bytes, source: str, flag: int) -> np.ndarray | None:
    """Decode an image that does not take gigabytes: a PNG of some kilobytes can be made to."""
    if content.startswith(_PNG_START) and len(content) >= 24:
        width, height = struct.unpack('>II', content[16:24])
        if width * height > _MOST_PIXELS:
            raise DataError(
                f'{source} says that it is {height}x{width} pixels (h x w), more than the {_MOST_PIXELS} that a frame '
                'may have.'
            )
        if not _has_its_chunks(content):  # OpenCV makes room for what a chunk announces, up to 4 GB
            return None
    try:
        decoded: np.ndarray | None = cv2.imdecode(np.frombuffer(content, np.uint8), flag)
    except cv2.error as error:  # its own limits of size, and too little memory
        raise DataError(f'{source} cannot be decoded: it is damaged, or too large ({error.err or error}).') from error
    return decoded


def _has_its_chunks(content: bytes) -> bool:
    """Tell whether the chunks of a PNG, up to its end, are as long as they say."""
    position = len(_PNG_START)
    while position + 8 <= len(content):
        length, kind = struct.unpack_from('>I4s', content, position)
        position += 12 + length
        if kind == b'IEND':
            break
    return position <= len(content)


def read_size(path: Path) -> tuple[int, int]:
    """Return height and width of an image file, upright as ``decode_image`` gives it, by its header alone.

    Raises:
        DataError: It is no file, or its header cannot be read.
    """
    try:
        with open_regular(path) as file, Image.open(file) as image:
            width, height = image.size
            if isinstance(image, TiffImageFile):  # whose size some versions of Pillow turn, and some do not
                width, height = (image.tag_v2[tag] for tag in _TIFF_SIZE)
            return (width, height) if image.getexif().get(_ORIENTATION) in _TURNED else (height, width)
    except DataError:  # a ValueError, too
        raise
    except (OSError, ValueError, KeyError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f'{path} cannot be read as an image: {error}.') from error


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an image (h, w, 3), BGR, uint8, in the format of the file's extension.

    Raises:
        OSError: It cannot be written, or no such format is known.
    """
    try:
        is_done, content = cv2.imencode(path.suffix, image)
    except cv2.error as error:
        raise OSError(f'{path} cannot be written: {path.suffix or "a file without extension"} is no format.') from error
    if not is_done:
        raise OSError(f'{path} cannot be written: the picture {image.shape} does not fit its format.')
    try:
        write_atomic(path, content.tobytes(), sync=False)
    except OSError as error:
        raise OSError(f'{path} cannot be written: {error.strerror}.') from error


def line_up(images: Sequence[np.ndarray]) -> np.ndarray:
    """Place images (h, w, 3), uint8, of one height side by side."""
    gap = np.full((images[0].shape[0], _GAP, 3), _PAPER, np.uint8)
    return np.hstack([part for image in images for part in (image, gap)][:-1])
