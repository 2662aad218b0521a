import json
import os
import shutil
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from dlvr_plugin.cli.main import main
from dlvr_plugin.clips.clip_store import ClipStore
from tests.conftest import make_clip
from tests.helpers import REPOSITORY, tiny_options, write_options

JOBS = ['--jobs', '1']


def prepare(*arguments):
    return main(['data', 'prepare', *map(str, arguments), *JOBS])


def check(*arguments):
    return main(['data', 'check', *map(str, arguments), *JOBS])


@pytest.fixture
def errors(host_log):
    """Lines of the log; what the commands print for people goes there."""
    return host_log


def test_a_pair_that_is_given(clip_root, errors):
    arguments = ('--lq-source', clip_root / 'X4', '--lq-target', clip_root / 'lq.lmdb')
    assert prepare(clip_root / 'GT', clip_root / 'gt.lmdb', *arguments) == 0
    assert ClipStore(clip_root / 'gt.lmdb').clips['001'].size == (64, 80)
    assert ClipStore(clip_root / 'lq.lmdb').clips['001'].size == (16, 20)
    assert check(clip_root / 'gt.lmdb', '--lq', clip_root / 'lq.lmdb', '--scale', 4) == 0


@pytest.mark.parametrize(
    ('flags', 'name', 'size'),
    [
        (['--degradation', 'BI'], 'gt_BIx4', (16, 20)),
        (['--degradation', 'BD', '--scale', '2', '--sigma', '1'], 'gt_BDx2', (32, 40)),
        (['--degradation', 'motion_blur', '--blur-frames', '3', '--linear-light'], 'gt_motion_blur', (64, 80)),
    ],
)
@pytest.mark.parametrize('suffix', ['.lmdb', ''])
def test_a_pair_that_is_made(clip_root, flags, name, size, suffix):
    assert prepare(clip_root / 'GT', clip_root / f'gt{suffix}', *flags) == 0
    store = ClipStore(clip_root / f'{name}{suffix}')
    assert store.read(store.clips['002'], 6).shape[:2] == size


def test_the_same_command_again_changes_nothing_and_makes_what_is_missing(clip_root, errors):
    arguments = (clip_root / 'GT', clip_root / 'gt.lmdb', '--degradation', 'BI')
    assert prepare(*arguments) == 0
    before = (clip_root / 'gt.lmdb/data.mdb').stat().st_mtime_ns
    shutil.rmtree(clip_root / 'gt_BIx4.lmdb')
    assert prepare(*arguments) == 0
    assert (clip_root / 'gt.lmdb/data.mdb').stat().st_mtime_ns == before
    assert len(ClipStore(clip_root / 'gt_BIx4.lmdb').clips) == 3
    assert any('gt.lmdb is complete already' in line for line in errors)
    assert prepare(clip_root / 'GT', clip_root / 'gt.lmdb', '--codec', 'png') == 1
    assert 'gt.lmdb exists already, made otherwise. --force replaces it' in errors[-1]
    assert prepare(clip_root / 'GT', clip_root / 'gt.lmdb', '--codec', 'png', '--force') == 0
    assert json.loads((clip_root / 'gt.lmdb/.prepare.json').read_text())['codec'] == 'png'


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (['--lq-source', 'X4'], '--lq-source needs --lq-target'),
        (['--lq-target', 'y'], '--lq-target needs --lq-source or --degradation'),
        (['--lq-source', 'X4', '--degradation', 'BI'], 'Use one of both'),
        (
            ['--lq-source', 'X4', '--lq-target', 'y', '--downscale', '2'],
            '--downscale would change the ground truth alone',
        ),
        (['--downscale', '0'], '--downscale must be at least 1, got 0'),
        (['--clips', '009'], 'GT has no 009. It has: 000, 001, 002'),
        (['--degradation', 'BD', '--sigma', '-1'], '--degradation.sigma must be above 0'),
    ],
)
def test_arguments_that_do_not_fit_are_said_before_anything_is_made(clip_root, monkeypatch, errors, flags, message):
    monkeypatch.chdir(clip_root)
    assert prepare('GT', 'out.lmdb', *flags) == 1
    assert message in errors[-1]
    assert not (clip_root / 'out.lmdb').exists()


