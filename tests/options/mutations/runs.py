"""Runs of mutated option files: each in a process and a root of its own, and what became of it.

A run is that of the command: ``main`` of ``dlvr_plugin.train`` or ``dlvr_plugin.test`` with the flag ``-opt``. Nothing
that a mutation says is set back to something harmless; PyTorch alone is told not to compile. A run that goes on after
its second iteration is stopped by SIGTERM, as a user would stop it. The process may take ``MEMORY`` beyond what it
begins with, and start ``MAX_PROCESSES``, so that options that ask for too much fail as they do on a machine that has
no more.

Around the root lie things that no run may touch: finished runs, of the same name and of another one, a folder beside
the root, a home, and the data.
"""

import contextlib
import ctypes
import errno
import faulthandler
import multiprocessing
import os
import re
import resource
import shutil
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import torch
import yaml

from dlvr_plugin import test, train
from tests.options.mutations.outcomes import Outcome, last_iteration, listing, outcome_of
from tests.options.mutations.shrunk import DATA, FILES, WORK, fill_in, shrunk

MEMORY = 4 * 2**30  # bytes
MAX_PROCESSES = 80  # more than the workers that every check of options takes, and the rest
LARGEST_FILE = 2**30  # bytes
TIMEOUT = 60.0  # seconds; then a run hangs
_PATIENCE = 0.6  # part of it after which a run is asked to stop, in case that it logs no iterations
_PR_SET_PDEATHSIG = 1  # of Linux
_FORK = multiprocessing.get_context('fork')


@dataclass(frozen=True)
class Run:
    """What a run has done.

    Attributes:
        outcome: Kind of its end.
        exit_code: Of the process; negative for the signal that ended it.
        seconds: How long it took.
        log: What it wrote to the screen.
        changes: What it changed that it had to leave alone, a line each.
    """

    outcome: Outcome
    exit_code: int | None
    seconds: float
    log: str
    changes: tuple[str, ...]


