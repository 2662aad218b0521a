"""Whole sweeps in processes of their own, undisturbed, killed and preempted: the same values come of them."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from dlvr_plugin import train
from dlvr_plugin.cli.main import main
from dlvr_plugin.sweep import run_process
from dlvr_plugin.sweep.sweep_folder import read_sweep
from tests.conftest import make_clip
from tests.helpers import make_lq
from tests.sweep.tiny import NAME, write_tiny_sweep

pytestmark = pytest.mark.slow

# Its server imports everything once and starts each command in a moment.
_CONTEXT = multiprocessing.get_context('forkserver')
_CONTEXT.set_forkserver_preload(
    ['tests.sweep.test_sweep_runs', 'dlvr_plugin.cli.sweep_run', 'dlvr_plugin.cli.sweep_measure']
)
_TIMEOUT = 400


def start(root, *flags, forks=True, folder=None):
    """Begin ``dlvr sweep run`` in a root of outputs, with the file of the sweep in it.

    Args:
        root: Root of outputs.
        *flags: Of the command.
        forks: Whether what it starts has imported everything already, or begins anew.
        folder: Current folder, None for that of the tests.
    """
    process = _CONTEXT.Process(target=_run, args=(root, flags, forks, folder))
    process.start()
    return process


def finish(process):
    process.join(_TIMEOUT)
    assert not process.is_alive()
    return process.exitcode


class ForkedCommand:
    """A command as a child that is forked: it has what a new process has, but for the modules."""

    def __init__(self, command, *, stdin, stdout, stderr, env, start_new_session):
        program, flag, module, *words = command
        assert (program, flag) == (sys.executable, '-m')
        assert (stdin, stderr, start_new_session) == (subprocess.DEVNULL, subprocess.STDOUT, True)
        self.pid = os.fork()
        if self.pid:
            return
        code = 1
        try:
            os.setsid()
            for stream in (1, 2):
                os.dup2(stdout.fileno(), stream)
            os.closerange(3, 4096)  # locks of the sweep, too
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.environ.clear()
            os.environ.update(env)
            code = {'dlvr_plugin.train': train.main, 'dlvr_plugin.cli': main}[module](words)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def poll(self):
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def terminate(self):
        os.kill(self.pid, signal.SIGTERM)


def _run(root, flags, forks, folder):
    if folder is not None:
        os.chdir(folder)
    if forks:
        run_process.subprocess = SimpleNamespace(
            Popen=ForkedCommand, DEVNULL=subprocess.DEVNULL, STDOUT=subprocess.STDOUT
        )
    os.environ.update(DLVR_ROOT=str(root), OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')
    out = os.open(root / 'out.txt', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(out, stream)
    raise SystemExit(main(['sweep', 'run', str(root / 'sweep.yml'), *flags]))


def children_of(pid):
    try:
        return [int(each) for each in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]
    except FileNotFoundError:
        return []


def values_in(root):
    """Return what was measured, by run: all values of all frames, and the hashes of the frames."""
    found = {}
    for path in sorted((root / 'sweeps' / NAME / 'measured').glob('*/metrics.json')):
        content = json.loads(path.read_text())
        ((method, entry),) = content['methods'].items()
        found[path.parent.name] = (method, entry['mean'], entry['clips'])
    return found


@pytest.fixture(scope='module')
def clips(tmp_path_factory):
    root = tmp_path_factory.mktemp('clips')
    for index in range(2):
        make_clip(root / 'GT' / f'{index:03d}', 7, (64, 80), seed=index)
    make_lq(root / 'GT', root / 'X4')
    return root


def root_for(clips, root):
    root.mkdir()
    shutil.copy(write_tiny_sweep(clips), root / 'sweep.yml')
    return root


@pytest.fixture(scope='module')
def undisturbed(clips, tmp_path_factory):
    """A sweep of two seeds and four cases, two runs at once."""
    root = root_for(clips, tmp_path_factory.mktemp('undisturbed') / 'root')
    assert finish(start(root, '--jobs', '2')) == 0, (root / 'out.txt').read_text()
    return root


def test_all_cases_and_seeds_are_measured(undisturbed):
    sweep = read_sweep(undisturbed / 'sweeps' / NAME)
    values = values_in(undisturbed)
    measured = [run.name for case, run in sweep.runs() if run.test is not None]
    assert sorted(values) == sorted(measured)
    assert len(measured) == 7
    assert values['tiny_w-o-content-loss_seed1'][0] == 'w/o content loss'
    means = [tuple(mean.values()) for _, mean, _ in values.values()]
    assert len(set(means)) == 7  # each training has come to something else
    before = {
        path: path.stat().st_mtime_ns for path in undisturbed.rglob('*') if path.is_file() and path.name != 'out.txt'
    }
    assert finish(start(undisturbed)) == 0
    after = {path: path.stat().st_mtime_ns for path in before}
    changed = [path.name for path in before if before[path] != after[path]]
    assert changed == ['sweep.json']  # nothing is done again


def test_a_sweep_that_is_killed_again_and_again_ends_with_the_same_values(clips, undisturbed, tmp_path):
    root, draw = root_for(clips, tmp_path / 'root'), random.Random(0)
    flags = ('--only', 'Pretrained', 'Ours', '--jobs', '2')

    def progress():
        patterns = ('experiments/*/training_states/*.state', 'sweeps/*/measured/*/*.json', 'sweeps/*/measured/*/.lock')
        return sum(len(list(root.glob(pattern))) for pattern in patterns)

    codes = []
    for kill in range(5):
        process, reached = start(root, *flags), progress() + draw.randint(1, 3)
        deadline = time.monotonic() + _TIMEOUT
        while progress() < reached and process.is_alive():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(draw.random() / 4)
        children = children_of(process.pid)
        process.kill()
        for child in children if kill % 2 else ():  # else they go on by themselves, and are waited for
            os.kill(child, signal.SIGKILL)
        codes.append(finish(process))
    assert set(codes) <= {-signal.SIGKILL, 0}
    assert codes.count(-signal.SIGKILL) > 2  # it was not done before
    assert finish(start(root, *flags)) == 0, (root / 'out.txt').read_text()
    values, expected = values_in(root), values_in(undisturbed)
    assert sorted(values) == ['tiny_Ours_seed0', 'tiny_Ours_seed1', 'tiny_Pretrained_shared']
    assert values == {name: expected[name] for name in values}


def test_trainings_of_another_sweep_are_copied_and_measured_to_the_same_values(clips, undisturbed, tmp_path):
    root = root_for(clips, tmp_path / 'root')
    flags = ('--only', 'Pretrained', 'Ours', '--reuse', str(undisturbed / 'sweeps' / NAME))
    assert finish(start(root, *flags)) == 0, (root / 'out.txt').read_text()
    assert not any('dlvr_plugin.train' in path.read_text() for path in root.glob('sweeps/*/logs/*.log'))
    values, expected = values_in(root), values_in(undisturbed)
    assert values == {name: expected[name] for name in values}
    assert len(values) == 3
    assert finish(start(root, *flags)) == 0
    assert 'no training is one that is left to do' in (root / 'out.txt').read_text()


@pytest.mark.skipif(find_spec('submitit') is None, reason='submitit is not installed')
def test_a_preempted_job_is_requeued_and_ends_with_the_same_values(undisturbed, tmp_path):
    """Here all that is started is a new process, in a folder that holds another package of this name."""
    other = tmp_path / 'other'
    (other / 'dlvr_plugin').mkdir(parents=True)
    (other / 'dlvr_plugin/__init__.py').write_text('raise RuntimeError("another checkout")')
    root, name = tmp_path / 'root', 'tiny_Ours_seed0'
    shutil.copytree(undisturbed, root)
    for folder in ('experiments', 'results', f'sweeps/{NAME}/measured'):
        shutil.rmtree(root / folder / name)
    log = root / f'sweeps/{NAME}/logs/{name}.log'
    log.unlink()
    folder = other if sys.version_info >= (3, 11) else None
    process = start(root, '--only', 'Ours', '--cluster', 'local', forks=False, folder=folder)
    deadline = time.monotonic() + _TIMEOUT
    while not (root / 'experiments' / name / 'training_states/2.state').exists():
        assert time.monotonic() < deadline
        assert process.is_alive()
        time.sleep(0.02)
    (controller,) = children_of(process.pid)
    (job,) = children_of(controller)
    os.kill(job, signal.SIGUSR2)  # what clusters send in front of preemption
    assert finish(process) == 0, (root / 'out.txt').read_text()
    assert 'Resuming training from iteration' in log.read_text()
    assert values_in(root) == values_in(undisturbed)


def test_a_run_that_fails_leaves_the_others_alone(undisturbed, tmp_path):
    root = tmp_path / 'root'
    shutil.copytree(undisturbed, root)
    name = 'tiny_Layer-1_seed0'
    shutil.rmtree(root / 'sweeps' / NAME / 'measured' / name)
    (root / 'experiments' / name / 'models/net_g_latest.pth').write_bytes(b'no network')
    assert finish(start(root)) == 1
    text = (root / 'out.txt').read_text()
    assert f'{name} failed with exit code 1' in text
    assert f'logs/{name}.log' in text
    assert 'net_g_latest.pth cannot be read as a checkpoint' in text
