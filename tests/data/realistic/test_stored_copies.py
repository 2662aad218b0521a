"""Stores of realistically degraded clips: the bytes that a chain gives, however the work is cut."""

import json
import os
import random
import signal
import threading
import time

import cv2
import numpy as np
import pytest
import torch
from tqdm import tqdm

from dlvr_plugin.clips import store_writer
from dlvr_plugin.clips.clip_store import ClipStore
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.data.prepare import prepare_store
from dlvr_plugin.data.processing import Processing
from dlvr_plugin.data.realistic import stored_copies
from dlvr_plugin.data.realistic.degradation import RealisticDegradation
from dlvr_plugin.data.realistic.stored_copies import StoredCopy
from tests.conftest import make_clip
from tests.data.test_prepare import read_meta, read_records
from tests.helpers import write_video

# Noise that no two frames share, and a codec that sees them together.
SECTION = {'preset': 'phone', 'first': {'noise': {'probability': 1.0}}, 'last': {'video': {'probability': 1.0}}}
WITHOUT_CODEC = {'preset': 'real_esrgan'}


def degradation(section=None, scale=4):
    return RealisticDegradation.from_options(SECTION if section is None else section, scale=scale)


def processing(codec='png', section=None, **changes):
    return Processing(codec=codec, degradation=StoredCopy(degradation=degradation(section), **changes))


def read_clip(root, name):
    store = ClipStore(root)
    return np.stack(list(store.read_frames(store.clips[name])))


def by_hand(images, section, rng, runs):
    """Return what a chain makes of images (T, h, w, 3), BGR, run by run."""
    chain = degradation(section).draw(rng, num_frames=len(images))
    frames = torch.from_numpy(np.ascontiguousarray(images[..., ::-1])).permute(0, 3, 1, 2).float() / 255
    made = torch.cat([chain(frames[run.start : run.stop], first=run.start) for run in runs])
    return (made * 255).round().byte().permute(0, 2, 3, 1).numpy()[..., ::-1]


def test_frames_are_those_of_the_chain_run_by_run(clip_root, monkeypatch):
    monkeypatch.setattr(stored_copies, '_LONGEST_RUN', 4)
    prepare_store(clip_root / 'GT', clip_root / 'lq', processing=processing(seed=3, copy=1))
    runs = [range(4), range(4, 7)]
    for name in ('000', '001', '002'):
        expected = by_hand(read_clip(clip_root / 'GT', name), SECTION, random.Random(f'3 1 {name}'), runs)
        assert np.array_equal(read_clip(clip_root / 'lq', name), expected)


def test_without_a_codec_runs_are_those_of_the_whole_clip(clip_root, monkeypatch):
    monkeypatch.setattr(stored_copies, '_LONGEST_RUN', 3)
    prepare_store(clip_root / 'GT', clip_root / 'lq', processing=processing(section=WITHOUT_CODEC))
    expected = by_hand(read_clip(clip_root / 'GT', '001'), WITHOUT_CODEC, random.Random('0 0 001'), [range(7)])
    assert np.array_equal(read_clip(clip_root / 'lq', '001'), expected)


@pytest.mark.parametrize('codec', ['raw', 'png'])
def test_workers_make_the_same_bytes(clip_root, monkeypatch, codec):
    monkeypatch.setattr(stored_copies, '_LONGEST_RUN', 4)
    num_threads = torch.get_num_threads()
    for num_workers in (0, 2):
        target = clip_root / f'{num_workers}.lmdb'
        prepare_store(clip_root / 'GT', target, processing=processing(codec), num_workers=num_workers)
    assert torch.get_num_threads() == num_threads
    assert read_records(clip_root / '0.lmdb') == read_records(clip_root / '2.lmdb')
    assert read_meta(clip_root / '0.lmdb') == read_meta(clip_root / '2.lmdb')


def test_copies_and_seeds_differ(clip_root):
    made = {}
    for seed, copy in ((0, 0), (0, 1), (1, 0)):
        target = clip_root / f'{seed}_{copy}'
        prepare_store(clip_root / 'GT', target, processing=processing(seed=seed, copy=copy))
        made[seed, copy] = read_clip(target, '000')
    clips = [*made.values(), read_clip(clip_root / 'X4', '000')]
    for index, first in enumerate(clips):
        for second in clips[:index]:
            assert np.abs(first.astype(int) - second).mean() > 0.5


def test_sizes_that_do_not_divide_are_cropped(tmp_path):
    make_clip(tmp_path / 'GT' / 'a', 2, (66, 83))
    prepare_store(tmp_path / 'GT', tmp_path / 'lq', processing=processing())
    expected = by_hand(read_clip(tmp_path / 'GT', 'a')[:, :64, :80], SECTION, random.Random('0 0 a'), [range(2)])
    assert np.array_equal(read_clip(tmp_path / 'lq', 'a'), expected)


@pytest.mark.parametrize(
    ('num_frames', 'size', 'length'),
    [(7, (64, 80), 7), (24, (64, 80), 24), (25, (64, 80), 13), (100, (720, 1280), 17), (100, (2160, 3840), 6)],
)
def test_runs_are_about_equal_and_shorter_for_large_frames(num_frames, size, length):
    assert StoredCopy(degradation=degradation()).run_length(num_frames, size) == length


