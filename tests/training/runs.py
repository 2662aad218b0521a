"""Training runs in processes of their own, which may be killed, and their results to compare."""

import multiprocessing
import os
import re
import resource
import signal
import socket
import sys
import time
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import torch

from tests.helpers import write_options

# Its server imports everything once and starts each run in a moment.
_CONTEXT = multiprocessing.get_context('forkserver')
_CONTEXT.set_forkserver_preload(['tests.training.runs', 'dlvr_plugin.train'])
TIMEOUT = 120  # seconds; no run of a test takes longer, unless it hangs


def start(
    opt: dict[str, Any],
    root: Path,
    *flags: str,
    label: str = 'run',
    begin: Barrier | None = None,
    environment: Mapping[str, str] | None = None,
    **faults: int,
) -> BaseProcess:
    """Start a run; its log goes to ``LABEL.log`` in the root of the experiments.

    Args:
        opt: Options.
        root: Root of the experiments.
        *flags: Of the train command.
        label: Tells runs apart that share a root.
        begin: Where runs that begin at once wait for one another, see ``barrier``.
        environment: Variables that are set for it.
        **faults: ``kill_at_sync``: number of the file whose writing is cut off by SIGKILL, from 1; ``largest_file``:
            bytes that a file may have.
    """
    root.mkdir(exist_ok=True)
    path = write_options(opt, root / f'{label}.yml')
    environment = {'DLVR_ROOT': str(root), **(environment or {})}
    process = _CONTEXT.Process(
        target=_run, args=(environment, root / f'{label}.log', ['-opt', str(path), *flags], faults, begin)
    )
    process.start()
    return process


def start_together(opt: dict[str, Any], root: Path, *flags: str, number: int, **environment: str) -> list[BaseProcess]:
    """Start a run of several processes, as torchrun does; each logs to ``RANK.log``.

    Args:
        opt: Options.
        root: Root of the experiments.
        *flags: Of the train command.
        number: Processes.
        **environment: Variables that are set for them, with ``{rank}`` for the number of each.
    """
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    common = {
        **environment,
        'WORLD_SIZE': str(number),
        'MASTER_ADDR': '127.0.0.1',
        'MASTER_PORT': str(port),
        'RANK': '{rank}',
        'LOCAL_RANK': '{rank}',
    }
    return [
        start(
            opt, root, *flags, '--launcher', 'pytorch', label=str(rank),
            environment={name: value.format(rank=rank) for name, value in common.items()},
        )
        for rank in range(number)
    ]  # fmt: skip


def barrier(number: int) -> Barrier:
    """Return where a number of runs wait for one another in front of their first line."""
    return _CONTEXT.Barrier(number)


def finish(process: BaseProcess) -> int:
    """Wait for a run, and return its exit code."""
    process.join(TIMEOUT)
    assert not process.is_alive(), 'the run hangs'
    assert process.exitcode is not None
    return process.exitcode


def _run(
    environment: dict[str, str], log_file: Path, argv: list[str], faults: dict[str, int], begin: Barrier | None
) -> None:
    from dlvr_plugin import train

    # As in a process that was not forked by the server: workers are children of the run, and end with it.
    multiprocessing.set_start_method('fork', force=True)
    os.environ.update(environment)
    torch.set_num_threads(1)
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    if 'largest_file' in faults:
        resource.setrlimit(resource.RLIMIT_FSIZE, (faults['largest_file'], -1))
    if 'kill_at_sync' in faults:
        _kill_at_sync(faults['kill_at_sync'])
    if begin is not None:
        begin.wait(TIMEOUT)
    sys.exit(train.main(argv))


def _kill_at_sync(number: int) -> None:
    """Kill this process while it writes a file that has not got its name yet."""
    sync, left = os.fsync, [number]

    def sync_or_die(descriptor: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(descriptor)

    os.fsync = sync_or_die


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    deadline = time.monotonic() + TIMEOUT
    while not path.exists():
        assert time.monotonic() < deadline, f'{path} does not come'
        time.sleep(0.01)


def wait_for_text(root: Path, pattern: str) -> None:
    """Wait until a run has logged something."""
    wait_for(root / 'run.log')
    deadline = time.monotonic() + TIMEOUT
    while not re.search(pattern, (root / 'run.log').read_text()):
        assert time.monotonic() < deadline, (root / 'run.log').read_text()[-2000:]
        time.sleep(0.01)


def everything(root: Path, name: str, iteration: int) -> dict[str, Any]:
    """Return all networks and the training state of an iteration, without what differs from run to run."""
    folder = root / 'experiments' / name
    files = [*folder.glob(f'models/net_*_{iteration}.pth'), folder / f'training_states/{iteration}.state']
    content = {path.name: torch.load(path, weights_only=True) for path in sorted(files)}
    state = content[f'{iteration}.state']
    del state['networks'], state['options']  # hashes of files; the name, and how often is saved
    for each in content.values():
        each.pop('description', None)  # it has the name of the run
    return content


def go_back_to(root: Path, name: str, iteration: int) -> None:
    """Remove the checkpoints after an iteration, as if the run had been stopped there."""
    folder = root / 'experiments' / name
    for path in [*folder.glob('models/net_*_*.pth'), *folder.glob('training_states/*.state')]:
        number = path.stem.rpartition('_')[-1]
        if number.isdigit() and int(number) > iteration:
            path.unlink()


def assert_equal(one: Any, other: Any, where: str = '') -> None:
    """Compare nested containers bit for bit."""
    if torch.is_tensor(one):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert list(one) == list(other), where
        for key in one:
            assert_equal(one[key], other[key], f'{where}.{key}')
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for index, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_equal(a, b, f'{where}[{index}]')
    else:
        assert one == other, where
