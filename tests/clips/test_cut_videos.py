"""Videos that end before the frames that their files announce, and sound ones whose announcement is off."""

import json
import subprocess

import cv2
import numpy as np
import pytest

from dlvr_plugin.cli.main import main
from dlvr_plugin.clips import video_info
from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.clips.store_writer import read_warnings
from dlvr_plugin.clips.video_files import count_decodable_frames, count_frames, read_video
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.data import ClipTestDataset
from dlvr_plugin.data.prepare import prepare_store
from dlvr_plugin.data.processing import Processing
from dlvr_plugin.data.store_integrity import check_store
from dlvr_plugin.evaluation.evaluation_run import EvaluationRun
from tests.helpers import write_video


def frames(number=40):
    """A disc that moves over a background of noise."""
    noise = np.random.default_rng(0).integers(0, 60, (64, 96, 3)).astype(np.uint8)
    return [cv2.circle(noise.copy(), (10 + index, 30), 8, (255, 255, 255), -1) for index in range(number)]


def cut(path, part=0.4):
    """Drop the tail of a file; return how many frames can still be read."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    video, number = cv2.VideoCapture(str(path)), 0
    while video.grab():
        number += 1
    return number


@pytest.fixture
def video(tmp_path):
    """A video of 40 frames that was cut, and how many are left."""
    path = tmp_path / 'videos' / 'walk.avi'
    path.parent.mkdir()
    write_video(path, frames())
    return path, cut(path)


def test_a_cut_video_is_an_error_with_its_numbers(video):
    path, num_left = video
    assert 0 < num_left < 40
    expected = rf'walk.avi is cut off or damaged: it announces 40 frames, and {num_left} can be read'
    with pytest.raises(DataError, match=expected):
        count_decodable_frames(path)
    with pytest.raises(DataError, match=expected):
        list(read_video(path))
    found = []
    assert len(list(read_video(path, on_cut=found.append))) == num_left
    assert len(found) == 1


def test_a_cut_video_is_prepared_by_option_and_the_store_remembers(video, tmp_path, host_log):
    path, num_left = video
    store = tmp_path / 'walk.lmdb'
    with pytest.raises(DataError, match='it announces 40 frames'):
        prepare_store(path.parent, store, scene_threshold=0)
    assert not store.exists()
    prepare_store(path.parent, store, scene_threshold=0, allow_cut_videos=True)  # goes on with what was begun
    expected = [f'{path} is cut off or damaged: it announces 40 frames, and {num_left} can be read']
    assert read_warnings(store) == expected
    assert 'warnings' in json.loads((store / '.prepare.json').read_text())
    assert any('keeps this as a warning' in message for message in host_log)
    found = [finding for finding in check_store(store).findings if finding.level == 'warning']
    assert any(expected[0] in finding.what for finding in found)
    # What is made of the store has its warning, too.
    prepare_store(store, tmp_path / 'copy', processing=Processing(codec='png'))
    assert read_warnings(tmp_path / 'copy') == expected


def test_a_cut_video_is_evaluated_by_option_and_the_result_says_so(video, tmp_path):
    path, num_left = video
    (tmp_path / 'gt' / 'walk').mkdir(parents=True)
    for index, frame in enumerate(frames(num_left)):
        cv2.imwrite(str(tmp_path / 'gt' / 'walk' / f'{index:08d}.png'), frame)

    def evaluate(**options):
        results = {'ours': ClipReader(path.parent, **options)}
        run = EvaluationRun(ClipReader(tmp_path / 'gt'), results, metrics=('psnr',), num_workers=0)
        return run.run()

    with pytest.raises(DataError, match='it announces 40 frames'):
        evaluate()
    assert f'and {num_left} can be read' in evaluate(allow_cut_videos=True)['protocol']['cut_videos']


def test_a_figure_of_a_cut_video_says_so(video, tmp_path, host_log):
    path, num_left = video
    folder = path.parent
    assert main(
        ['figure', 'crops', '--gt', str(folder), '--results', f'same={folder}', '--clip', 'walk', '--frame', '1',
         '--box', '0', '0', '8', '8', '--out', str(tmp_path / 'out')]
    ) == 0  # fmt: skip
    assert (tmp_path / 'out.png').is_file()
    assert sum(f'and {num_left} can be read' in line for line in host_log) == 2  # of both sources


def test_a_test_set_of_a_cut_video(video, host_log):
    path, num_left = video
    options = {
        'name': 'walks',
        'dataroot_gt': str(path.parent),
        'scale': 1,
        'degradation': 'motion_blur',
        'num_frame': 1,
    }
    with pytest.raises(DataError, match='it announces 40 frames.*in a test set allow_cut_videos: true'):
        ClipTestDataset(options)
    assert len(ClipTestDataset({**options, 'allow_cut_videos': True})) == num_left
    assert any('walks: ' in message and 'it announces 40 frames' in message for message in host_log)


@pytest.mark.parametrize('name', ['a.mp4', 'a.avi', 'a.mkv'])
def test_whole_videos_of_opencv_are_sound(tmp_path, name):
    write_video(tmp_path / name, frames(), codec={'a.mp4': 'mp4v', 'a.avi': 'MJPG', 'a.mkv': 'MJPG'}[name])
    assert count_decodable_frames(tmp_path / name) == 40


def make(path, *arguments, rate='25', seconds='1.6'):
    """Make a video by ffmpeg."""
    imageio_ffmpeg = pytest.importorskip('imageio_ffmpeg')
    source = ['-f', 'lavfi', '-i', f'testsrc=size=96x64:rate={rate}:duration={seconds}']
    command = [imageio_ffmpeg.get_ffmpeg_exe(), '-y', '-loglevel', 'error', *source, *arguments]
    if path.suffix == '.live':  # to a pipe, so that the header is never completed
        made = subprocess.run([*command, '-f', 'matroska', '-'], check=True, capture_output=True).stdout
        path.write_bytes(made)
    else:
        subprocess.run([*command, str(path)], check=True)
    return path


VARIABLE = ['-vf', "select='not(mod(n,3))+lt(n,12)'", '-fps_mode', 'vfr']
SOUND = ['-f', 'lavfi', '-i', 'sine=duration=1.7']
SOUND_VIDEOS = {
    'h264.mp4': ['-c:v', 'libx264'],
    'frames that depend on later ones.mkv': ['-c:v', 'libx264', '-bf', '3', '-g', '100'],
    'program stream.mpg': ['-c:v', 'mpeg2video'],
    'transport stream.ts': ['-c:v', 'libx264'],
    'web.webm': ['-c:v', 'libvpx'],
    'variable rate.mkv': [*VARIABLE, '-c:v', 'libx264'],
    'variable rate.mp4': [*VARIABLE, '-c:v', 'libx264'],
    'longer sound.avi': [*SOUND, '-c:v', 'mjpeg'],
    'longer sound.mkv': [*SOUND, '-c:v', 'libx264'],
    'never closed.live': ['-c:v', 'libx264'],
}


@pytest.mark.parametrize('name', list(SOUND_VIDEOS))
def test_sound_videos_pass_whatever_they_announce(tmp_path, name):
    path = make(tmp_path / name, *SOUND_VIDEOS[name])
    number = count_decodable_frames(path)
    assert number == (22 if 'variable' in name else 40)
    assert len(list(read_video(path))) == number


@pytest.mark.parametrize('rate', ['24000/1001', '30000/1001', '59.94'])
def test_rates_that_do_not_divide_a_second(tmp_path, rate):
    path = make(tmp_path / 'a.mkv', '-c:v', 'libx264', rate=rate, seconds='3.7')
    assert count_decodable_frames(path) == len(list(read_video(path)))


@pytest.mark.parametrize(
    ('name', 'arguments'),
    [
        ('fast start.mp4', ['-c:v', 'libx264', '-g', '5', '-movflags', '+faststart']),
        ('lossless.mkv', ['-c:v', 'ffv1']),
        ('flash.flv', ['-c:v', 'flv']),
        ('web.webm', ['-c:v', 'libvpx']),
        ('variable rate.mkv', [*VARIABLE, '-c:v', 'libx264', '-g', '3']),
    ],
)
@pytest.mark.parametrize('tail', ['dropped', 'of zeros'])
def test_cut_videos_of_many_kinds_are_found(tmp_path, name, arguments, tail):
    path = make(tmp_path / name, *arguments)
    length = path.stat().st_size
    cut(path, 0.5)
    if tail == 'of zeros':
        path.write_bytes(path.read_bytes().ljust(length, b'\0'))
    with pytest.raises(DataError, match=r'is cut off or damaged: it announces \d+ frames, and \d+ can be read'):
        count_decodable_frames(path)


def test_placeholders_for_a_number_are_no_announcement(tmp_path, monkeypatch):
    path = make(tmp_path / 'a.live', '-c:v', 'libx264')
    assert count_frames(path) == (0, (64, 96))
    monkeypatch.setattr(video_info, '_MOST_FRAMES', 10)
    write_video(tmp_path / 'b.avi', frames())
    assert count_frames(tmp_path / 'b.avi')[0] == 0
