import os
import time

import cv2
import numpy as np
import pytest

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.clips.clip_store import read_meta_info, read_records
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.data.frame_sources import find_source
from dlvr_plugin.data.prepare import prepare_store
from dlvr_plugin.data.processing import Processing
from dlvr_plugin.data.store_integrity import check_store
from tests.conftest import make_clip
from tests.helpers import make_lmdb, write_video


@pytest.fixture
def frames(tmp_path):
    make_clip(tmp_path / 'frames' / 'a', 5, (32, 48))
    return [cv2.imread(str(path)) for path in sorted((tmp_path / 'frames' / 'a').iterdir())]


def test_folders_and_stores_give_their_frames(frames, tmp_path):
    make_lmdb(tmp_path / 'frames', tmp_path / 'store.lmdb')
    for root in ('frames', 'store.lmdb'):
        clips = ClipReader(tmp_path / root)
        assert (clips.kind, clips.names, clips.num_frames('a')) == ('frames', ['a'], 5)
        assert clips.frame_names('a') == [f'{index:08d}' for index in range(5)]
        assert clips.frame_rate('a') is None
        for read, frame in zip(clips.read_frames('a', 1, 4), frames[1:4], strict=True):
            np.testing.assert_array_equal(read, frame)


def test_videos_give_those_that_can_be_decoded(frames, tmp_path):
    (tmp_path / 'videos').mkdir()
    write_video(tmp_path / 'videos' / 'a.avi', frames, rate=30)
    clips = ClipReader(tmp_path / 'videos')
    assert (clips.kind, clips.names, clips.num_frames('a'), clips.frame_rate('a')) == ('videos', ['a'], 5, 30)
    assert clips.frame_names('a') is None
    read = list(clips.read_frames('a', 1, 4))
    assert len(read) == 3
    assert np.abs(read[0].astype(int) - frames[1]).mean() < 10  # JPEG


@pytest.mark.parametrize(
    ('change', 'problem'),
    [
        (lambda image: image.astype(np.uint16) * 257, 'has 16 bits a channel'),
        (lambda image: image[..., 0], r'has 1 channel \(grey\)'),
        (lambda image: cv2.cvtColor(image, cv2.COLOR_BGR2BGRA), 'has an alpha channel'),
    ],
)
@pytest.mark.parametrize('suffix', ['.png', '.tif'])
def test_frames_that_are_not_8_bit_rgb_are_refused(frames, tmp_path, change, problem, suffix):
    (tmp_path / 'frames/a/00000002.png').unlink()
    cv2.imwrite(str(tmp_path / f'frames/a/00000002{suffix}'), change(frames[2]))
    clips = ClipReader(tmp_path / 'frames')
    with pytest.raises(DataError, match=f'frames/a/00000002{suffix} .*{problem}; expected 8-bit RGB'):
        list(clips.read_frames('a'))


def test_folders_without_clips_say_what_was_expected(frames, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(DataError, match='empty holds neither folders of frames .* nor video files'):
        ClipReader(tmp_path / 'empty')
    with pytest.raises(DataError, match='frames/a holds frames; expected a folder for each clip'):
        ClipReader(tmp_path / 'frames' / 'a')
    with pytest.raises(DataError, match='nowhere does not exist'):
        ClipReader(tmp_path / 'nowhere')
    write_video(tmp_path / 'frames' / 'b.avi', frames)
    with pytest.raises(DataError, match='holds video files and folders'):
        ClipReader(tmp_path / 'frames')
    (tmp_path / 'videos').mkdir()
    for name in ('b.avi', 'b.mkv'):
        (tmp_path / 'videos' / name).touch()
    with pytest.raises(DataError, match='two videos of one name: b.avi and b.mkv'):
        ClipReader(tmp_path / 'videos')


@pytest.mark.parametrize('codec', ['png', 'raw'])
def test_clips_of_an_lmdb_are_known_by_their_content(frames, tmp_path, codec):
    make_clip(tmp_path / 'others' / 'a', 5, (32, 48), seed=1)
    make_lmdb(tmp_path / 'frames', tmp_path / 'one.lmdb', codec)
    make_lmdb(tmp_path / 'frames', tmp_path / 'same.lmdb', codec)
    make_lmdb(tmp_path / 'others', tmp_path / 'other.lmdb', codec)
    one, same, other = (ClipReader(tmp_path / f'{name}.lmdb').hash_files('a') for name in ('one', 'same', 'other'))
    assert list(one) == [f'{index:08d}' for index in range(5)]
    assert one == same
    assert all(one[name] != other[name] for name in one)


@pytest.mark.parametrize('kind', ['frame', 'video', 'record'])
def test_what_is_no_file_is_named_at_once(tmp_path, kind):
    start = time.process_time()
    if kind == 'record':
        (tmp_path / 'x.lmdb').mkdir()
        (tmp_path / 'x.lmdb' / 'meta_info.txt').write_text('a/0.png (8,8,3) 1\n')
        os.mkfifo(tmp_path / 'x.lmdb' / 'data.mdb')
        with pytest.raises(DataError, match='data.mdb is a FIFO, not a file'):
            ClipReader(tmp_path / 'x.lmdb')
        assert [problem.what for problem in check_store(tmp_path / 'x.lmdb').findings] == [
            f'{tmp_path}/x.lmdb/data.mdb is a FIFO, not a file.'
        ]
        return
    (tmp_path / 'a').mkdir()
    path = tmp_path / 'a' / ('0.png' if kind == 'frame' else 'x.mp4')
    os.mkfifo(path)
    reader = ClipReader(tmp_path if kind == 'frame' else tmp_path / 'a')
    clip = reader.names[0]
    for read in (lambda: next(reader.read_frames(clip)), lambda: reader.hash_files(clip)):
        with pytest.raises(DataError, match=f'{path.name} is a FIFO, not a file'):
            read()
    with pytest.raises(DataError, match=f'{path.name} is a FIFO, not a file'):
        prepare_store(tmp_path if kind == 'frame' else tmp_path / 'a', tmp_path / 'x.lmdb')
    assert time.process_time() - start < 5


@pytest.mark.parametrize('name', [b'b\xff/0.png', b'b/\xff.png', b'\xff.mp4'])
def test_names_that_are_not_utf_8_are_named(tmp_path, name):
    path = os.fsencode(tmp_path / 'x') + b'/' + name
    os.makedirs(os.path.dirname(path))
    with open(path, 'wb'):
        pass
    for open_clips in (ClipReader, lambda root: find_source(root, Processing(codec='png'))):
        with pytest.raises(DataError, match=r'\\udcff.* has a name that is not UTF-8\. Rename it') as caught:
            open_clips(tmp_path / 'x')
        str(caught.value).encode()


def test_lists_that_are_not_utf_8_are_named(tmp_path):
    path = tmp_path / 'meta_info.txt'
    path.write_bytes(b'a\xff 4 (8,8,3)\n')
    with pytest.raises(DataError, match='meta_info.txt: byte 1 is not UTF-8'):
        read_meta_info(path)
    with pytest.raises(DataError, match='meta_info.txt: byte 1 is not UTF-8'):
        list(read_records(tmp_path))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match='meta_info.txt is a FIFO'):
        read_meta_info(path)
    with pytest.raises(DataError, match='meta_info.txt is a FIFO'):
        list(read_records(tmp_path))
