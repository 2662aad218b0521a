"""Compression by video codecs: against ffmpeg's own encoders, and what can be worked out by hand."""

import hashlib
import subprocess
import sys
from typing import get_args

import av
import numpy as np
import pytest
import torch

from dlvr_plugin.clips.frame_planes import FrameDecoder, FrameEncoder
from dlvr_plugin.core.choices import RealisticCodec
from dlvr_plugin.core.errors import InvalidTypeError, InvalidValueError
from dlvr_plugin.data.realistic import video_codecs
from dlvr_plugin.data.realistic.video_codecs import VideoCompression, check_codec, quality_range
from tests.clips.ffmpeg_videos import ffmpeg, pictures

CODECS = get_args(RealisticCodec)
MIDDLE = {'h264': 28, 'h265': 28, 'mpeg2': 8, 'mpeg4': 8, 'vp9': 40}
# As a person would call ffmpeg for the same result.
FFMPEG = {
    'h264': '-c:v libx264 -preset veryfast -crf {quality}',
    'h265': '-c:v libx265 -preset superfast -crf {quality} '
    '-x265-params log-level=none:pools=none:frame-threads=1:sao=1:cutree=0',
    'mpeg2': '-c:v mpeg2video -flags +bitexact -qmin {quality} -qmax {quality} -b:v 0',
    'mpeg4': '-c:v mpeg4 -flags +bitexact -qmin {quality} -qmax {quality} -b:v 0',
    'vp9': '-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -crf {quality} -b:v 0',
}


def clip(number=7, size=(64, 80)):
    """Return smooth noise that moves (T, 3, h, w), in multiples of 1/255."""
    return torch.from_numpy(pictures(number, size)).permute(0, 3, 1, 2).float() / 255


def psnr(first, second):
    return float(-10 * torch.log10((first - second).square().mean()))


def num_bits(compression, frames):
    return 8 * sum(packet.size for packet in compression.encode(frames))


def through_ffmpeg(frames, codec, *, quality, gop, b_frames):
    """Return what ffmpeg leaves of frames; only the colours are converted by the package."""
    height, width = frames.shape[-2:]
    layout = {'matrix': 'smpte170m', 'is_full_range': False, 'chroma_location': 'left'}
    encoder, decoder = FrameEncoder(pixel_format='yuv420p', **layout), FrameDecoder(num_bits=8, **layout)
    planes = b''.join(encoder(image).to_ndarray().tobytes() for image in frames.permute(0, 2, 3, 1).numpy())
    raw = ['-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-s', f'{width}x{height}', '-r', '25', '-i', '-']
    how = [*FFMPEG[codec].format(quality=quality).split(), '-threads', '1', '-g', str(gop)]
    how += [] if codec == 'vp9' else ['-bf', str(b_frames)]
    video = ffmpeg(*raw, *how, '-f', 'nut', '-', content=planes)
    back = ffmpeg('-i', '-', '-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-fps_mode', 'passthrough', '-', content=video)
    codes = np.frombuffer(back, np.uint8).reshape(-1, height * 3 // 2, width)
    images = [decoder(av.VideoFrame.from_ndarray(each, format='yuv420p')) for each in codes]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize('codec', CODECS)
def test_frames_are_those_of_ffmpeg_at_the_same_settings(codec):
    frames = clip()
    settings = {'quality': MIDDLE[codec], 'gop': 5, 'b_frames': 2}
    ours = VideoCompression(codec=codec, **settings)(frames)
    theirs = through_ffmpeg(frames, codec, **settings)
    assert ours.shape == frames.shape
    assert psnr(ours, frames) < 45  # something was lost
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1.01 / 255)


@pytest.mark.parametrize('codec', CODECS)
def test_worse_quality_loses_more_and_takes_fewer_bits(codec):
    frames = clip(5)
    best, worst = quality_range(codec)
    made = [VideoCompression(codec=codec, quality=int(q)) for q in np.linspace(best, worst, 5)[1:]]
    quality, bits = [psnr(each(frames), frames) for each in made], [num_bits(each, frames) for each in made]
    assert quality == sorted(quality, reverse=True)
    assert bits == sorted(bits, reverse=True)
    assert quality[0] > quality[-1] + 6


@pytest.mark.slow
@pytest.mark.parametrize('codec', CODECS)
@pytest.mark.parametrize('bits_per_pixel', [0.4, 1.0])
def test_bits_per_pixel_are_near_what_is_asked_for(codec, bits_per_pixel):
    noise = torch.randn(150, 3, 64, 80, generator=torch.Generator().manual_seed(0))
    frames = torch.cat([clip(15), clip(15).flip(0)] * 5) + 0.04 * noise  # noise takes bits in each frame
    bits = num_bits(VideoCompression(codec=codec, bits_per_pixel=bits_per_pixel, gop=50, b_frames=2), frames)
    assert bits / frames[:, 0].numel() == pytest.approx(bits_per_pixel, rel=0.25)


@pytest.mark.parametrize('codec', CODECS)
@pytest.mark.parametrize(('gop', 'b_frames', 'number'), [(1, 2, 3), (4, 3, 9), (12, 0, 9), (250, 8, 9), (12, 2, 1)])
def test_frames_keep_their_order_and_number(codec, gop, b_frames, number):
    levels = torch.arange(number) * 0.08 + 0.1
    frames = levels[:, None, None, None].expand(-1, 3, 32, 48)
    result = VideoCompression(codec=codec, quality=MIDDLE[codec], gop=gop, b_frames=b_frames)(frames)
    torch.testing.assert_close(result.mean(dim=(1, 2, 3)), levels, rtol=0, atol=0.02)


