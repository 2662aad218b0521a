"""What a network that changes nothing leaves of a video: read, written in segments, joined, read again."""

import itertools

import av
import cv2
import numpy as np
import pytest

from dlvr_plugin.clips.video_info import probe_video
from dlvr_plugin.clips.video_joining import check_container, join_segments
from dlvr_plugin.clips.video_stream import read_frames
from dlvr_plugin.clips.video_writer import VideoWriter, choose_encoding
from dlvr_plugin.core.errors import DataError, InvalidValueError
from tests.clips.ffmpeg_videos import FLAGS, SIZE, ffmpeg, make_video, pictures, planes_by_ffmpeg

X264 = ('-c:v', 'libx264', '-qp', '0', '-bf', '2')
KEPT = ('matrix', 'is_full_range', 'transfer', 'primaries', 'chroma_location', 'pixel_format', 'display_matrix')


def restore(source, out, *, in_segment=5, scale=1, **choice):
    """Write the frames of a video as they are, or enlarged, by way of segments; return them."""
    info = probe_video(source)
    size = info.size[0] * scale, info.size[1] * scale
    encoding = choose_encoding(info, size=size, **choice)
    check_container(info, out, encoding)
    frames, segments = list(read_frames(source)), []
    for start in range(0, len(frames), in_segment):
        segments.append(out.with_name(f'{out.name}_{start}.nut'))
        writer = VideoWriter(segments[-1], info, size=size, encoding=encoding)
        for frame in frames[start : start + in_segment]:
            writer.write(frame.rgb.repeat(scale, 0).repeat(scale, 1), frame.pts, frame.duration)
        writer.close()
    join_segments(segments, info, out)
    return frames


def packets(path, kind):
    """Return the bytes and times of the packets of each stream of a kind."""
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type == kind]
        found = {stream.index: [] for stream in streams}
        for packet in container.demux(streams):
            if packet.pts is not None:
                found[packet.stream.index].append((bytes(packet), packet.pts * packet.time_base))
        return list(found.values())


CASES = [
    ('bt709', 'tv', 'yuv420p', 'x264', '.mp4'),
    ('smpte170m', 'pc', 'yuv422p', 'x264', '.mkv'),
    ('bt2020nc', 'tv', 'yuv420p10le', 'x265', '.mp4'),
    ('bt709', 'tv', 'yuv444p', 'ffv1', '.mkv'),
    *(
        pytest.param(matrix, used, pixel_format, codec, suffix, marks=pytest.mark.slow)
        for matrix in ('smpte170m', 'bt709', 'bt2020nc')
        for used in ('tv', 'pc')
        for pixel_format in ('yuv420p', 'yuv422p', 'yuv444p', 'yuv420p10le', 'yuv422p10le', 'yuv444p10le')
        for codec, suffix in (('x264', '.mp4'), ('x265', '.mov'))
    ),
]


@pytest.mark.parametrize(('matrix', 'color_range', 'pixel_format', 'codec', 'suffix'), CASES)
def test_identity(tmp_path, matrix, color_range, pixel_format, codec, suffix):
    source = make_video(
        tmp_path / 'a.mp4', pictures(8), pixel_format=pixel_format, matrix=matrix, color_range=color_range
    )
    out = tmp_path / f'out{suffix}'
    before = restore(source, out, codec=codec, quality='lossless')
    after = list(read_frames(out))
    assert [frame.pts * frame.time_base for frame in after] == [frame.pts * frame.time_base for frame in before]
    first, second = probe_video(source), probe_video(out)
    kept = [name for name in KEPT if name != 'chroma_location' or '444' not in pixel_format]
    assert [getattr(first, name) for name in kept] == [getattr(second, name) for name in kept]
    # The codes that were written are those that ffmpeg makes of the frames that were read.
    depth = 16 if '10' in pixel_format else 8
    raw = np.stack([frame.rgb for frame in before]).tobytes()
    rgb = ['-f', 'rawvideo', '-pix_fmt', 'rgb48le' if depth == 16 else 'rgb24', '-s', f'{SIZE[1]}x{SIZE[0]}', '-i', '-']
    scale = f'scale=out_color_matrix={matrix}:out_range={color_range}:out_chroma_loc=left:{FLAGS}'
    expected = ffmpeg(*rgb, '-vf', f'{scale},format={pixel_format}', '-f', 'rawvideo', '-', content=raw)
    kind = np.uint16 if depth == 16 else np.uint8
    difference = np.frombuffer(planes_by_ffmpeg(out), kind).astype(int) - np.frombuffer(expected, kind)
    # Of 16-bit R'G'B' libswscale makes 10-bit codes that are off by up to 3 (the formulas are another test's).
    assert np.abs(difference).max() <= (1 if depth == 8 else 4)
    if '444' in pixel_format:  # nothing is lost but by rounding, twice
        original = np.frombuffer(planes_by_ffmpeg(source), kind).astype(int)
        assert np.abs(original - np.frombuffer(planes_by_ffmpeg(out), kind)).max() <= 1


