"""Frames of videos of many kinds against ffmpeg's own conversion, and against the formulas in 64 bits."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from dlvr_plugin.clips.video_colors import rgb_to_yuv, yuv_to_rgb
from dlvr_plugin.clips.video_files import count_decodable_frames, count_frames, read_video
from dlvr_plugin.clips.video_info import probe_video
from dlvr_plugin.clips.video_stream import read_frames
from dlvr_plugin.core.errors import DataError
from tests.clips.ffmpeg_videos import MATRICES, SIZE, ffmpeg, make_video, pictures, read_by_ffmpeg

WEIGHTS = {'smpte170m': (0.299, 0.114), 'bt709': (0.2126, 0.0722), 'bt2020nc': (0.2627, 0.0593)}
MKV = ('-c:v', 'ffv1')


def rgb_by_formula(yuv, matrix, is_full_range, depth):
    """Return R'G'B' in [0, 1] of codes: BT.601, BT.709 and BT.2020 as they are printed, solved by hand for R'G'B'."""
    red, blue = WEIGHTS[matrix]
    unit = 2 ** (depth - 8)
    luma, *chroma = np.moveaxis(yuv.astype(np.float64), -1, 0)
    y = luma / (2**depth - 1) if is_full_range else (luma - 16 * unit) / (219 * unit)
    cb, cr = ((each - 128 * unit) / ((2**depth - 1) if is_full_range else 224 * unit) for each in chroma)
    r, b = y + 2 * (1 - red) * cr, y + 2 * (1 - blue) * cb
    return np.stack([r, (y - red * r - blue * b) / (1 - red - blue), b], -1).clip(0, 1)


@pytest.mark.parametrize(('matrix', 'is_full_range', 'depth'), itertools.product(WEIGHTS, (False, True), (8, 10, 12)))
def test_conversion_is_that_of_the_standards(matrix, is_full_range, depth):
    codes = np.random.default_rng(0).integers(0, 2**depth, (64, 64, 3)).astype(np.uint16)
    for num_bits in (8, 16):
        rgb = yuv_to_rgb(
            codes << (16 - depth), matrix=matrix, is_full_range=is_full_range, bit_depth=depth, num_bits=num_bits
        )
        most = 2**num_bits - 1
        error = np.abs(rgb / most - rgb_by_formula(codes, matrix, is_full_range, depth)).max() * most
        assert error < (0.51 if num_bits == 8 else 0.6)
    back = rgb_to_yuv(rgb, matrix=matrix, is_full_range=is_full_range, bit_depth=depth)
    again = rgb_by_formula(back / 2.0 ** (16 - depth), matrix, is_full_range, depth)
    assert np.abs(again * most - rgb).max() < 3


@pytest.mark.parametrize(
    ('matrix', 'color_range', 'pixel_format'),
    [
        ('bt601', 'tv', 'yuv420p'),
        ('bt709', 'tv', 'yuv420p'),
        ('bt709', 'pc', 'yuv422p10le'),
        ('bt2020', 'tv', 'yuv420p10le'),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in itertools.product(
                MATRICES, ('tv', 'pc'), [f'yuv{chroma}p{depth}' for chroma in (420, 422, 444) for depth in ('', '10le')]
            )
        ),
    ],
)
def test_frames_are_those_of_ffmpeg(tmp_path, matrix, color_range, pixel_format):
    matrix = MATRICES[matrix]
    path = make_video(
        tmp_path / 'a.mkv', pictures(3), pixel_format=pixel_format, matrix=matrix, color_range=color_range
    )
    info = probe_video(path)
    assert (info.matrix, info.is_full_range, info.pixel_format) == (matrix, color_range == 'pc', pixel_format)
    assert info.chroma_location == 'left' or '444' in pixel_format
    assert not info.assumed - {'chroma_location'}
    expected = read_by_ffmpeg(path, SIZE, matrix=matrix, color_range=color_range)
    for frame, wanted in zip(read_frames(path, num_bits=8), expected, strict=True):
        assert np.abs(frame.rgb.astype(int) - wanted).max() <= 1
    whole = next(read_frames(path)).rgb
    assert whole.dtype == (np.uint16 if '10' in pixel_format else np.uint8)
    assert np.abs(whole / np.iinfo(whole.dtype).max * 255 - expected[0]).max() < 1.6
    for frame, wanted in zip(read_video(path), expected, strict=True):  # what data prepare and evaluate read
        assert np.abs(frame[..., ::-1].astype(int) - wanted).max() <= 1


@pytest.mark.parametrize(('lines', 'matrix'), [(718, 'smpte170m'), (720, 'bt709')])
def test_untagged_video_is_taken_for_what_its_size_suggests(tmp_path, host_log, lines, matrix):
    frames = np.repeat(pictures(1, (lines, 32)), 2, axis=0)
    path = make_video(tmp_path / 'a.mkv', frames, matrix=matrix, tagged=False)
    expected = read_by_ffmpeg(path, (lines, 32), matrix=matrix)
    assert np.abs(next(read_frames(path, num_bits=8)).rgb.astype(int) - expected[0]).max() <= 1
    assert 'matrix' in probe_video(path).assumed
    assert len([line for line in host_log if 'does not say by which matrix' in line]) == 1
    other = probe_video(path, untagged='bt2020')
    assert other.matrix == 'bt2020nc'


@pytest.mark.parametrize('size', [(53, 95), (54, 95), (33, 17)])
def test_odd_sizes(tmp_path, size):
    path = make_video(tmp_path / 'a.mkv', pictures(2, size), codec=MKV)
    expected = read_by_ffmpeg(path, size, matrix='bt709')
    for frame, wanted in zip(read_frames(path), expected, strict=True):
        assert np.abs(frame.rgb.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize('turn', ['90', '180', '270'])
@pytest.mark.parametrize('mirror', [False, True])
def test_frames_are_turned_as_ffmpeg_turns_them(tmp_path, turn, mirror):
    plain = make_video(tmp_path / 'a.mp4', pictures(2), pixel_format='yuv444p')
    path = tmp_path / 'b.mp4'
    ffmpeg('-display_rotation', turn, *(['-display_hflip'] * mirror), '-i', str(plain), '-c', 'copy', str(path))
    size = SIZE[::-1] if turn != '180' else SIZE
    expected = read_by_ffmpeg(path, size, matrix='bt709', turn=True)
    assert count_frames(path) == (2, size)
    for frame, wanted in zip(read_video(path), expected, strict=True):
        assert np.abs(frame[..., ::-1].astype(int) - wanted).max() <= 1
    assert np.array_equal(next(read_frames(path)).rgb, next(read_frames(plain)).rgb)


@pytest.mark.parametrize('name', ['a.mp4', 'a.mkv', 'a.ts', 'a.avi'])
def test_reading_goes_on_from_any_frame(tmp_path, name):
    codec = ('-c:v', 'mpeg4', '-bf', '2', '-g', '6') if name == 'a.avi' else ('-c:v', 'libx264', '-g', '6')
    path = make_video(tmp_path / name, pictures(14), codec=codec)
    whole = list(read_frames(path))
    assert [frame.pts - whole[0].pts for frame in whole] == [
        int(Fraction(index, 25) / whole[0].time_base) for index in range(14)
    ]
    for index in (1, 5, 6, 9, 13):
        rest = list(read_frames(path, start=whole[index].pts))
        assert [frame.pts for frame in rest] == [frame.pts for frame in whole[index:]]
        assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(rest, whole[index:], strict=True))
    part = list(read_frames(path, start=whole[3].pts, end=whole[8].pts))
    assert [frame.pts for frame in part] == [frame.pts for frame in whole[3:8]]


def test_a_broken_frame_in_the_middle_is_found(tmp_path):
    path = make_video(tmp_path / 'a.mp4', pictures(12), codec=('-c:v', 'libx264', '-g', '4', '-bf', '0'))
    whole = list(read_frames(path))
    content = bytearray(path.read_bytes())
    position = int(ffmpeg_position(path, 4))
    content[position + 40 : position + 200] = bytes(160)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r'a.mp4 is damaged: the frame at 0.160 s cannot be decoded whole'):
        list(read_frames(path))
    found = []
    left = list(read_frames(path, on_cut=found.append))
    assert [frame.pts for frame in left] == [frame.pts for frame in whole]
    assert len(found) == 1
    for index in (*range(4), *range(8, 12)):  # other groups of pictures are not touched
        assert np.array_equal(left[index].rgb, whole[index].rgb)


def ffmpeg_position(path, index):
    import av

    with av.open(str(path)) as container:
        return [packet.pos for packet in container.demux(video=0) if packet.size][index]


def test_interlaced_video_is_refused_or_deinterlaced(tmp_path):
    interlaced = ('-c:v', 'libx264', '-flags', '+ilme+ildct', '-x264-params', 'tff=1')
    path = make_video(tmp_path / 'a.mp4', pictures(6, (64, 96)), codec=interlaced)
    assert probe_video(path).is_interlaced
    for read in (read_video, read_frames):
        with pytest.raises(DataError, match='is interlaced: the frame at 0.000 s'):
            next(read(path))
    with pytest.raises(DataError, match='is interlaced'):
        count_decodable_frames(path)
    frames = list(read_frames(path, deinterlace=True))
    assert [frame.pts * frame.time_base for frame in frames] == [Fraction(index, 25) for index in range(6)]


def test_lists_of_other_files_are_no_videos(tmp_path):
    make_video(tmp_path / 'a.ts', pictures(2), codec=('-c:v', 'libx264'))
    (tmp_path / 'b.mp4').write_text('#EXTM3U\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n')
    (tmp_path / 'c.mkv').write_text('ffconcat version 1.0\nfile a.ts\n')
    for name in ('b.mp4', 'c.mkv'):
        with pytest.raises(DataError, match='cannot be opened as a video'):
            probe_video(tmp_path / name)
