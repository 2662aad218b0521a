"""What a source has beside frames and sound, in a result of each container: attachments and cover pictures."""

import av
import pytest

from dlvr_plugin.clips.video_info import probe_video
from dlvr_plugin.clips.video_joining import check_container, join_segments
from dlvr_plugin.clips.video_stream import read_frames
from dlvr_plugin.clips.video_writer import SEGMENT_SUFFIX, VideoWriter, choose_encoding
from dlvr_plugin.core.errors import InvalidValueError
from tests.clips.ffmpeg_videos import SIZE, ffmpeg, make_video, pictures


@pytest.fixture
def films(tmp_path):
    """Two films: one with a cover, which is a stream, one with a font, which is an attachment; and the two files."""
    plain, cover, font = make_video(tmp_path / 'plain.mp4', pictures(3)), tmp_path / 'cover.png', tmp_path / 'font.ttf'
    ffmpeg('-i', str(plain), '-frames:v', '1', str(cover))
    font.write_bytes(b'letters')
    with_cover, with_font = tmp_path / 'with_cover.mp4', tmp_path / 'with_font.mkv'
    inputs = '-i', str(plain), '-i', str(cover), '-map', '0', '-map', '1'
    ffmpeg(*inputs, '-c', 'copy', '-disposition:v:1', 'attached_pic', str(with_cover))
    ffmpeg('-i', str(plain), '-c', 'copy', '-attach', str(font), '-metadata:s:t', 'mimetype=font/ttf', str(with_font))
    return {'cover': (with_cover, cover.read_bytes()), 'font': (with_font, font.read_bytes())}


def join(source, out):
    info = probe_video(source)
    encoding = choose_encoding(info, size=SIZE)
    check_container(info, out, encoding)
    part = out.with_name(f'part{SEGMENT_SUFFIX}')
    writer = VideoWriter(part, info, size=SIZE, encoding=encoding)
    for frame in read_frames(source):
        writer.write(frame.rgb, frame.pts, frame.duration)
    writer.close()
    join_segments([part], info, out)
    return out


def beside_the_frames(path):
    """Return the content and the type of what a file has beside its film."""
    with av.open(str(path)) as container:
        (extra,) = [stream for stream in container.streams if stream.index > 0]
        if extra.type == 'attachment':
            return extra.data, extra.mimetype
        assert extra.disposition & av.stream.Disposition.attached_pic
        return next(bytes(packet) for packet in container.demux([extra])), f'image/{extra.codec_context.name}'


@pytest.mark.parametrize(
    ('film', 'suffix', 'kind'),
    [('cover', '.mp4', 'image/png'), ('cover', '.mkv', 'image/png'), ('font', '.mkv', 'font/ttf')],
)
def test_they_are_kept(films, tmp_path, film, suffix, kind):
    source, content = films[film]
    out = join(source, tmp_path / f'out{suffix}')
    assert beside_the_frames(out) == (content, kind)
    assert len(list(read_frames(out))) == 3
    if suffix == '.mkv':
        assert beside_the_frames(join(out, tmp_path / 'again.mkv')) == (content, kind)


@pytest.mark.parametrize(
    ('film', 'suffix', 'message'),
    [
        ('font', '.mp4', r'\.mp4 cannot hold stream 1.*attachment font.ttf: it has no attachments. Write .mkv'),
        ('font', '.mov', 'it has no attachments'),
        ('cover', '.mov', 'it has no cover pictures'),
    ],
)
def test_a_container_that_cannot_hold_them_is_refused_before_the_work(films, tmp_path, film, suffix, message):
    info = probe_video(films[film][0])
    with pytest.raises(InvalidValueError, match=message):
        check_container(info, tmp_path / f'out{suffix}', choose_encoding(info, size=SIZE))
