"""Do the runs of a sweep: several at once, those first that others need, and the rest where one fails."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch

from dlvr_plugin.core.errors import StopRequested
from dlvr_plugin.sweep.run_state import next_step
from dlvr_plugin.sweep.sweep_folder import Case, Run, Sweep
from dlvr_plugin.training.stop_request import StopRequest

State = Literal['waits', 'runs', 'stops', 'finished', 'failed', 'left out']

_SECONDS_BETWEEN_LOOKS = 0.3


class RunHandle(Protocol):
    """A run at work, here or on a cluster."""

    def poll(self) -> int | None:
        """Return None while it works, then its exit code."""

    def stop(self) -> None:
        """Ask it to end and to save; ``poll`` says when it has."""

    def activity(self) -> str:
        """Return what it is doing, in a word or two."""


StartRun = Callable[[Case, Run, int], RunHandle]
"""Starts a run in a slot, a number from 0."""


@dataclass
class RunStatus:
    """How a run stands.

    Attributes:
        case: Its case.
        run: The run.
        state: Where it stands.
        activity: What it is doing while it works, or why it is left out.
        exit_code: That of a run that failed.
    """

    case: Case
    run: Run
    state: State = 'waits'
    activity: str = ''
    exit_code: int = 0


class Scheduler:
    """Does runs.

    Args:
        sweep: The sweep.
        runs: The runs to do, those first that others need.
        num_slots: How many are done at once.
        start: Starts one.
        show: Shows how all stand, whenever that was looked at.
    """

    def __init__(
        self,
        sweep: Sweep,
        runs: Iterable[tuple[Case, Run]],
        *,
        num_slots: int,
        start: StartRun,
        show: Callable[[Sequence[RunStatus]], object],
    ) -> None:
        self._sweep, self._start, self._show = sweep, start, show
        self.statuses = {run.name: RunStatus(case, run) for case, run in runs}
        self._free = list(range(num_slots))
        self._working: dict[str, tuple[int, RunHandle]] = {}

    def run(self) -> list[RunStatus]:
        """Do what is left to do.

        Returns:
            How all runs stand at the end.

        Raises:
            StopRequested: Ctrl-C or SIGTERM; all commands have ended, and the trainings have saved.
        """
        for status in self.statuses.values():
            if next_step(self._sweep, status.case, status.run) is None:
                status.state = 'finished'
        with StopRequest() as stop_request:
            try:
                signal_number = self._work(stop_request)
            except BaseException:
                self._stop_all()
                raise
        if signal_number:
            raise StopRequested(signal_number)
        return list(self.statuses.values())

    def _work(self, stop_request: StopRequest) -> int:
        """Do all runs, or until a signal asks to stop; return its number, 0 for none."""
        signal_number = 0
        while True:
            if not signal_number and (signal_number := stop_request.agreed(torch.device('cpu'))):
                self._stop_all()
            self._look()
            if not signal_number:
                self._start_what_can()
            self._show(list(self.statuses.values()))
            if not self._working:
                return signal_number
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def _stop_all(self) -> None:
        for name, (_, handle) in self._working.items():
            self.statuses[name].state = 'stops'
            handle.stop()

    def _look(self) -> None:
        """Look at the runs that work."""
        for name, (slot, handle) in list(self._working.items()):
            status, code = self.statuses[name], handle.poll()
            status.activity = handle.activity()
            if code is None:
                continue
            del self._working[name]
            self._free.append(slot)
            self._free.sort()
            if status.state == 'stops' and code != 0:
                status.state = 'waits'
            else:
                status.state, status.exit_code = ('failed', code) if code else ('finished', 0)

    def _start_what_can(self) -> None:
        for name, status in self.statuses.items():
            if status.state != 'waits':
                continue
            needed = [self.statuses[need] for need in status.run.needs]
            lost = next((each for each in needed if each.state in ('failed', 'left out')), None)
            if lost is not None:
                status.state, status.activity = 'left out', f'{lost.run.name} failed'
            elif self._free and all(each.state == 'finished' for each in needed):
                slot = self._free.pop(0)
                self._working[name] = slot, self._start(status.case, status.run, slot)
                status.state, status.activity = 'runs', 'starts'