def test_the_store_tells_what_it_was_drawn_from(clip_root):
    prepare_store(clip_root / 'GT', clip_root / 'lq.lmdb', processing=processing('raw', seed=5, copy=2))
    told = json.loads((clip_root / 'lq.lmdb/.prepare.json').read_text())['degradation']
    assert (told['seed'], told['copy'], told['degradation']['scale']) == (5, 2, 4)
    assert told['degradation']['options']['preset'] == 'phone'
    assert told['degradation']['options']['first']['noise']['probability'] == 1.0


@pytest.mark.parametrize('change', ['a frame', 'the number of frames'])
def test_what_a_changed_source_touches_is_made_anew_as_a_whole(clip_root, monkeypatch, change):
    monkeypatch.setattr(stored_copies, '_LONGEST_RUN', 3)
    bad = clip_root / 'GT/002/00000005.png'
    good = bad.read_bytes()
    bad.write_bytes(b'no image')
    with pytest.raises(DataError, match='00000005.png cannot be decoded'):
        prepare_store(clip_root / 'GT', clip_root / 'lq', processing=processing())
    bad.write_bytes(good)
    if change == 'a frame':
        cv2.imwrite(str(clip_root / 'GT/001/00000001.png'), 255 - cv2.imread(str(clip_root / 'GT/001/00000001.png')))
    else:
        (clip_root / 'GT/001/00000006.png').unlink()
    for target in ('lq', 'other'):
        prepare_store(clip_root / 'GT', clip_root / target, processing=processing())
    for name in ('000', '001', '002'):
        assert np.array_equal(read_clip(clip_root / 'lq', name), read_clip(clip_root / 'other', name))


def test_frames_of_a_run_that_are_there_are_not_written_again(clip_root, monkeypatch):
    put = store_writer.StoreWriter.put

    def fail_at_the_third(writer, frame):
        if frame.key == '000/00000002':
            raise OSError('No space left on device')
        put(writer, frame)

    with monkeypatch.context() as patch:
        patch.setattr(store_writer.StoreWriter, 'put', fail_at_the_third)
        with pytest.raises(OSError, match='No space'):
            prepare_store(clip_root / 'GT', clip_root / 'lq', processing=processing())
    written = []
    monkeypatch.setattr(
        store_writer.StoreWriter, 'put', lambda writer, frame: written.append(frame.key) or put(writer, frame)
    )
    prepare_store(clip_root / 'GT', clip_root / 'lq', processing=processing())
    assert len(written) == 21 - 2
    assert '000/00000001' not in written
    prepare_store(clip_root / 'GT', clip_root / 'other', processing=processing())
    assert np.array_equal(read_clip(clip_root / 'lq', '000'), read_clip(clip_root / 'other', '000'))


def test_a_frame_of_another_size_is_named(clip_root):
    path = clip_root / 'GT/001/00000004.png'
    cv2.imwrite(str(path), cv2.imread(str(path))[:60])
    with pytest.raises(DataError, match=r'00000004.png \(clip 001, frame 4\) is 60x80 pixels .* its clip is 64x80'):
        prepare_store(clip_root / 'GT', clip_root / 'lq', processing=processing())


def test_videos_are_refused(tmp_path):
    write_video(tmp_path / 'v.avi', [np.zeros((32, 32, 3), np.uint8)] * 3)
    with pytest.raises(InvalidValueError, match='need whole clips. Make a store of the videos first'):
        prepare_store(tmp_path / 'v.avi', tmp_path / 'lq', processing=processing())


@pytest.mark.slow
def test_a_kill_at_any_moment_changes_no_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(store_writer, '_COMMIT_BYTES', 2**15)
    monkeypatch.setattr(stored_copies, '_LONGEST_RUN', 8)
    for clip in range(4):
        make_clip(tmp_path / 'GT' / f'{clip:03d}', 20, (128, 160), seed=clip)
    start = time.perf_counter()
    prepare_store(tmp_path / 'GT', tmp_path / 'whole/lq.lmdb', processing=processing('raw'), num_workers=2)
    duration = time.perf_counter() - start
    begun = 0
    for number in range(8):
        place = tmp_path / f'{number}.lmdb'
        pid = os.fork()
        if pid == 0:
            tqdm.set_lock(threading.RLock())  # the bars' own lock would stay taken in this process, too
            prepare_store(tmp_path / 'GT', place, processing=processing('raw'), num_workers=2)
            os._exit(0)
        time.sleep(duration * (number + 1) / 9)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        begun += store_writer.partial_path(place).exists()
        if not place.exists():
            prepare_store(tmp_path / 'GT', place, processing=processing('raw'), num_workers=number % 3)
        assert read_records(place) == read_records(tmp_path / 'whole/lq.lmdb')
        assert read_meta(place) == read_meta(tmp_path / 'whole/lq.lmdb')
    assert begun >= 3  # most were killed in the middle
