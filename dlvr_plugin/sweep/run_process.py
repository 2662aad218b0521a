"""The commands of one run, one after another, each a process of its own whose output goes to the run's log."""

import contextlib
import os
import shlex
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from dlvr_plugin.core.command import environment_for_commands
from dlvr_plugin.core.errors import InUseError
from dlvr_plugin.core.folder_lock import FolderLock
from dlvr_plugin.sweep.run_state import Step, next_step
from dlvr_plugin.sweep.sweep_folder import Case, Run, Sweep

STOPPED = 143
"""Exit code of a run that was asked to end, as shells have it for SIGTERM."""

_SECONDS_BETWEEN_LOOKS = 2.0  # at a lock that somebody else holds


class RunProcess:
    """Trains, restores and measures, as far as that is not done.

    What another process is doing already is waited for: a command of a sweep that was killed goes on by itself.

    Args:
        sweep: The sweep.
        case: Case of the run.
        run: The run.
        environment: Variables that its commands get beside those of this process.

    Attributes:
        step: The command that works now, or is to work next; None in front of the first and after the last.
        waits_for_lock: Whether another process does it.
    """

    def __init__(self, sweep: Sweep, case: Case, run: Run, environment: Mapping[str, str] | None = None) -> None:
        self.sweep, self.case, self.run = sweep, case, run
        self.step: Step | None = None
        self.waits_for_lock = False
        self._environment = {
            **os.environ,
            'TQDM_DISABLE': '1',  # no bars in logs
            **environment_for_commands(sweep.root),
            **(environment or {}),
        }
        self._child: subprocess.Popen[bytes] | None = None
        self._looked, self._is_stopped = 0.0, False

    def poll(self) -> int | None:
        """Go on to the next command where one has ended.

        Returns:
            None while there is something to do, 0 when all is done, else the exit code of the command that failed.
        """
        if self._child is not None:
            code = self._child.poll()
            if code is None:
                return None
            self._child = None
            if self._is_stopped or code != 0:
                return STOPPED if self._is_stopped else code
        elif self.waits_for_lock and time.monotonic() < self._looked + _SECONDS_BETWEEN_LOOKS:
            return STOPPED if self._is_stopped else None
        if self._is_stopped:
            return STOPPED
        return self._go_on()

    def _go_on(self) -> int | None:
        before, waited = self.step, self.waits_for_lock
        self.step, self.waits_for_lock = next_step(self.sweep, self.case, self.run), False
        if self.step is None:
            return 0
        if self.step == before and not waited:
            self._log(f'{self.step.action} ended well, and left nothing that counts as a result.')
            return 1
        if _is_held(self.step.lock):
            self.waits_for_lock, self._looked = True, time.monotonic()
            return None
        self._log(f'$ {shlex.join(self.step.command)}')
        with self._open_log() as log:
            # A group of its own: Ctrl-C of the terminal reaches this process alone, which ends the command once.
            self._child = subprocess.Popen(
                self.step.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        return None

    def activity(self) -> str:
        """Return what is done now."""
        if self.step is None:
            return 'starts'
        return f'{self.step.action}{" by another process" if self.waits_for_lock else ""}'

    def stop(self) -> None:
        """Ask the command to end; a training saves first. ``poll`` says when it has."""
        self._is_stopped = True
        if self._child is not None:
            self._child.terminate()

    def wait_for_end(self) -> None:
        """Wait until the command has ended, from within the handler of a signal, too."""
        if self._child is not None:
            with contextlib.suppress(ChildProcessError):  # the code that was interrupted has just seen its end
                os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOWAIT)

    def _log(self, line: str) -> None:
        with self._open_log() as file:
            file.write(f'{line}\n'.encode())

    def _open_log(self) -> BinaryIO:
        path = self.sweep.log_file(self.run)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open('ab')


def _is_held(lock: Path) -> bool:
    """Tell whether another process holds a lock."""
    try:
        with FolderLock(lock, lock):
            return False
    except InUseError:
        return True
