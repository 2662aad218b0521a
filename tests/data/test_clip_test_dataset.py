"""Own clips as a test set: the samples of the framework's sets, from every kind of file, with errors that name."""

import pickle
import shutil

import cv2
import numpy as np
import pytest
import torch
from basicsr.data import build_dataset

from dlvr_plugin.clips import recent_frames
from dlvr_plugin.core.errors import DataError, InvalidTypeError, InvalidValueError
from dlvr_plugin.data import ClipTestDataset, Degradation
from dlvr_plugin.data.degradations import degrade_images
from dlvr_plugin.restoration.restored_frames import list_frames
from tests.conftest import make_clip
from tests.helpers import make_lmdb, make_lq, video_test_set, write_video


def options(root, **changes):
    opt = {'name': 'mine', 'type': 'ClipTestDataset', 'phase': 'val', 'scale': 4}
    return {**opt, 'dataroot_gt': str(root / 'GT'), 'dataroot_lq': str(root / 'X4'), **changes}


def framework_set(root, **changes):
    return build_dataset({**video_test_set(root, 5), 'phase': 'val', 'scale': 4, **changes})


def assert_same(samples, others):
    for one, other in zip(samples, others, strict=True):
        assert torch.equal(one['lq'], other['lq'])
        assert torch.equal(one['gt'], other['gt'])


def read(dataset):
    return [dataset[index] for index in range(len(dataset))]


@pytest.fixture
def videos(clip_root):
    """The clips as videos without loss."""
    for name in ('GT', 'X4'):
        folder = clip_root / f'{name}_videos'
        folder.mkdir()
        for clip in sorted(path for path in (clip_root / name).iterdir() if path.is_dir()):
            frames = [cv2.imread(str(path)) for path in sorted(clip.iterdir())]
            write_video(folder / f'{clip.name}.mkv', frames, codec='FFV1')
    return {'dataroot_gt': str(clip_root / 'GT_videos'), 'dataroot_lq': str(clip_root / 'X4_videos')}


@pytest.mark.parametrize('padding', ['replicate', 'reflection', 'reflection_circle', 'circle'])
def test_windows_are_those_of_the_framework(clip_root, padding):
    own = ClipTestDataset(options(clip_root, num_frame=5, padding=padding))
    host = framework_set(clip_root, padding=padding)
    assert list_frames(own) == list_frames(host)
    assert own.data_info['border'] == host.data_info['border']
    samples = read(own)
    assert_same(samples, read(host))
    for index in (20, 3, 11):  # in any order
        assert_same([own[index]], [samples[index]])
    assert samples[8].keys() == host[8].keys()
    assert samples[8]['lq_path'] == '001/00000001.png'


def test_whole_clips_are_those_of_the_framework(clip_root):
    own = ClipTestDataset(options(clip_root))
    host = framework_set(clip_root, type='VideoRecurrentTestDataset', cache_data=True, num_frame=-1)
    assert len(own) == 3
    assert list_frames(own) == list_frames(host) == [('000', 0, 7), ('001', 0, 7), ('002', 0, 7)]
    assert_same(read(own), read(host))
    assert own[1]['lq_path'] == [f'001/{index:08d}.png' for index in range(7)]


@pytest.mark.parametrize('num_frame', [-1, 1, 5])
@pytest.mark.parametrize('kind', ['raw', 'png', 'videos'])
def test_every_kind_of_file_gives_the_same(clip_root, videos, num_frame, kind):
    roots = videos
    if kind != 'videos':
        for name in ('GT', 'X4'):
            make_lmdb(clip_root / name, clip_root / f'{name}.lmdb', kind)
        roots = {'dataroot_gt': str(clip_root / 'GT.lmdb'), 'dataroot_lq': str(clip_root / 'X4.lmdb')}
    choices = {'num_frame': num_frame, 'padding': 'circle'}
    folders = ClipTestDataset(options(clip_root, **choices))
    own = ClipTestDataset(options(clip_root, **choices, **roots))
    assert own.data_info == folders.data_info
    assert_same(read(own), read(folders))
    assert_same(read(pickle.loads(pickle.dumps(own))), read(folders))
    assert own[0]['lq'].shape == {-1: (7, 3, 16, 20), 1: (3, 16, 20), 5: (5, 3, 16, 20)}[num_frame]


