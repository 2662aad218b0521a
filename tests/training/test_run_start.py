"""A run begins whole or not at all: one process a name, and nothing is made or moved for one that fails to start."""

import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from dlvr_plugin import test as test_command
from dlvr_plugin import train as train_command
from dlvr_plugin.core.folder_lock import FolderLock, lock_beside
from tests.helpers import tiny_options, video_test_set, write_options
from tests.training.runs import assert_equal, barrier, everything, finish, start, start_together, wait_for_text

pytestmark = pytest.mark.slow

NUM_PAIRS = int(os.environ.get('DLVR_TEST_PAIRS', '3'))  # more of them take minutes
TOTAL = 8
FAILING = """
import time

from basicsr.utils.registry import DATASET_REGISTRY, MODEL_REGISTRY
from dlvr_plugin.data import ClipDataset
from dlvr_plugin.models import DiscriminativeSpaceModel

@DATASET_REGISTRY.register()
class FailingDataset(ClipDataset):
    def __init__(self, opt):
        super().__init__(opt)
        raise RuntimeError('no data')

@DATASET_REGISTRY.register()
class FailingSamples(ClipDataset):
    def __getitem__(self, index):
        raise RuntimeError('no frames')

@DATASET_REGISTRY.register()
class SlowSamples(ClipDataset):
    def __getitem__(self, index):
        time.sleep(3)
        return super().__getitem__(index)

@MODEL_REGISTRY.register()
class FailingModel(DiscriminativeSpaceModel):
    def setup_schedulers(self):
        raise RuntimeError('no schedule')
"""


