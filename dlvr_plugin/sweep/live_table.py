"""How the runs of a sweep stand: a table that is rewritten in place on a terminal, lines elsewhere."""

import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from dlvr_plugin.report.text_table import format_table
from dlvr_plugin.sweep.run_log import read_progress
from dlvr_plugin.sweep.scheduler import RunStatus
from dlvr_plugin.sweep.sweep_folder import Sweep

_HEADERS = ('case', 'seed', 'state', 'iteration', 'left', 'losses')
_ORDER = {'runs': 0, 'stops': 0, 'failed': 1, 'left out': 2, 'waits': 3, 'finished': 4}
_SECONDS_BETWEEN_TABLES = 1.0
_LINES_AROUND = 5  # the header, the line below it, what is left out, the sum, and where the cursor is


class LiveTable:
    """Shows the runs of a sweep.

    Args:
        sweep: The sweep.
        out: Where to.
    """

    def __init__(self, sweep: Sweep, out: TextIO) -> None:
        self._sweep, self._out, self._is_terminal = sweep, out, out.isatty()
        self._num_lines, self._shown_at = 0, 0.0
        self._said: dict[str, str] = {}

    def show(self, statuses: Sequence[RunStatus]) -> None:
        """Show how all runs stand; on a terminal once a second and where one has changed."""
        changed = [status for status in statuses if self._said.get(status.run.name) != _state_of(status)]
        self._said = {status.run.name: _state_of(status) for status in statuses}
        if not self._is_terminal:
            for status in changed:
                if status.state != 'waits':
                    self._out.write(f'{time.strftime("%H:%M:%S")} {_label(status)}: {_state_of(status)}\n')
            self._out.flush()
        elif changed or time.monotonic() > self._shown_at + _SECONDS_BETWEEN_TABLES:
            size = shutil.get_terminal_size()
            lines = [line[: size.columns - 1] for line in self.format(statuses, size.lines).splitlines()]
            up = f'\033[{self._num_lines}F\033[J' if self._num_lines else ''
            self._out.write(up + '\n'.join(lines) + '\n')
            self._out.flush()
            self._num_lines, self._shown_at = len(lines), time.monotonic()

    def format(self, statuses: Sequence[RunStatus], num_lines: int) -> str:
        """Return the table, with the runs that move first where not all fit.

        Args:
            statuses: The runs.
            num_lines: Height of the terminal.
        """
        room = max(num_lines - _LINES_AROUND, 1)
        shown = list(statuses)
        if len(shown) > room:
            first = sorted(range(len(shown)), key=lambda index: _ORDER[shown[index].state])[:room]
            shown = [shown[index] for index in sorted(first)]
        text = format_table(_HEADERS, [self._row(status) for status in shown])
        if len(shown) < len(statuses):
            text += f'\n... and {len(statuses) - len(shown)} more'
        counts: Counter[str] = Counter(status.state for status in statuses)
        return text + '\n' + ', '.join(f'{counts[state]} {state}' for state in _ORDER if counts[state])

    def _row(self, status: RunStatus) -> list[str]:
        total = int(status.run.options['train']['total_iter']) if status.run.trains else 0
        iteration, left, losses = '', '', ''
        progress = read_progress(self._log_of(status)) if total and status.state != 'finished' else None
        if total and status.state == 'finished':
            iteration = f'{total}/{total}'
        elif progress is not None:
            iteration, losses = f'{progress.iteration}/{total}', progress.losses
            left = progress.left if status.state == 'runs' and progress.iteration < total else ''
        return [status.case.name, _seed(status), _state_of(status), iteration, left, losses]

    def _log_of(self, status: RunStatus) -> Path:
        return self._sweep.log_file(status.run)


def _state_of(status: RunStatus) -> str:
    if status.state == 'runs' and status.activity:
        return status.activity
    if status.state == 'left out':
        return f'left out: {status.activity}'
    return f'failed ({status.exit_code})' if status.state == 'failed' else status.state


def _seed(status: RunStatus) -> str:
    return 'all' if status.run.is_shared else str(status.run.seed)


def _label(status: RunStatus) -> str:
    return f'{status.case.name}, {status.run.seed_label}'