def test_videos_are_decoded_once_and_few_frames_kept(clip_root, videos, monkeypatch):
    own = ClipTestDataset(options(clip_root, num_frame=3, padding='reflection', **videos))
    number, host_read = 0, recent_frames.ClipReader.read_frames

    def counted(self, *args):
        nonlocal number
        for frame in host_read(self, *args):
            number += 1
            yield frame

    monkeypatch.setattr(recent_frames.ClipReader, 'read_frames', counted)
    read(own)
    assert number == 2 * 3 * 7
    assert len(own._lq._kept) <= 7


@pytest.mark.parametrize(
    ('scale', 'degradation'),
    [(4, None), (4, 'BI'), (2, {'type': 'BD', 'sigma': 1.0}), (1, None), (1, {'type': 'motion_blur', 'num_frame': 3})],
)
@pytest.mark.parametrize('num_frame', [-1, 3])
def test_low_quality_made_on_the_fly(clip_root, videos, scale, degradation, num_frame):
    changes = {'scale': scale, 'dataroot_lq': None, 'degradation': degradation, 'num_frame': num_frame}
    own = ClipTestDataset(options(clip_root, **changes))
    made = Degradation.from_options(degradation or ('motion_blur' if scale == 1 else 'BI'), scale=scale)
    images = [cv2.imread(str(path)) for path in sorted((clip_root / 'GT/001').iterdir())]
    lq = [degrade_images([images[each] for each in made.window(frame, 7)], made)[..., ::-1] for frame in range(7)]
    expected = torch.from_numpy(np.stack(lq).astype(np.float32) / 255).permute(0, 3, 1, 2)
    found = own[1]['lq'] if num_frame == -1 else torch.stack([own[7 + frame]['lq'][1] for frame in range(7)])
    assert torch.equal(found, expected)
    from_videos = ClipTestDataset(options(clip_root, **{**videos, **changes}))
    assert_same(read(from_videos), read(own))


def test_any_length_size_and_name(tmp_path):
    for clip, length, size in (('long.take 1', 6, (66, 50)), ('short', 2, (48, 48))):
        make_clip(tmp_path / 'GT' / clip, length, size)
    own = ClipTestDataset(options(tmp_path, dataroot_lq=None, num_frame=5))
    assert [each for each in list_frames(own) if each[0] == 'short'] == [('short', 0, 2), ('short', 1, 2)]
    assert {tuple(sample['lq'].shape) for sample in read(own)} == {(5, 3, 16, 12), (5, 3, 12, 12)}
    assert {tuple(sample['gt'].shape) for sample in read(own)} == {(3, 64, 48), (3, 48, 48)}
    with pytest.raises(DataError, match='clip short of .*GT has 2 frames, too few for num_frame 5 with padding circle'):
        ClipTestDataset(options(tmp_path, dataroot_lq=None, num_frame=5, padding='circle'))
    one = ClipTestDataset(options(tmp_path, dataroot_lq=None, num_frame=5, padding='circle', exclude_clips=['short']))
    assert one.folders == ['long.take 1']
    assert ClipTestDataset(options(tmp_path, dataroot_lq=None, clips=['short'])).folders == ['short']


def test_names_of_files_are_kept(tmp_path):
    make_clip(tmp_path / 'GT/a', 3, (48, 48))
    for index, path in enumerate(sorted((tmp_path / 'GT/a').iterdir())):
        path.rename(path.with_name(f'take.{index + 9}.png'))
    own = ClipTestDataset(options(tmp_path, dataroot_lq=None))
    assert own[0]['lq_path'] == ['a/take.9.png', 'a/take.10.png', 'a/take.11.png']  # 10 after 9