@pytest.mark.parametrize('codec', ['h264', 'h265', 'mpeg2', 'mpeg4'])
def test_b_frames_are_made_where_asked_for(codec):
    frames = clip(9)
    for b_frames in (0, 2):
        packets = VideoCompression(codec=codec, quality=MIDDLE[codec], b_frames=b_frames).encode(frames)
        is_in_order = [packet.pts for packet in packets] == sorted(packet.pts for packet in packets)
        assert is_in_order == (b_frames == 0)


@pytest.mark.parametrize('codec', CODECS)
def test_key_frames_come_every_gop(codec):
    packets = VideoCompression(codec=codec, quality=MIDDLE[codec], gop=4).encode(clip(9))
    assert [packet.is_keyframe for packet in packets] == [index % 4 == 0 for index in range(9)]


@pytest.mark.parametrize('codec', CODECS)
@pytest.mark.parametrize('size', [(17, 33), (16, 16), (1, 5), (63, 40)])
def test_any_size_comes_back(codec, size):
    frames = clip(3, size)
    result = VideoCompression(codec=codec, quality=quality_range(codec)[0] + 2)(frames)
    assert result.shape == frames.shape
    assert psnr(result, frames) > 27


@pytest.mark.parametrize('codec', CODECS)
@pytest.mark.parametrize('color', [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 40)])
def test_flat_colors_are_kept(codec, color):
    frames = (torch.tensor(color) / 255)[:, None, None].expand(2, 3, 32, 32)
    result = VideoCompression(codec=codec, quality=quality_range(codec)[0])(frames)
    torch.testing.assert_close(result, frames, rtol=0, atol=3 / 255)


def test_results_are_multiples_of_a_code_and_beyond_the_range_is_cut_off():
    frames = clip(2) * 2 - 0.5
    compress = VideoCompression(codec='h264', quality=20)
    result = compress(frames)
    codes = result * 255
    torch.testing.assert_close(codes, codes.round(), rtol=0, atol=1e-4)
    assert torch.equal(result, compress(frames.clamp(0, 1)))


_SECOND_PROCESS = """
import hashlib
from tests.data.realistic.test_video_codecs import digests
print(*digests())
"""


def digests():
    """Return digests of what the codecs leave of a clip, by quality and by bits per pixel."""
    frames = clip()
    made = [VideoCompression(codec=each, quality=MIDDLE[each], b_frames=2) for each in CODECS]
    made += [VideoCompression(codec=each, bits_per_pixel=0.3, b_frames=2) for each in CODECS]
    return [hashlib.sha256(each(frames).numpy().tobytes()).hexdigest() for each in made]


@pytest.mark.slow
def test_another_process_gives_the_same_bytes_and_says_nothing():
    run = subprocess.run([sys.executable, '-c', _SECOND_PROCESS], capture_output=True, text=True, check=True)
    assert run.stdout.split() == digests()
    assert run.stderr == ''


@pytest.mark.parametrize(
    ('wrong', 'error', 'text'),
    [
        ({'quality': 52}, InvalidValueError, 'quality must be 0 to 51 for h264, got 52'),
        ({'quality': 1, 'codec': 'mpeg2'}, InvalidValueError, 'quality must be 2 to 31 for mpeg2, got 1'),
        ({'quality': 'high'}, InvalidTypeError, 'quality must be a whole number'),
        ({'quality': 20, 'bits_per_pixel': 0.1}, InvalidValueError, 'either quality or bits_per_pixel'),
        ({}, InvalidValueError, 'either quality or bits_per_pixel'),
        ({'bits_per_pixel': 0.0}, InvalidValueError, 'bits_per_pixel must be above 0'),
        ({'quality': 20, 'gop': 0}, InvalidValueError, 'gop must be at least 1'),
        ({'quality': 20, 'b_frames': 9}, InvalidValueError, 'b_frames must be at most 8'),
        ({'quality': 20, 'codec': 'h266'}, InvalidValueError, 'codec must be one of h264, h265'),
    ],
)
def test_wrong_values_are_named(wrong, error, text):
    with pytest.raises(error, match=text):
        VideoCompression(**{'codec': 'h264', **wrong})


def test_a_codec_that_the_build_lacks_is_named_with_those_it_has(monkeypatch):
    missing = video_codecs._Format(encoder='libxevd', decoder='evc', best=0, worst=51, constant=('crf',))
    monkeypatch.setitem(video_codecs._FORMATS, 'h265', missing)
    video_codecs._is_there.cache_clear()
    try:
        with pytest.raises(InvalidValueError, match=r'first\.video\.codec.*h265.*Take one of h264, mpeg2, mpeg4, vp9'):
            check_codec('h265', 'first.video.codec')
        check_codec('h264', 'first.video.codec')
    finally:
        video_codecs._is_there.cache_clear()


def test_a_codec_that_there_is_not_is_named():
    with pytest.raises(InvalidValueError, match='there is no such codec. Take one of h264, h265'):
        check_codec('theora', 'codec')
