"""Results are known by their content, and measured as far as nothing changes them meanwhile."""

import io
import os
import re

import cv2
import numpy as np
import pytest
from PIL import Image

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.clips.clip_store import ClipStore
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.data.prepare import prepare_store
from dlvr_plugin.data.processing import Processing
from dlvr_plugin.evaluation.evaluation_file import format_json
from dlvr_plugin.evaluation.evaluation_run import EvaluationRun
from dlvr_plugin.report.report_page import write_report
from tests.conftest import make_clip


@pytest.fixture
def folders(tmp_path):
    """Ground truth, and two results of it, a bad one and a fine one."""
    make_clip(tmp_path / 'gt' / 'a', 7, (48, 64))
    for name, sigma in (('bad', 3), ('fine', 0.6)):
        (tmp_path / name / 'a').mkdir(parents=True)
        for path in sorted((tmp_path / 'gt' / 'a').iterdir()):
            cv2.imwrite(str(tmp_path / name / 'a' / path.name), cv2.GaussianBlur(cv2.imread(str(path)), (0, 0), sigma))
    return tmp_path


def psnr_of(folders, results, gt='gt', journal='journal.jsonl'):
    run = EvaluationRun(
        ClipReader(folders / gt),
        {'ours': ClipReader(folders / results)},
        metrics=('psnr',),
        num_workers=0,
        journal=folders / journal if journal else None,
    )
    return run.run()['methods']['ours']['mean']['psnr']


@pytest.mark.parametrize('codec', ['png', 'raw'])
@pytest.mark.parametrize('side', ['results', 'ground truth'])
def test_a_replaced_lmdb_is_measured_anew_even_in_one_process(folders, codec, side):
    store, processing = folders / 'r.lmdb', Processing(codec=codec)
    names = {'results': 'r.lmdb'} if side == 'results' else {'results': 'fine', 'gt': 'r.lmdb'}
    first, second = ('bad', 'fine') if side == 'results' else ('bad', 'gt')
    prepare_store(folders / first, store, processing=processing)
    held = ClipReader(store)  # as a program may have it open
    next(held.read_frames('a'))
    before = psnr_of(folders, **names)
    prepare_store(folders / second, store, processing=processing, force=True)
    truth = psnr_of(folders, **names, journal=None)
    assert psnr_of(folders, **names) == truth
    assert truth > before + 3


def test_a_frame_replaced_by_one_of_its_size_and_time_is_measured_anew(folders):
    bad, fine = (folders / name / 'a' / '00000003.png' for name in ('bad', 'fine'))
    before = psnr_of(folders, 'bad')
    state, content = bad.stat(), fine.read_bytes()
    padded = max(len(content), state.st_size)
    bad.write_bytes(bad.read_bytes().ljust(padded, b'\0'))  # readers of PNG stop at its end
    os.utime(bad, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert psnr_of(folders, 'bad') == before
    bad.write_bytes(content.ljust(padded, b'\0'))
    os.utime(bad, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert psnr_of(folders, 'bad') == psnr_of(folders, 'bad', journal=None) > before


def test_frames_that_change_while_they_are_measured_leave_no_value(folders):
    store = folders / 'bad'
    run = EvaluationRun(
        ClipReader(folders / 'gt'),
        {'ours': ClipReader(store)},
        metrics=('psnr',),
        num_workers=0,
        journal=folders / 'journal.jsonl',
    )
    measure = run._measure

    def measure_later(keys):
        (store / 'a' / '00000003.png').write_bytes((folders / 'fine' / 'a' / '00000003.png').read_bytes())
        measure(keys)

    run._measure = measure_later
    with pytest.raises(DataError, match=r'00000003.png .*has changed while it was being measured'):
        run.run()
    assert psnr_of(folders, 'bad') == psnr_of(folders, 'bad', journal=None)


def test_damage_to_a_journal_costs_its_lines_alone(folders):
    expected, journal = psnr_of(folders, 'bad'), folders / 'journal.jsonl'
    whole = journal.read_bytes()
    journal.write_bytes(b'\xff\xfe\0garbage\n[1, 2]\n7\n' + whole[: len(whole) // 2])
    assert psnr_of(folders, 'bad') == expected
    assert psnr_of(folders, 'bad') == expected


def test_a_report_says_where_it_cannot_tell_whether_an_lmdb_has_changed(folders, host_log):
    prepare_store(folders / 'bad', folders / 'r.lmdb', processing=Processing(codec='png'))
    run = EvaluationRun(
        ClipReader(folders / 'gt'), {'ours': ClipReader(folders / 'r.lmdb')}, metrics=('psnr',), num_workers=0
    )
    found = run.run()
    # As version 0.1.0 wrote it, before the records were hashed.
    found['methods']['ours']['clips']['a']['sha256'] = ClipReader(folders / 'r.lmdb').hash_list()
    (folders / 'metrics.json').write_text(format_json(found))
    write_report(folders, folders / 'report')
    said = [message for message in host_log if 'cannot be told' in message]
    assert len(said) == 1
    assert re.search(r'ours: whether the frames of .*r.lmdb have changed .* Run dlvr evaluate again', said[0])


def test_the_report_of_replaced_results_is_refused(folders):
    prepare_store(folders / 'bad', folders / 'r.lmdb', processing=Processing(codec='png'))
    run = EvaluationRun(
        ClipReader(folders / 'gt'), {'ours': ClipReader(folders / 'r.lmdb')}, metrics=('psnr',), num_workers=0
    )
    (folders / 'metrics.json').write_text(format_json(run.run()))
    prepare_store(folders / 'fine', folders / 'r.lmdb', processing=Processing(codec='png'), force=True)
    with pytest.raises(DataError, match='ours: 00000000 of clip a in .*r.lmdb has changed since it was evaluated'):
        write_report(folders, folders / 'report')


def test_a_turned_jpeg_is_measured_as_it_is_prepared(folders):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    (folders / 'turned' / 'a').mkdir(parents=True)
    for path in sorted((folders / 'fine' / 'a').iterdir()):
        lying, content = np.rot90(cv2.imread(str(path))), io.BytesIO()  # counter-clockwise
        Image.fromarray(lying[..., ::-1]).save(content, 'JPEG', quality=95, exif=exif)
        (folders / 'turned' / 'a' / f'{path.stem}.jpg').write_bytes(content.getvalue())
    prepare_store(folders / 'turned', folders / 'turned.lmdb', processing=Processing(codec='png'))
    assert psnr_of(folders, 'turned') == pytest.approx(psnr_of(folders, 'turned.lmdb'))
    assert psnr_of(folders, 'turned') > 25


def test_each_frame_is_hashed_once_and_read_a_bounded_number_of_times(folders, monkeypatch):
    make_clip(folders / 'long' / 'a', 60, (48, 64))
    numbers = {}
    for name, length in (('gt', 7), ('long', 60)):
        read, original = [], ClipStore.read_bytes

        def count(self, clip, index, read=read, original=original):
            read.append(index)
            return original(self, clip, index)

        with monkeypatch.context() as patch:
            patch.setattr(ClipStore, 'read_bytes', count)
            for _ in range(2):
                psnr_of(folders, name, gt=name, journal=f'{name}.jsonl')
                numbers.setdefault(name, []).append(len(read))
                read.clear()
        # Of both sides: all are hashed, the first is read for its size, and those between the ends are measured.
        assert numbers[name] == [2 * (length + 1 + length - 4), 2 * (length + 1)]