def test_without_ground_truth(clip_root, videos):
    for num_frame in (-1, 3):
        opt = options(clip_root, dataroot_gt=None, num_frame=num_frame)
        sample = ClipTestDataset(opt)[0]
        assert 'gt' not in sample
        assert torch.equal(sample['lq'], ClipTestDataset(options(clip_root, num_frame=num_frame))[0]['lq'])
    video = f'{videos["dataroot_lq"]}/001.mkv'
    alone = ClipTestDataset(options(clip_root, dataroot_gt=None, dataroot_lq=video))
    assert alone.folders == ['001']
    assert torch.equal(alone[0]['lq'], ClipTestDataset(options(clip_root))[1]['lq'])


@pytest.mark.parametrize(
    ('changes', 'error', 'message'),
    [
        ({'num_frame': 4}, InvalidValueError, 'mine.num_frame must be odd, or -1 for whole clips, got 4'),
        ({'num_frame': 0}, InvalidValueError, 'mine.num_frame must be odd'),
        ({'num_frame': -2}, InvalidValueError, 'mine.num_frame must be at least -1, got -2'),
        ({'num_frame': '5'}, InvalidTypeError, 'mine.num_frame must be a whole number'),
        ({'padding': 'mirror'}, InvalidValueError, 'mine.padding must be one of replicate, reflection'),
        ({'dataroot_gt': None, 'dataroot_lq': None}, InvalidValueError, 'mine has no frames: set dataroot_lq'),
        ({'degradation': 'BI'}, InvalidValueError, 'makes the frames that dataroot_lq holds already'),
        ({'clips': ['003']}, DataError, 'mine.clips: 003 is no clip of .*GT. Did you mean'),
        ({'exclude_clips': ['x']}, DataError, 'mine.exclude_clips: x is no clip of'),
        ({'exclude_clips': ['000', '001', '002']}, DataError, 'no clip is left'),
        ({'dataroot_gt': 'nowhere'}, DataError, 'nowhere does not exist'),
    ],
)
def test_options_that_cannot_be_used(clip_root, changes, error, message):
    with pytest.raises(error, match=message):
        ClipTestDataset(options(clip_root, **changes))


def test_clips_that_do_not_fit_are_named(clip_root, tmp_path):
    with pytest.raises(
        DataError, match='clip 000: LQ frames are 16x20 pixels .* GT frames 64x80, which is not 2 times'
    ):
        ClipTestDataset(options(clip_root, scale=2))[0]
    (clip_root / 'X4/001/00000003.png').unlink()
    with pytest.raises(DataError, match='clip 001 has 6 frames in .*X4, but 7 in .*GT. 00000003 is missing in .*X4'):
        ClipTestDataset(options(clip_root))
    shutil.rmtree(clip_root / 'X4/001')
    with pytest.raises(DataError, match=r'clip 001 is missing in .*X4. Add it there, or leave it out by exclude_clips'):
        ClipTestDataset(options(clip_root))
    assert ClipTestDataset(options(clip_root, exclude_clips=['001'])).folders == ['000', '002']


def test_damaged_frames_are_named(clip_root):
    path = clip_root / 'X4/000/00000002.png'
    own = ClipTestDataset(options(clip_root))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match='X4/000/00000002.png'):
        own[0]
    make_lq(clip_root / 'GT', clip_root / 'again')
    cv2.imwrite(str(clip_root / 'again/000/00000002.png'), np.zeros((8, 20, 3), np.uint8))
    with pytest.raises(DataError, match='again/000/00000002.png .* is 8x20 pixels .*, but its clip is 16x20'):
        ClipTestDataset(options(clip_root, dataroot_lq=str(clip_root / 'again')))[0]
    small = clip_root / 'small'
    make_clip(small / 'a', 2, (8, 8))
    with pytest.raises(DataError, match=r'small/a/00000000.png .*needs frames of at least 12x12'):
        ClipTestDataset(options(clip_root, dataroot_gt=str(small), dataroot_lq=None))[0]