@pytest.fixture
def opt(clip_root):
    opt = tiny_options(clip_root, name='X', init_t_iters=2, total_iter=TOTAL)
    opt['logger'].update(save_checkpoint_freq=4, use_tb_logger=True)
    return opt


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Root of experiments."""
    monkeypatch.setenv('DLVR_ROOT', str(tmp_path / 'root'))
    return tmp_path / 'root'


def tree(root):
    """Return all paths below the folders of runs, and what files hold but logs, which one process shares."""
    folders = [root / name for name in ('experiments', 'tb_logger', 'results')]
    paths = [path for folder in folders for path in (folder, *folder.rglob('*')) if path.exists()]
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in paths
        if path.suffix != '.log'
    }


def test_of_two_starts_at_once_one_runs_and_one_is_refused(opt, tmp_path):
    """What was finished is kept, and what the one run gives is what it gives alone."""
    total_iter = 10 * TOTAL  # some seconds, so that neither ends before the other begins, even on a busy machine
    opt['train']['total_iter'] = total_iter
    opt['logger']['save_checkpoint_freq'] = total_iter
    alone = tmp_path / 'alone'
    assert finish(start(opt, alone)) == 0
    whole = everything(alone, 'X', total_iter)
    ran = []
    for index in range(NUM_PAIRS):
        root = tmp_path / str(index)
        if index % 2:  # beside a finished run of this name
            first = {**opt, 'train': {**opt['train'], 'init_t_iters': 0, 'total_iter': 1}}
            assert finish(start(first, root)) == 0
        before = {path.name: path.read_bytes() for path in root.glob('experiments/X/*/*.pth')}
        begin = barrier(2)
        processes = [start(opt, root, label=label, begin=begin) for label in ('one', 'two')]
        codes = [finish(process) for process in processes]
        assert sorted(codes) == [0, 1], codes
        winner = codes.index(0)
        ran.append(winner + 1)
        refused = (root / f'{("two", "one")[winner]}.log').read_text()
        assert f'experiments/X is in use: process {processes[winner].pid} on' in refused
        assert_equal(whole, everything(root, 'X', total_iter))
        archives = list((root / 'experiments').glob('X_archived_*'))
        assert len(archives) == len(list((root / 'tb_logger').glob('X_archived_*'))) == index % 2
        kept = {path.name: path.read_bytes() for archive in archives for path in archive.glob('*/*.pth')}
        assert kept == before
        assert not list(root.rglob('*.lock'))
        assert len(list((root / 'experiments/X').glob('*.log'))) == 1
    sys.stdout.write(
        f'{NUM_PAIRS} of {NUM_PAIRS} pairs: one ran, one was refused; the first or the second ran: {ran}\n'
    )


@pytest.mark.parametrize(
    'change',
    [
        lambda opt: opt['datasets']['train'].update(type='FailingDataset'),
        lambda opt: opt['datasets']['train'].update(type='FailingSamples'),
        lambda opt: opt['datasets']['train'].update(type='FailingSamples', num_worker_per_gpu=2),
        lambda opt: opt.update(model_type='FailingModel'),
        lambda opt: opt['path'].update(pretrain_network_g='net_of_another.pth'),
    ],
    ids=['dataset', 'samples', 'samples of workers', 'schedulers', 'weights'],
)
def test_a_start_that_fails_leaves_all_where_it_was(opt, tmp_path, change):
    root = tmp_path / 'root'
    root.mkdir()
    (tmp_path / 'failing.py').write_text(FAILING)
    opt['imports'] = [str(tmp_path / 'failing.py')]
    change(opt)
    assert finish(start(opt, root)) == 1  # no run before
    assert tree(root) == {}
    good = tiny_options(Path(opt['datasets']['train']['dataroot_gt']).parent, name='X', init_t_iters=0, total_iter=1)
    good['logger']['use_tb_logger'] = True
    assert finish(start(good, root)) == 0
    before = tree(root)
    assert finish(start(opt, root)) == 1
    assert tree(root) == before


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_first_batch_is_read(opt, tmp_path, number):
    root = tmp_path / 'root'
    (tmp_path / 'slow.py').write_text(FAILING)
    opt['imports'] = [str(tmp_path / 'slow.py')]
    opt['datasets']['train'].update(type='SlowSamples', batch_size_per_gpu=1, num_worker_per_gpu=2)
    process = start(opt, root)
    wait_for_text(root, r'Model \[\w+\] is created')
    time.sleep(1)
    os.kill(process.pid, number)
    assert finish(process) == 128 + number
    assert (root / 'experiments/X/training_states/1.state').exists()


def test_restarts_before_the_first_checkpoint_share_a_folder(opt, tmp_path):
    root = tmp_path / 'root'
    endless = {**opt, 'logger': {**opt['logger'], 'save_checkpoint_freq': 10**6}}
    endless['train'] = {**opt['train'], 'total_iter': 10**6}
    for _ in range(2):
        (root / 'run.log').unlink(missing_ok=True)
        process = start(endless, root, '--auto_resume')
        wait_for_text(root, r'iter: +1, lr')
        process.kill()
        finish(process)
    assert finish(start(opt, root, '--auto_resume')) == 0
    assert [path.name for path in (root / 'experiments').iterdir()] == ['X']
    assert [path.name for path in (root / 'tb_logger').iterdir()] == ['X']
    assert len(list((root / 'experiments/X').glob('*.log'))) == 3


def test_the_copied_option_file_starts_a_run(opt, tmp_path, root):
    assert train_command.main(['-opt', str(write_options(opt, tmp_path / 'X.yml'))]) == 0
    copy = root / 'experiments/X/X.yml'
    text = copy.read_text()
    assert train_command.main(['-opt', str(copy), '--auto_resume']) == 0
    assert not list(root.glob('*/X_archived_*'))
    assert train_command.main(['-opt', str(copy)]) == 0
    (archive,) = root.glob('experiments/X_archived_*')
    for each in (copy, archive / 'X.yml'):
        assert each.read_text().endswith(text.partition('\n\n')[2])
    (log,) = (root / 'experiments/X').glob('*.log')
    logged = log.read_text()
    assert f'was there before: it is kept as {archive}.' in logged
    assert logged.index('X: dlvr_plugin') < logged.index('Network [') < logged.index('iter:       1, lr')


def test_a_run_in_use_is_refused_to_all_of_several_processes(opt, root):
    with FolderLock(lock_beside(root / 'experiments/X'), 'X'):
        assert [finish(process) for process in start_together(opt, root, number=2)] == [1, 1]
        assert tree(root).keys() == {'experiments', 'experiments/.X.lock'}
    said = (root / '0.log').read_text() + (root / '1.log').read_text()
    assert re.search(rf'InUseError: .*experiments/X is in use: process {os.getpid()} on', said)
    assert 'Traceback' not in said


def test_a_test_takes_its_folder_when_it_can_begin(opt, tmp_path, root, host_log):
    assert train_command.main(['-opt', str(write_options(opt, tmp_path / 'X.yml'))]) == 0
    clip_root = Path(opt['datasets']['train']['dataroot_gt']).parent
    options = {
        **{key: opt[key] for key in ('model_type', 'host_model', 'num_gpu', 'scale', 'network_g', 'manual_seed')},
        'name': 'T',
        'datasets': {'test': video_test_set(clip_root, num_frame=3)},
        'path': {'pretrain_network_g': str(root / 'experiments/X/models/net_g_latest.pth'), 'strict_load_g': True},
        'val': {'save_img': True, 'suffix': None, 'metrics': {'psnr': {'type': 'calculate_psnr', 'crop_border': 4}}},
    }
    path = write_options(options, tmp_path / 'T.yml')
    assert test_command.main(['-opt', str(path)]) == 0
    before = tree(root)
    with FolderLock(lock_beside(root / 'results/T'), 'T'):
        assert test_command.main(['-opt', str(path)]) == 1
    assert any(f'results/T is in use: process {os.getpid()} on' in message for message in host_log)
    options['network_g']['num_feat'] = 16  # other weights
    assert test_command.main(['-opt', str(write_options(options, path))]) == 1
    assert tree(root) == before
    options['network_g']['num_feat'] = 8
    assert test_command.main(['-opt', str(write_options(options, path))]) == 0
    assert len(list((root / 'results').iterdir())) == 2
