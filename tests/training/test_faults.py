"""Whatever happens to a run: nothing hangs, the exit code says so, and no more is lost than what was not saved."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path

import pytest

from tests.conftest import make_clips
from tests.helpers import REPOSITORY, tiny_options, video_test_set, write_options
from tests.training.runs import (
    TIMEOUT,
    assert_equal,
    everything,
    finish,
    go_back_to,
    start,
    start_together,
    wait_for_text,
)

pytestmark = pytest.mark.slow

TOTAL = 12
NUM_KILLS = int(os.environ.get('DLVR_TEST_KILLS', '8'))  # more of them take minutes


@pytest.fixture(scope='module')
def clips(tmp_path_factory):
    return make_clips(tmp_path_factory.mktemp('clips'))


@pytest.fixture
def opt(clips):
    """A run of 12 iterations, six checkpoints, and both phases, with a worker."""
    return options_over(clips)


def options_over(clips):
    opt = tiny_options(clips, init_t_iters=3, total_iter=TOTAL)
    opt['datasets']['train']['num_worker_per_gpu'] = 1
    opt['train']['ema_decay'] = 0.9
    opt['logger']['save_checkpoint_freq'] = 2
    return opt


@pytest.fixture(scope='module')
def undisturbed(clips, tmp_path_factory):
    """What the run gives when nothing happens to it."""
    return finished(options_over(clips), tmp_path_factory.mktemp('undisturbed'))


def finished(opt, root, *flags):
    """Train to the end, and return what the run gives."""
    assert finish(start(opt, root, *flags)) == 0, (root / 'run.log').read_text()[-3000:]
    return everything(root, 'tiny', opt['train']['total_iter'])


def assert_goes_on(opt, root, undisturbed):
    assert_equal(undisturbed, finished(opt, root, '--auto_resume'))


def states(root):
    return sorted(int(path.stem) for path in (root / 'experiments/tiny/training_states').glob('*.state'))


def test_killed_at_random_moments(opt, tmp_path):
    """Half of the kills fall anywhere, half of them into the writing of a file; half of the runs go on at other rates.

    Those end as a run that nobody killed, whose options changed at the same iteration. Equal are weights, average,
    optimizers, schedules, and the best metrics.
    """
    opt['train'].update(warmup_iter=4, scheduler={'type': 'MultiStepLR', 'milestones': [5, 8], 'gamma': 0.5})
    opt['datasets']['val'] = video_test_set(make_clips(tmp_path / 'val', number=2, length=4), num_frame=3)
    metrics = {'psnr': {'type': 'calculate_psnr_fast', 'crop_border': 8}, 'tof': {'type': 'calculate_tof'}}
    opt['val'] = {'val_freq': 2, 'save_img': False, 'metrics': metrics}
    slower = deepcopy(opt)
    slower['train']['optim_g']['lr'], slower['train']['optim_t']['lr'] = 1e-5, 3e-5
    slower['train']['scheduler'] = {'type': 'CosineAnnealingRestartLR', 'periods': [7, 7], 'restart_weights': [1, 0.5]}
    began = time.monotonic()
    unkilled = {(False, 0): finished(opt, tmp_path / 'unkilled')}
    seconds = time.monotonic() - began
    assert list(unkilled[False, 0][f'{TOTAL}.state']['best_metric_results']['Vid4']) == ['psnr', 'tof']
    rng = random.Random(0)
    resumed_from: dict[bool, list[int]] = {False: [], True: []}
    for index in range(NUM_KILLS):
        root, changes = tmp_path / str(index), index % 4 > 1
        if index % 2:
            process = start(opt, root, '--auto_resume', kill_at_sync=rng.randint(1, 19))
        else:
            process = start(opt, root, '--auto_resume')
            time.sleep(rng.uniform(0.3, 1) * seconds)
            process.kill()
        assert finish(process) in (-signal.SIGKILL, 0)
        iteration = max(states(root), default=0)
        resumed_from[changes].append(iteration)
        key = (changes, iteration if changes else 0)
        if key not in unkilled:
            stopped = tmp_path / f'stopped at {iteration}'
            if iteration:
                shutil.copytree(tmp_path / 'unkilled', stopped)
                go_back_to(stopped, 'tiny', iteration)
            unkilled[key] = finished(slower, stopped, '--auto_resume')
        assert_equal(unkilled[key], finished(slower if changes else opt, root, '--auto_resume'))
    for key, content in unkilled.items():
        if key[1] < TOTAL and key != (False, 0):  # it did change
            with pytest.raises(AssertionError):
                assert_equal(unkilled[False, 0][f'net_g_{TOTAL}.pth'], content[f'net_g_{TOTAL}.pth'])
    sys.stdout.write(
        f'{NUM_KILLS} of {NUM_KILLS} bit-equal; resumed from iterations {resumed_from[False]}, and at other rates from '
        f'{resumed_from[True]}\n'
    )
    assert all(len(set(iterations)) > 1 for iterations in resumed_from.values())


def test_killed_run_leaves_no_process(opt, tmp_path):
    opt['train']['total_iter'] = 100_000
    opt['datasets']['train']['num_worker_per_gpu'] = 2
    root = tmp_path / 'root'
    process = start(opt, root)
    wait_for_iteration(root, 2)
    workers = children(process.pid)
    assert len(workers) == 2
    process.kill()
    assert finish(process) == -signal.SIGKILL
    deadline = time.monotonic() + TIMEOUT
    while any(is_running(worker) for worker in workers):
        assert time.monotonic() < deadline, 'a worker of a killed run goes on'
        time.sleep(0.1)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGUSR2])
def test_signal_saves_and_ends(opt, tmp_path, undisturbed, number):
    """Clusters send signals to all processes of a job, as a terminal does."""
    opt['logger']['save_checkpoint_freq'] = 1000
    root = tmp_path / 'root'
    process = start(opt, root)
    wait_for_iteration(root, 2)
    for pid in (*children(process.pid), process.pid):
        os.kill(pid, number)
    assert finish(process) == 128 + number
    (saved,) = states(root)
    assert 2 <= saved < TOTAL
    assert f'Stopped and saved at iteration {saved}' in (root / 'run.log').read_text()
    assert_goes_on(opt, root, undisturbed)


def test_second_interrupt_leaves_at_once(opt, tmp_path):
    opt['train'].update(total_iter=100_000, accum_iter=100)  # a long iteration of many short calls
    opt['datasets']['train']['dataset_enlarge_ratio'] = 10
    root = tmp_path / 'root'
    process = start(opt, root)
    wait_for_text(root, r'iter: +1, lr')
    os.kill(process.pid, signal.SIGINT)
    wait_for_text(root, 'A second Ctrl-C leaves at once')
    os.kill(process.pid, signal.SIGINT)
    assert finish(process) == 130
    assert 'Stopped and saved' not in (root / 'run.log').read_text()


def wait_for_iteration(root: Path, iteration: int) -> None:
    wait_for_text(root, rf'iter: +{iteration}, lr')


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]


def is_running(pid: int) -> bool:
    status = Path(f'/proc/{pid}/status')
    try:
        return 'State:\tZ' not in status.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_full_disk(opt, tmp_path, undisturbed):
    """The limit stands for a disk that has room for one network, but not for the next."""
    root = tmp_path / 'root'
    finished(opt, root)
    go_back_to(root, 'tiny', 2)
    kept = {path: path.read_bytes() for path in (root / 'experiments/tiny').rglob('*_2.*')}
    sizes = [path.stat().st_size for path in (root / 'experiments/tiny/models').glob('*_2.pth')]
    assert finish(start(opt, root, '--auto_resume', largest_file=max(sizes) - 1)) == 1
    log = (root / 'run.log').read_text()
    assert re.search(r'net_\w_4.pth cannot be written: File too large. The checkpoints before it are intact', log)
    assert states(root) == [2]
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert not [path for path in root.rglob('*') if 'partial' in path.name]
    assert_goes_on(opt, root, undisturbed)


def test_damaged_checkpoint(opt, tmp_path):
    """The run goes on from the one before, with a seed that was drawn, and says so in its log."""
    root = tmp_path / 'root'
    del opt['manual_seed']
    assert finish(start(opt, root)) == 0
    whole = everything(root, 'tiny', TOTAL)
    damaged = root / f'experiments/tiny/models/net_t_{TOTAL}.pth'
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert finish(start(opt, root, '--auto_resume')) == 0
    assert_equal(whole, everything(root, 'tiny', TOTAL))
    *_, log = sorted(root.glob('experiments/tiny/train_tiny_*.log'))
    assert f'WARNING: {TOTAL}.state is left out: {damaged} is not what was saved' in log.read_text()
    assert f'Resuming training from iteration {TOTAL - 2}' in log.read_text()


def test_killed_worker(opt, tmp_path, undisturbed):
    root = tmp_path / 'root'
    process = start(opt, root)
    wait_for_iteration(root, 2)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    assert finish(process) == 1
    assert re.search(r'A process that reads data has died: .*num_worker_per_gpu', (root / 'run.log').read_text())
    assert_goes_on(opt, root, undisturbed)


def test_one_of_two_processes_killed(opt, tmp_path, request):
    """The script of several processes starts those that are killed, whose workers are spawned."""
    root = tmp_path / 'root'

    def finished_together(*flags, name):
        processes = start_together({**opt, 'name': name}, root, *flags, number=2)
        assert [finish(process) for process in processes] == [0, 0], (root / '0.log').read_text()[-3000:]
        return everything(root, name, TOTAL)

    def run_script(name):
        path = write_options({**opt, 'name': name}, root / 'options.yml')
        environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHON': sys.executable, 'DLVR_ROOT': str(root)}
        command = ['bash', 'scripts/dist_train.sh', '2', str(path)]
        with (root / 'run.log').open('w') as log:
            process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log)
        request.addfinalizer(process.kill)
        return process

    whole = finished_together(name='whole')
    for rank in (0, 1):
        name = f'killed{rank}'
        opt['train']['total_iter'] = 10_000
        process = run_script(name)
        wait_for_iteration(root, 5)
        environments = {pid: Path(f'/proc/{pid}/environ').read_text().split('\0') for pid in children(process.pid)}
        (victim,) = (pid for pid, values in environments.items() if f'RANK={rank}' in values)
        os.kill(victim, signal.SIGKILL)
        assert process.wait(TIMEOUT) == 1
        assert (root / f'experiments/{name}/training_states/4.state').exists()
        go_back_to(root, name, 4)  # the run was told to be longer
        opt['train']['total_iter'] = TOTAL
        assert_equal(whole, finished_together('--auto_resume', name=name))