def test_pairs_that_do_not_belong_together_are_said_before_anything_is_made(clip_root, errors):
    (clip_root / 'X4/001/00000003.png').unlink()
    target = clip_root / 'gt.lmdb'
    assert prepare(clip_root / 'GT', target, '--lq-source', clip_root / 'X4', '--lq-target', clip_root / 'l.lmdb') == 1
    assert 'Frame 001/00000003 is missing' in errors[-1]
    assert not target.exists()


def test_missing_sources_are_named(tmp_path, errors):
    assert prepare(tmp_path / 'nowhere', tmp_path / 'x.lmdb') == 1
    assert 'nowhere does not exist' in errors[-1]
    (tmp_path / 'empty').mkdir()
    assert prepare(tmp_path / 'empty', tmp_path / 'x.lmdb') == 1
    assert 'empty holds no clips' in errors[-1]
    assert check(tmp_path / 'nowhere') == 1
    assert 'nowhere does not exist' in errors[-1]


def test_check_prints_one_table_and_fixes_without_touching_sources(clip_root, capsys):
    (clip_root / 'GT/001/00000002.png').write_bytes(b'no image')
    before = {path: path.read_bytes() for path in clip_root.glob('*/*/*')}
    assert check(clip_root / 'GT', '--lq', clip_root / 'X4', '--fix', clip_root / 'usable.txt') == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ['level', 'where', 'what']
    assert any(line.startswith('error') and '00000002.png cannot be decoded' in line for line in lines)
    assert lines[-1].endswith('2 of 3 clips are usable.')
    assert (clip_root / 'usable.txt').read_text() == '000 7 (64,80,3)\n002 7 (64,80,3)\n'
    assert {path: path.read_bytes() for path in clip_root.glob('*/*/*')} == before
    assert check(clip_root / 'GT', '--fix', clip_root / 'usable.txt') == 1  # it exists already


def test_check_and_show_take_option_files(clip_root, capsys):
    opt = tiny_options(clip_root)
    path = write_options(opt, clip_root / 'good.yml')
    assert check(path) == 0
    assert 'checked' in capsys.readouterr().out
    assert main(['data', 'show', str(path), '--out', str(clip_root / 'sheet.png'), '--samples', '2']) == 0
    assert cv2.imread(str(clip_root / 'sheet.png')).shape[1] > 3 * 32
    opt['datasets']['train'].update(num_frame=9, dataroot_lq=str(clip_root / 'nowhere'))
    assert check(write_options(opt, clip_root / 'bad.yml')) == 1
    assert 'datasets.train.dataroot_lq' in capsys.readouterr().out
    opt['datasets']['train'].update(dataroot_lq=str(clip_root / 'X4'))
    assert check(write_options(opt, clip_root / 'bad.yml')) == 1
    assert 'has 7 frames; ClipDataset takes 9' in capsys.readouterr().out


def test_option_files_are_read_as_those_of_a_run(clip_root, monkeypatch, capsys, errors):
    """``~`` is the home folder; keys and values that a run refuses are refused; what else is wrong does not matter."""
    monkeypatch.setenv('HOME', str(clip_root))
    opt = tiny_options(clip_root)
    opt['datasets']['train'].update(dataroot_gt='~/GT', dataroot_lq='~/X4')
    opt['train']['total_itre'] = 3
    path = write_options(opt, clip_root / 'x.yml')
    assert check(path) == 0
    assert f'{clip_root}/GT' in capsys.readouterr().out
    assert main(['data', 'show', str(path), '--out', str(clip_root / 'sheet.png'), '--samples', '1']) == 0
    assert (clip_root / 'sheet.png').is_file()
    opt['datasets']['train'].update(gt_sise=32, num_frame='3')
    write_options(opt, path)
    for command in (['check', '--jobs', '1'], ['show']):
        assert main(['data', *command, str(path)]) == 1
        assert 'datasets.train.gt_sise: is no option here. Did you mean gt_size?' in errors[-1]
        assert "datasets.train.num_frame: expected a whole number of at least 1, got '3'" in errors[-1]
        assert 'total_itre' not in errors[-1]


