import cv2
import numpy as np
import pytest

from dlvr_plugin.clips.clip_store import ClipStore
from dlvr_plugin.clips.video_files import count_frames, read_video, split_scenes
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.data import frame_sources
from dlvr_plugin.data.prepare import prepare_store
from dlvr_plugin.data.processing import Processing
from tests.helpers import write_video


def scene(colour, num_frames, size=(64, 96)):
    """A disc that moves over a coloured background."""
    for index in range(num_frames):
        frame = np.full((*size, 3), colour, np.uint8)
        cv2.circle(frame, (10 + 3 * index, size[0] // 2), 8, (255, 255, 255), -1)
        yield frame


THREE_SCENES = [((200, 30, 30), 12), ((20, 60, 20), 3), ((250, 240, 90), 9)]


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / 'videos'
    folder.mkdir()
    write_video(
        folder / 'my holiday.avi', (frame for colour, number in THREE_SCENES for frame in scene(colour, number))
    )
    write_video(folder / 'still.avi', scene((90, 90, 90), 8))
    return folder


def test_frames_are_those_that_were_written(videos):
    assert count_frames(videos / 'my holiday.avi') == (24, (64, 96))
    written = [frame for colour, number in THREE_SCENES for frame in scene(colour, number)]
    decoded = list(read_video(videos / 'my holiday.avi'))
    assert len(decoded) == 24
    assert all(np.abs(a.astype(int) - b).mean() < 4 for a, b in zip(decoded, written, strict=True))


@pytest.mark.parametrize(
    ('threshold', 'min_frames', 'expected'),
    [
        (27.0, 1, [(0, 12), (1, 3), (2, 9)]),
        (27.0, 5, [(0, 12), (1, 9)]),  # the short one is left out, the numbers go on
        (27.0, 12, [(0, 12)]),
        (0, 1, [(0, 24)]),
        (200.0, 1, [(0, 24)]),
    ],
)
def test_scenes_are_split_where_the_picture_changes(threshold, min_frames, expected):
    frames = [frame for colour, number in THREE_SCENES for frame in scene(colour, number)]
    found: dict[int, list[int]] = {}
    for number, index, frame in split_scenes(frames, threshold=threshold, min_frames=min_frames):
        found.setdefault(number, []).append(index)
        assert frame.shape == (64, 96, 3)
    assert [(number, len(indices)) for number, indices in found.items()] == expected
    assert all(indices == list(range(len(indices))) for indices in found.values())


def test_fast_motion_is_no_cut_and_a_cut_within_it_is_found():
    stripes = np.zeros((64, 96, 3), np.uint8)
    stripes[:, ::2] = 110
    pan = [np.roll(cv2.resize(stripes[:, :12], (96, 64)), 8 * index, axis=1) for index in range(20)]
    cut = pan[:12] + [255 - frame for frame in pan[12:]]
    assert {scene for scene, _, _ in split_scenes(pan, threshold=10)} == {0}
    found = [scene for scene, _, _ in split_scenes(cut, threshold=10)]
    assert found == [0] * 12 + [1] * 8


@pytest.mark.parametrize('num_workers', [0, 2])
def test_a_folder_of_videos_becomes_a_store_of_scenes(videos, tmp_path, num_workers):
    prepare_store(videos, tmp_path / 'videos.lmdb', min_frames=5, num_workers=num_workers)
    store = ClipStore(tmp_path / 'videos.lmdb')
    assert {name: len(clip.frames) for name, clip in store.clips.items()} == {
        'my_holiday_000': 12,
        'my_holiday_001': 9,
        'still_000': 8,
    }
    expected = list(read_video(videos / 'my holiday.avi'))
    for index in range(9):
        assert np.array_equal(store.read(store.clips['my_holiday_001'], index), expected[15 + index])


@pytest.mark.parametrize(
    ('choice', 'expected'),
    [
        ({'clips': ['my holiday_001']}, ['my_holiday_001']),
        ({'clips': ['my_holiday_000', 'still']}, ['my_holiday_000', 'still_000']),  # names as in the store
        ({'exclude_clips': ['my holiday_000', 'still']}, ['my_holiday_001']),
        ({'clips': ['my holiday', 'my holiday_001']}, ['my_holiday_000', 'my_holiday_001']),
    ],
)
def test_scenes_are_chosen_by_name(videos, tmp_path, choice, expected):
    prepare_store(videos, tmp_path / 'store.lmdb', min_frames=5, **choice)
    store = ClipStore(tmp_path / 'store.lmdb')
    assert list(store.clips) == expected
    frames = list(read_video(videos / 'my holiday.avi'))
    if 'my_holiday_001' in expected:
        assert np.array_equal(store.read(store.clips['my_holiday_001'], 0), frames[15])


@pytest.mark.parametrize(
    ('choice', 'message'),
    [
        ({'clips': ['my holiday_002']}, 'has no scene my holiday_002. It has my holiday_000 to my holiday_001, of at '),
        (
            {'exclude_clips': ['still_001']},
            'has no scene still_001. It has still_000 to still_000, of at least 5 frames',
        ),
        (
            {'clips': ['garden_000']},
            'has no garden_000. It has: my holiday, still. Scenes of my holiday are my holiday_0',
        ),
        ({'clips': ['still_000'], 'scene_threshold': 0}, r'has no still_000. It has: my holiday, still\.$'),
        ({'exclude_clips': ['my holiday', 'still']}, 'Nothing is left of'),
    ],
)
def test_scenes_that_there_are_not(videos, tmp_path, choice, message):
    with pytest.raises(DataError, match=message):
        prepare_store(videos, tmp_path / 'store.lmdb', min_frames=5, **choice)


def test_what_is_left_out_is_said_at_the_end(videos, tmp_path, host_log, monkeypatch):
    def failing(path, **options):
        if path.name == 'still.avi':
            raise DataError('killed')
        return read_video(path)

    with monkeypatch.context() as patch:
        patch.setattr(frame_sources, 'read_video', failing)
        with pytest.raises(DataError, match='killed'):
            prepare_store(videos, tmp_path / 'store.lmdb', min_frames=5)
    prepare_store(videos, tmp_path / 'store.lmdb', min_frames=5)  # what was read before counts, too
    assert host_log[-2].endswith('is complete: 29 frames.')
    assert host_log[-1].endswith(
        'is without some frames. 3 frames of scenes shorter than 5 frames were left out: 3 of my holiday.avi. '
        '--min-frames 1 --force keeps them.'
    )
    prepare_store(videos, tmp_path / 'all.lmdb')
    assert host_log[-1].endswith('is complete: 32 frames.')
    with pytest.raises(DataError, match='Nothing of .* 8 of still.avi. --min-frames 1 --force keeps them'):
        prepare_store(videos, tmp_path / 'none.lmdb', min_frames=50)


def test_space_for_whole_videos_is_no_condition_for_scenes(videos, tmp_path, host_log, monkeypatch):
    full = type('Usage', (), {'free': 10})
    monkeypatch.setattr('dlvr_plugin.data.prepare.shutil.disk_usage', lambda path: full)
    with pytest.raises(OSError, match='Make room'):
        prepare_store(videos, tmp_path / 'all.lmdb')
    prepare_store(videos, tmp_path / 'scene.lmdb', clips=['still_000'])
    assert any('all frames are counted, not the chosen scenes alone' in message for message in host_log)


def test_one_video_into_folders_and_downscaled(videos, tmp_path):
    half = Processing(codec='png', downscale=2)
    prepare_store(videos / 'still.avi', tmp_path / 'still', processing=half, scene_threshold=0)
    assert len(list((tmp_path / 'still/still').iterdir())) == 8
    assert cv2.imread(str(tmp_path / 'still/still/00000000.png')).shape == (32, 48, 3)


def test_finished_videos_are_not_decoded_again(videos, tmp_path, monkeypatch):
    write_video(videos / 'z.avi', scene((10, 200, 10), 20))
    started = []

    def failing(path, **options):
        started.append(path.name)
        if path.name == 'z.avi':
            raise DataError('z.avi is broken')
        return read_video(path)

    monkeypatch.setattr(frame_sources, 'read_video', failing)
    with pytest.raises(DataError, match='z.avi is broken'):
        prepare_store(videos, tmp_path / 'videos.lmdb')
    assert started == ['my holiday.avi', 'still.avi', 'z.avi']
    (videos / 'z.avi').unlink()
    prepare_store(videos, tmp_path / 'videos.lmdb')
    assert started == ['my holiday.avi', 'still.avi', 'z.avi']
    assert list(ClipStore(tmp_path / 'videos.lmdb').clips) == [
        'my_holiday_000',
        'my_holiday_001',
        'my_holiday_002',
        'still_000',
    ]


def test_files_that_are_no_videos_are_named(tmp_path):
    (tmp_path / 'no.mp4').write_bytes(b'no video')
    with pytest.raises(DataError, match='no.mp4 cannot be opened as a video'):
        prepare_store(tmp_path, tmp_path / 'x.lmdb')


def test_videos_of_one_name_are_refused(videos, tmp_path):
    write_video(videos / 'still.mkv', scene((10, 10, 10), 3))
    with pytest.raises(DataError, match='still and still would both be named still'):
        prepare_store(videos, tmp_path / 'x.lmdb')
