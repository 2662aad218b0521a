"""Parts of a video: sound, chapters and subtitles stay in time with its frames."""

from fractions import Fraction

import av
import numpy as np
import pytest

from dlvr_plugin.clips.video_info import probe_video
from dlvr_plugin.clips.video_joining import Cut, join_segments
from dlvr_plugin.clips.video_stream import read_frames
from dlvr_plugin.clips.video_writer import SEGMENT_SUFFIX, VideoWriter, choose_encoding

RATE, SOUND_RATE, SIZE = 25, 48000, (32, 48)
FLASHES = (10, 40, 60)  # of 80 frames


def write_flashes(path, codec):
    """Write a video whose white frames begin with a click, with a chapter of 32 frames after another."""
    with av.open(str(path), 'w') as container:
        video = container.add_stream('libx264', rate=RATE)
        video.height, video.width = SIZE
        video.pix_fmt = 'yuv420p'
        sound = container.add_stream(codec, rate=SOUND_RATE, layout='mono')
        samples = np.zeros((1, 80 * SOUND_RATE // RATE), np.float32)
        for index in range(80):
            image = np.full((*SIZE, 3), 255 if index in FLASHES else 16, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format='rgb24')))
            if index in FLASHES:
                first = index * SOUND_RATE // RATE
                samples[0, first : first + 200] = 0.9
        container.mux(video.encode(None))
        for first in range(0, samples.shape[1], 960):
            frame = av.AudioFrame.from_ndarray(samples[:, first : first + 960], format='fltp', layout='mono')
            frame.rate, frame.pts, frame.time_base = SOUND_RATE, first, Fraction(1, SOUND_RATE)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
        clock = Fraction(1, 1000)
        names = ((0, 1280, 'one'), (1280, 3200, 'two'))
        container.set_chapters(
            [
                {'id': number, 'start': start, 'end': end, 'time_base': clock, 'metadata': {'title': name}}
                for number, (start, end, name) in enumerate(names)
            ]
        )
    return path


def clicks(path):
    """Return when clicks begin, in seconds."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.abs(frame.to_ndarray()[0]) > 0.4
            found += [frame.pts * frame.time_base + Fraction(int(i), frame.sample_rate) for i in np.flatnonzero(loud)]
    return [
        float(time) for index, time in enumerate(found) if index == 0 or time - found[index - 1] > Fraction(1, RATE)
    ]


@pytest.mark.parametrize(('suffix', 'codec'), [('.mkv', 'flac'), ('.mp4', 'aac'), ('.mov', 'pcm_f32le')])
def test_a_click_stays_with_its_flash(tmp_path, suffix, codec):
    source = write_flashes(tmp_path / f'in{suffix}', codec)
    info, frames = probe_video(source), list(read_frames(source))
    assert [round(time * RATE) for time in clicks(source)] == list(FLASHES)
    encoding = choose_encoding(info, size=SIZE)
    part = tmp_path / f'part{SEGMENT_SUFFIX}'
    writer = VideoWriter(part, info, size=SIZE, encoding=encoding)
    for frame in frames[31:55]:
        writer.write(frame.rgb, frame.pts, frame.duration)
    writer.close()
    out = tmp_path / f'out{suffix}'
    clock = info.time_base
    join_segments([part], info, out, Cut(frames[31].pts * clock, frames[55].pts * clock))
    joined = list(read_frames(out))
    assert len(joined) == 24
    assert joined[0].pts == 0
    flashes = [float(frame.pts * frame.time_base) for frame in joined if frame.rgb.mean() > 128]
    assert flashes == pytest.approx([9 / RATE], abs=0.001)
    assert clicks(out) == pytest.approx(flashes, abs=0.002)
    with av.open(str(out)) as container:
        assert float(container.duration / av.time_base) == pytest.approx(24 / RATE, abs=0.03)
        chapters = [(each['metadata']['title'], each['start'] * each['time_base']) for each in container.chapters()]
    assert [name for name, _ in chapters] == ['one', 'two']
    assert [float(time) for _, time in chapters] == pytest.approx([0, 0.04], abs=0.001)