def test_sets_that_share_a_store_are_checked_once(clip_root, capsys):
    opt = tiny_options(clip_root)
    assert prepare(clip_root / 'GT', clip_root / 'gt.lmdb', '--degradation', 'BI') == 0
    roots = {'dataroot_gt': str(clip_root / 'gt.lmdb'), 'dataroot_lq': str(clip_root / 'gt_BIx4.lmdb')}
    opt['datasets']['train'].update(**roots, io_backend={'type': 'lmdb'})
    opt['datasets']['val'] = dict(opt['datasets']['train'])
    assert check(write_options(opt, clip_root / 'shared.yml')) == 0
    assert sum(line.startswith('checked') for line in capsys.readouterr().out.splitlines()) == 2


def test_files_that_are_no_options(clip_root, errors):
    (clip_root / 'x.yml').write_text('datasets: [')
    assert check(clip_root / 'x.yml') == 1
    assert 'x.yml:1, column 12: no YAML' in errors[-1]
    (clip_root / 'x.yml').write_text('name: !!python/object/apply:os.system ["touch executed"]')
    assert check(clip_root / 'x.yml') == 1
    assert not Path('executed').exists()


REALISTIC = ['--degradation', 'realistic', '--preset', 'dvd']


@pytest.mark.parametrize('flags', [[], ['--degradation', 'BD'], ['--lq', 'X4'], ['--scale', '1'], REALISTIC])
def test_show_draws_what_the_trainer_sees(clip_root, monkeypatch, flags):
    monkeypatch.chdir(clip_root)
    assert main(['data', 'show', 'GT', '--gt-size', '32', '--num-frame', '3', '--samples', '3', *flags]) == 0
    sheet = cv2.imread('GT_samples.png')
    assert sheet.shape[0] > 3 * 2 * 32
    again = ['data', 'show', 'GT', '--gt-size', '32', '--num-frame', '3', '--samples', '3', '--out', 'b.png', *flags]
    assert main(again) == 0
    assert np.array_equal(cv2.imread('b.png'), sheet)


def test_show_names_what_cannot_be(clip_root, errors, tmp_path):
    assert main(['data', 'show', str(clip_root / 'GT'), '--gt-size', '128']) == 1
    assert 'smaller than gt_size 128' in errors[-1]
    assert main(['data', 'show', str(clip_root / 'GT'), '--preset', 'dvd']) == 1
    assert '--preset belongs to --degradation realistic' in errors[-1]
    flags = ['--gt-size', '32', '--out', str(tmp_path / 'nowhere' / 'x.png')]
    assert main(['data', 'show', str(clip_root / 'GT'), *flags]) == 1
    assert 'x.png cannot be written' in errors[-1]


def run_script(name, *arguments, programs=Path(sys.executable).parent):
    """Run a script of data preparation with this interpreter's ``dlvr``, or another one."""
    path = f'{programs}{os.pathsep}{os.environ["PATH"]}'
    script = REPOSITORY / 'scripts/data_preparation' / name
    command = ['bash', str(script), *map(str, arguments)]
    return subprocess.run(command, env={**os.environ, 'PATH': path}, capture_output=True, text=True, timeout=300)


# It asks for the exit code of each command, which is that of ``main`` in the process of the tests.
ASKING = """#!/usr/bin/env bash
printf '%s\\0' "$@" > '{folder}/words'
exit "$(cat '{folder}/code')"
"""


