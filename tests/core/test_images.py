import io
import struct
import time
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.images import decode_image, line_up, read_size, write_image


def image(height=6, width=10):
    return np.random.randint(0, 256, (height, width, 3)).astype(np.uint8)


def test_written_images_are_read_back(tmp_path):
    write_image(tmp_path / 'a.png', image := np.arange(90, dtype=np.uint8).reshape(5, 6, 3))
    assert np.array_equal(cv2.imread(str(tmp_path / 'a.png')), image)
    content = (tmp_path / 'a.png').read_bytes()
    assert np.array_equal(decode_image(content, 'a'), image)
    assert np.array_equal(decode_image(memoryview(content), 'a'), image)
    assert decode_image(content, 'a', flag='grayscale').shape == (5, 6)
    assert [path.name for path in tmp_path.iterdir()] == ['a.png']


@pytest.mark.parametrize('name', ['a.unknown', 'a'])
def test_formats_that_there_are_not(tmp_path, name):
    with pytest.raises(OSError, match=f'{name} cannot be written: .* is no format'):
        write_image(tmp_path / name, image())
    assert list(tmp_path.iterdir()) == []


def test_folders_that_there_are_not(tmp_path):
    with pytest.raises(OSError, match=r'nowhere/a.png cannot be written: No such file'):
        write_image(tmp_path / 'nowhere' / 'a.png', image())


def test_damaged_content_is_named():
    jpeg = cv2.imencode('.jpg', image(64, 64))[1].tobytes()
    with pytest.raises(DataError, match='key x is cut off: a JPEG without its end'):
        decode_image(jpeg[:-100], 'key x')
    with pytest.raises(DataError, match=r'key x cannot be decoded: .* \(7 bytes\)'):
        decode_image(b'nothing', 'key x')


def test_images_side_by_side():
    line = line_up([image(4, 3), image(4, 5)])
    assert line.shape == (4, 3 + 6 + 5, 3)
    assert (line[:, 3:9] == 255).all()


def with_exif(png, orientation):
    """Return a PNG with an eXIf chunk."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = exif.tobytes()[6:]  # without the mark that JPEGs have
    checksum = zlib.crc32(b'eXIf' + content).to_bytes(4, 'big')
    return png[:33] + len(content).to_bytes(4, 'big') + b'eXIf' + content + checksum + png[33:]


def coarse_image():
    """An image that JPEG hardly changes."""
    return np.kron(np.random.default_rng(0).integers(0, 256, (6, 10, 3)), np.ones((8, 8, 1))).astype(np.uint8)


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'TIFF'])
def test_pictures_are_turned_as_their_exif_says_whatever_is_asked_for(kind, orientation):
    exif, content = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    quality = {'JPEG': {'quality': 95}, 'WEBP': {'lossless': True}}.get(kind, {})
    Image.fromarray(coarse_image()[..., ::-1]).save(content, kind, exif=exif, **quality)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content.getvalue()))).convert('RGB')
    expected = np.asarray(upright)[..., ::-1]
    for flag in ('color', 'unchanged'):
        np.testing.assert_array_equal(decode_image(content.getvalue(), 'a picture', flag=flag), expected)
    assert decode_image(content.getvalue(), 'a picture', flag='grayscale').shape == expected.shape[:2]


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'TIFF'])
def test_the_size_in_the_header_is_that_of_the_decoded_image(tmp_path, kind, orientation):
    exif, path = Image.Exif(), tmp_path / f'x.{kind.lower()}'
    exif[0x0112] = orientation
    Image.fromarray(coarse_image()).save(path, kind, exif=exif)
    assert read_size(path) == decode_image(path.read_bytes(), 'x').shape[:2]


def test_headers_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / 'x.png').write_bytes(b'none')
    for name, message in (('x.png', 'x.png cannot be read as an image'), ('y.png', 'y.png does not exist')):
        with pytest.raises(DataError, match=message):
            read_size(tmp_path / name)


def test_unchanged_pictures_keep_their_bits_and_channels():
    image = coarse_image()
    for kind, shape in ((image.astype(np.uint16) * 257, (80, 48, 3)), (image[..., 0], (80, 48))):
        png = with_exif(cv2.imencode('.png', kind)[1].tobytes(), 6)
        found = decode_image(png, 'a picture', flag='unchanged')
        assert (found.shape, found.dtype) == (shape, kind.dtype)
        np.testing.assert_array_equal(found, cv2.rotate(kind, cv2.ROTATE_90_CLOCKWISE))
        assert decode_image(png, 'a picture').shape == (80, 48, 3)
    alpha = with_exif(cv2.imencode('.png', cv2.cvtColor(image, cv2.COLOR_BGR2BGRA))[1].tobytes(), 6)
    assert decode_image(alpha, 'a picture', flag='unchanged').shape[2] == 4  # so that it can be refused
    np.testing.assert_array_equal(decode_image(alpha, 'a picture'), cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE))


def png_of_size(width, height):
    """Return a PNG that says it is so large, and holds a row."""

    def chunk(kind, content):
        return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))

    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1 + 3 * min(width, 2**21)))
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', rows) + chunk(b'IEND', b'')


@pytest.mark.parametrize('size', [(60_000, 60_000), (20_000, 20_000), (2**31 - 1, 1)])
def test_images_that_are_made_too_large_are_named_at_once(size):
    start = time.process_time()
    with pytest.raises(DataError, match=rf'x.png says that it is {size[1]}x{size[0]} pixels \(h x w\), more than'):
        decode_image(png_of_size(*size), 'x.png')
    assert time.process_time() - start < 1


def test_what_opencv_refuses_is_named():
    with pytest.raises(DataError, match='x.png cannot be decoded'):
        decode_image(png_of_size(2**21, 1), 'x.png')  # wider than it takes


def test_a_chunk_that_says_it_is_too_long_is_named_at_once():
    content = bytearray(cv2.imencode('.png', image())[1].tobytes())
    assert decode_image(content, 'x.png').shape == (6, 10, 3)
    assert decode_image(bytes(content) + b'more', 'x.png').shape == (6, 10, 3)  # as OpenCV has it
    content[8 + 25 : 8 + 29] = b'\xf0\0\0\0'  # the length of what follows the header
    start = time.process_time()
    with pytest.raises(DataError, match='x.png cannot be decoded: it is cut off or damaged'):
        decode_image(content, 'x.png')
    assert time.process_time() - start < 1