class Runner:
    """Runs option files, one at a time, in a folder. It forks, and so belongs in a process with one thread.

    Args:
        folder: Empty folder.
        data: What ``make_data`` made; it is copied, so that runs at the same time don't see each other's changes.
    """

    def __init__(self, folder: Path, data: Path) -> None:
        # Three folders below what is watched, so that paths with ``..`` stay in it.
        self.watched = folder / 'watched'
        self.root = self.watched / 'a/b/root'
        self.data = data
        self.caches = folder / 'caches'
        self.log = folder / 'run.log'
        self.has_begun = folder / 'has_begun'
        self.option_file = folder / 'options.yml'
        self.watched.mkdir()
        self.caches.mkdir()
        shutil.copytree(data, self.watched / 'data')
        torch.set_num_threads(1)
        self._warm_up()

    def run(self, opt: dict[str, Any], *, name: str, timeout: float = TIMEOUT) -> Run:
        """Run options.

        Args:
            opt: Options, with words for folders that ``fill_in`` replaces.
            name: Name of the finished run that the root holds.
            timeout: Seconds after which it hangs.
        """
        self._write_finished_runs(name)
        filled = fill_in(opt, {DATA: self.watched / 'data', WORK: self.root.parent})
        self.option_file.write_text(yaml.dump(filled, Dumper=_Dumper, sort_keys=False))
        before = listing(self.watched)
        for _ in range(3):  # PyTorch's threads may keep a forked process from beginning at all
            exit_code, seconds = self._start('train' if 'train' in opt else 'test', timeout)
            if self.has_begun.exists():
                break
        log = _text(self.log)
        outcome, changes = outcome_of(
            exit_code,
            log,
            before,
            listing(self.watched),
            root=self.root.relative_to(self.watched).as_posix(),
            name=str(filled.get('name')),
        )
        if any(' data' in change for change in changes):
            shutil.rmtree(self.watched / 'data')
            shutil.copytree(self.data, self.watched / 'data')
        return Run(outcome, exit_code, seconds, log, tuple(changes))

    def _start(self, command: str, timeout: float) -> tuple[int | None, float]:
        """Start a command and wait for it; returns its exit code, None where it hangs, and how long it took."""
        for file in (self.log, self.has_begun):
            file.unlink(missing_ok=True)
        began = time.monotonic()
        process = _FORK.Process(target=self._main, args=(command,))
        process.start()
        assert process.pid is not None
        hangs = not self._wait(process.sentinel, process.pid, began + timeout * _PATIENCE, began + timeout)
        with contextlib.suppress(ProcessLookupError):  # what it started; none is left after a run that ended well
            os.killpg(process.pid, signal.SIGKILL)
        process.join()
        seconds = time.monotonic() - began
        return None if hangs or process.exitcode == -signal.SIGTERM else process.exitcode, seconds

    def _wait(self, sentinel: int, pid: int, stop_at: float, end: float) -> bool:
        """Wait for a run, and stop it after its second iteration; returns whether it has ended."""
        asked = False
        while not wait([sentinel], 0.05):
            now = time.monotonic()
            is_late = now > stop_at
            if not asked and (is_late or last_iteration(_text(self.log)) > 2):
                if is_late:
                    os.kill(pid, signal.SIGQUIT)  # the log then says where it is
                os.kill(pid, signal.SIGTERM)
                asked = True
            if now > end:
                return False
        return True

    def _main(self, command: str) -> None:
        """Be the process of a run."""
        os.setsid()
        _end_with_parent()
        torch.set_num_threads(1)  # once more: PyTorch's threads do not survive a fork, and not all find out at once
        multiprocessing.set_start_method('fork', force=True)
        os.environ.update(DLVR_ROOT=str(self.root), HOME=str(self.watched / 'home'), TORCH_HOME=str(self.caches))
        os.environ.update({f'{protocol}_proxy': 'http://127.0.0.1:9' for protocol in ('http', 'https')})  # no network
        os.environ['TORCHDYNAMO_DISABLE'] = '1'  # train.compile: compiling takes a minute and more of a core
        os.environ.pop('DLVR_TRACEBACK', None)
        os.chdir(self.root)
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(log, stream)
        faulthandler.register(signal.SIGQUIT)
        used = int(re.findall(r'VmSize:\s*(\d+)', Path('/proc/self/status').read_text())[0]) * 1024
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, -1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, -1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _limit_forks()
        self.has_begun.touch()
        sys.exit({'train': train, 'test': test}[command].main(['-opt', str(self.option_file)]))

    def _write_finished_runs(self, name: str) -> None:
        """Make the root anew, with finished runs that shall stay as they are."""
        for entry in self.watched.iterdir():
            if entry.name != 'data':
                shutil.rmtree(entry)
        for run in (name, 'other'):
            for file in ('models/net_g_latest.pth', 'training_states/2.state', f'{run}.yml', 'train.log'):
                _write(self.root / 'experiments' / run / file, f'{run} {file}')
            _write(self.root / 'tb_logger' / run / 'events', f'events of {run}')
            _write(self.root / 'results' / run / 'visualization/REDS4/000/00000000.png', f'picture of {run}')
        _write(self.root.parent / 'precious/file', 'precious')
        (self.watched / 'home').mkdir()

    def _warm_up(self) -> None:
        """Have every run begin with what a check of options leaves in memory: that is most of a refused one's time."""
        sink, streams = os.open(os.devnull, os.O_WRONLY), [os.dup(1), os.dup(2)]
        for stream in (1, 2):
            os.dup2(sink, stream)
        try:
            for file in FILES[:3]:
                opt = shrunk(file)
                opt['nam'] = 'misspelt'
                self.option_file.write_text(yaml.dump(opt, Dumper=_Dumper))
                exit_code = (train if 'train' in opt else test).main(['-opt', str(self.option_file)])
                assert exit_code == 1, file
        finally:
            for stream, kept in zip((1, 2), streams, strict=True):
                os.dup2(kept, stream)
            for each in (sink, *streams):
                os.close(each)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _text(path: Path) -> str:
    return path.read_text(errors='replace') if path.exists() else ''


def _end_with_parent() -> None:
    """Have the system kill this process when the one that started it has died, where the system can."""
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit_forks() -> None:
    """Let this process and its children start so many processes each, as a limit of the system would, root's too."""
    fork, left = os.fork, [MAX_PROCESSES]

    def fork_or_fail() -> int:
        left[0] -= 1
        if left[0] < 0:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return fork()

    os.fork = fork_or_fail


_runner: Runner | None = None


def start_worker(data: Path, folder: Path) -> None:
    """Prepare a process of a pool for ``run_in_worker``; its files lie in a folder of its own below ``folder``."""
    global _runner
    _end_with_parent()
    os.environ['CUDA_VISIBLE_DEVICES'] = ''
    own = folder / f'worker-{os.getpid()}'
    own.mkdir()
    _runner = Runner(own, data)


def run_in_worker(opt: dict[str, Any], name: str, timeout: float = TIMEOUT) -> Run:
    """Run options in a process of a pool, see ``Runner.run``."""
    assert _runner is not None
    return _runner.run(opt, name=name, timeout=timeout)


def pool(folder: Path, data: Path, jobs: int) -> ProcessPoolExecutor:
    """Return processes for ``run_in_worker``.

    Args:
        folder: Where runs write.
        data: What ``make_data`` made, or an empty folder, where no run reads it.
        jobs: Their number.
    """
    context = multiprocessing.get_context('spawn')
    return ProcessPoolExecutor(jobs, context, initializer=start_worker, initargs=(data, folder))