@pytest.fixture
def run_script_here(tmp_path):
    """Function that runs a script whose commands run in this process, which has imported everything already."""
    folder = tmp_path / 'programs'
    folder.mkdir()
    for name in ('words', 'code'):
        os.mkfifo(folder / name)
    (folder / 'dlvr').write_text(ASKING.format(folder=folder))
    (folder / 'dlvr').chmod(0o755)

    def code_of(words):
        try:
            return main([*words, *JOBS])
        except Exception:  # the script waits for an answer
            traceback.print_exc()
            return 1

    def run(name, *arguments):
        with ThreadPoolExecutor() as pool:
            script = pool.submit(run_script, name, *arguments, programs=folder)
            script.add_done_callback(lambda _: (folder / 'words').write_text(''))
            while words := (folder / 'words').read_text().split('\0')[:-1]:
                (folder / 'code').write_text(str(code_of(words)))
        return script.result()

    return run


def test_script_for_reds(tmp_path, run_script_here):
    for clip in ('000', '001', '011', '015', '020'):
        make_clip(tmp_path / 'REDS/train_sharp' / clip, 3, (96, 96), seed=int(clip))
        make_clip(tmp_path / 'REDS/train_blur' / clip, 3, (96, 96), seed=int(clip))
    prepare(tmp_path / 'REDS/train_sharp', tmp_path / 'x', '--degradation', 'BI', '--lq-target', tmp_path / 'lq')
    shutil.move(tmp_path / 'lq', tmp_path / 'REDS/train_sharp_bicubic/X4')
    result = run_script_here('prepare_reds.sh', tmp_path / 'REDS')
    assert result.returncode == 0, result.stderr
    for name in ('train_sharp', 'train_sharp_bicubic_X4', 'train_blur'):
        assert len(ClipStore(tmp_path / f'REDS/{name}.lmdb').clips) == 5
    result = run_script_here('prepare_reds4.sh', tmp_path / 'REDS')
    assert result.returncode == 0, result.stderr
    for name in ('GT', 'BIx4'):
        assert list(ClipStore(tmp_path / 'REDS4' / name).clips) == ['000', '011', '015', '020']


def test_script_for_dvd(tmp_path, run_script_here):
    test_scenes = [
        '720p_240fps_2',
        'IMG_0003',
        'IMG_0021',
        'IMG_0030',
        'IMG_0031',
        'IMG_0032',
        'IMG_0033',
        'IMG_0037',
        'IMG_0039',
        'IMG_0049',
    ]
    for scene in [*test_scenes, '720p_240fps_1', 'IMG_0001']:
        for part in ('GT', 'input'):
            make_clip(tmp_path / 'quantitative_datasets' / scene / part, 2, (48, 48), suffix='.jpg')
    make_clip(tmp_path / 'qualitative_datasets/alley/input', 2, (48, 48), suffix='.jpg')
    result = run_script_here('prepare_dvd.sh', tmp_path)
    assert result.returncode == 0, result.stderr
    for name in ('train_GT', 'train_input'):
        assert list(ClipStore(tmp_path / f'{name}.lmdb').clips) == ['720p_240fps_1', 'IMG_0001']
    for name in ('test/GT', 'test/input'):
        assert list(ClipStore(tmp_path / name).clips) == test_scenes
    assert list(ClipStore(tmp_path / 'qualitative/input').clips) == ['alley']


@pytest.mark.slow
def test_script_for_vid4(tmp_path):
    """Here the commands are processes of their own."""
    make_clip(tmp_path / 'source/calendar', 2, (48, 64))
    result = run_script('prepare_vid4.sh', tmp_path / 'source', tmp_path / 'Vid4', '--jobs', '1')
    assert result.returncode == 0, result.stderr
    for name in ('GT', 'BIx4', 'BDx4'):
        assert list(ClipStore(tmp_path / 'Vid4' / name).clips) == ['calendar']