@pytest.mark.parametrize('suffix', ['.mp4', '.mkv'])
def test_variable_frame_rate_and_a_late_start(tmp_path, suffix):
    vfr = ('-vf', "setpts='(N+floor(N/3)*2+gt(N,4)*7)/25/TB+0.4/TB'", '-fps_mode', 'passthrough')
    plain = make_video(tmp_path / 'plain.mkv', pictures(12))
    source = tmp_path / f'a{suffix}'
    ffmpeg('-i', str(plain), *vfr, '-c:v', 'libx264', '-qp', '0', '-bf', '2', str(source))
    out = tmp_path / f'out{suffix}'
    before, after = restore(source, out, scale=2), list(read_frames(out))
    assert [frame.pts * frame.time_base for frame in after] == [frame.pts * frame.time_base for frame in before]
    gaps = {b.pts - a.pts for a, b in itertools.pairwise(before)}
    assert len(gaps) >= 3
    assert after[0].rgb.shape == (2 * SIZE[0], 2 * SIZE[1], 3)


@pytest.mark.parametrize('suffix', ['.mp4', '.mkv'])
def test_all_else_of_the_source_is_copied(tmp_path, suffix):
    (tmp_path / 'a.srt').write_text('1\n00:00:00,040 --> 00:00:00,160\nHello\n\n')
    (tmp_path / 'a.meta').write_text(
        ';FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=200\ntitle=One\n'
        '[CHAPTER]\nTIMEBASE=1/1000\nSTART=200\nEND=480\ntitle=Two\n'
    )
    plain = make_video(tmp_path / 'plain.mkv', pictures(12), codec=X264)
    source = tmp_path / f'a{suffix}'
    tones = [part for pitch in (300, 500) for part in ('-f', 'lavfi', '-i', f'sine={pitch}:duration=0.5')]
    ffmpeg(
        '-display_rotation', '90', '-i', str(plain), *tones, '-i', str(tmp_path / 'a.srt'), '-i',
        str(tmp_path / 'a.meta'),
        '-map', '0', '-map', '1', '-map', '2', '-map', '3', '-map_metadata', '4', '-c:v', 'copy', '-c:a', 'aac',
        '-c:s', 'mov_text' if suffix == '.mp4' else 'srt', '-metadata:s:a:1', 'language=fra', '-aspect', '4:1',
        '-disposition:a:1', 'default', str(source),
    )  # fmt: skip
    out = tmp_path / f'out{suffix}'
    restore(source, out, scale=2, codec='x264')
    for kind, number in (('audio', 2), ('subtitle', 1)):
        assert len(packets(source, kind)) == number
        assert packets(out, kind) == packets(source, kind)
    first, second = probe_video(source), probe_video(out)
    assert second.display_matrix == first.display_matrix != None  # noqa: E711
    assert second.sample_aspect_ratio == first.sample_aspect_ratio != 1
    with av.open(str(source)) as before, av.open(str(out)) as after:
        assert after.metadata['title'] == 'A film'
        assert [
            (each['start'] * each['time_base'], each['end'] * each['time_base'], each['metadata'])
            for each in after.chapters()
        ] == [
            (each['start'] * each['time_base'], each['end'] * each['time_base'], each['metadata'])
            for each in before.chapters()
        ]
        assert [stream.type for stream in after.streams if stream.type != 'data'] == [
            stream.type for stream in before.streams if stream.type != 'data'
        ]
        assert [stream.disposition for stream in after.streams.audio] == [
            stream.disposition for stream in before.streams.audio
        ]
        assert after.streams.audio[1].language == 'fra'


def test_what_looks_lossless_is_near(tmp_path):
    source = make_video(tmp_path / 'a.mp4', pictures(8), pixel_format='yuv444p')
    for codec in ('x264', 'x265'):
        before = restore(source, tmp_path / 'out.mp4', codec=codec)
        psnr = [cv2.PSNR(a.rgb, b.rgb) for a, b in zip(before, read_frames(tmp_path / 'out.mp4'), strict=True)]
        assert min(psnr) > 36


def test_what_cannot_be_is_refused(tmp_path):
    source = make_video(tmp_path / 'a.mkv', pictures(2, (33, 17)), codec=('-c:v', 'ffv1'))
    info = probe_video(source)
    assert choose_encoding(info, size=info.size).pixel_format == 'yuv444p'
    assert choose_encoding(info, size=(66, 34)).pixel_format == 'yuv420p'
    for choice, message in (
        ({'pixel_format': 'yuv420p'}, 'pixel format yuv420p: for frames of 17x33 pixels, x264'),
        ({'quality': 52}, r'quality 52: expected 0 \(best\) to 51 for x264'),
        ({'codec': 'av1', 'quality': 'lossless'}, 'av1'),
    ):
        with pytest.raises(InvalidValueError, match=message):
            choose_encoding(info, size=info.size, **choice)
    encoding = choose_encoding(info, size=info.size)
    with pytest.raises(InvalidValueError, match='not as .gif'):
        check_container(info, tmp_path / 'a.gif', encoding)
    writer = VideoWriter(tmp_path / 's.nut', info, size=info.size, encoding=encoding)
    frame = next(read_frames(source)).rgb
    writer.write(frame, 40)
    with pytest.raises(InvalidValueError, match='a frame at 40 ticks comes after one at 40 ticks'):
        writer.write(frame, 40)
    with pytest.raises(InvalidValueError, match='has the shape'):
        writer.write(frame[1:], 80)
    writer.close()
    assert not list(tmp_path.glob('*.partial'))
    (tmp_path / 'out.mkv').write_bytes(b'before')
    with pytest.raises(DataError, match='begins before the segment in front of it has ended'):
        join_segments([tmp_path / 's.nut', tmp_path / 's.nut'], info, tmp_path / 'out.mkv')
    assert (tmp_path / 'out.mkv').read_bytes() == b'before'
    assert not list(tmp_path.glob('.*.partial'))
