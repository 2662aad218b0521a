import os
import signal

import pytest

from dlvr_plugin.core.errors import StopRequested
from dlvr_plugin.sweep.live_table import LiveTable
from dlvr_plugin.sweep.run_log import last_error, read_progress
from dlvr_plugin.sweep.scheduler import Scheduler
from tests.sweep.test_sweep_folder import small_sweep


class Steps:
    """A run that works for some looks, and ends with a code."""

    def __init__(self, looks, code):
        self.looks, self.code = looks, code

    def poll(self):
        self.looks -= 1
        return self.code if self.looks < 0 else None

    def stop(self):
        self.looks, self.code = 1, 143

    def activity(self):
        return 'training'


def schedule(sweep, codes, num_slots=2, on_start=lambda name: None):
    """Do the runs of a sweep with these exit codes; return the scheduler and the names that were started, by slot."""
    started = []

    def start(case, run, slot):
        started.append((run.name, slot))
        on_start(run.name)
        return Steps(1, codes.get(run.name, 0))

    scheduler = Scheduler(sweep, sweep.runs(), num_slots=num_slots, start=start, show=lambda statuses: None)
    return scheduler, started


@pytest.fixture
def sweep(tmp_path):
    sweep = small_sweep(tmp_path)
    for _, run in sweep.runs():
        run.options['train'] = {'total_iter': 10}  # type: ignore[index]
    return sweep


def test_what_others_need_comes_first_and_slots_are_used(sweep):
    scheduler, started = schedule(sweep, {})
    assert {status.state for status in scheduler.run()} == {'finished'}
    assert started[0] == ('s_pre_shared', 0)
    assert dict(started[1:3]) == {'s_Pretrained_shared': 0, 's_Ours_seed0': 1}
    assert started[3][0] == 's_Ours_seed7'


def test_a_run_that_fails_stops_only_what_needs_it(sweep):
    scheduler, started = schedule(sweep, {'s_Ours_seed0': 3})
    states = {status.run.name: (status.state, status.exit_code) for status in scheduler.run()}
    assert states['s_Ours_seed0'] == ('failed', 3)
    assert states['s_Ours_seed7'] == states['s_Pretrained_shared'] == ('finished', 0)
    scheduler, started = schedule(sweep, {'s_pre_shared': 1})
    assert [status.state for status in scheduler.run()] == ['failed', 'left out', 'left out', 'left out']
    assert [name for name, _ in started] == ['s_pre_shared']


def test_a_signal_ends_the_runs_and_starts_no_more(sweep):
    scheduler, started = schedule(sweep, {}, on_start=lambda name: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(StopRequested) as stopped:
        scheduler.run()
    assert stopped.value.exit_code == 143
    assert [name for name, _ in started] == ['s_pre_shared']
    assert scheduler.statuses['s_pre_shared'].state == 'waits'


LINE = (
    '2026-01-01 10:00:00,000 INFO: [s_Ours_seed0] epoch: 0, iter:   1,234, lr: 1.00e-04 1.00e-05 | l_g_pix: 0.004273 '
    't_acc_real: 0.93 grad_norm_g: 1.5 | 0.123 s/iter (data 0.001), 16.2 samples/s, 2 days, 1:02:03 left\n'
)


def test_progress_is_read_from_the_last_line(tmp_path):
    log = tmp_path / 'run.log'
    assert read_progress(log) is None
    log.write_text(LINE.replace('1,234', '1,200') + LINE + 'DataError: a frame cannot be read.\nmore\n')
    progress = read_progress(log)
    assert (progress.iteration, progress.left) == (1234, '2 days, 1:02:03')
    assert progress.losses == 'l_g_pix 0.004273 t_acc_real 0.93'
    assert last_error(log) == 'DataError: a frame cannot be read.'
    log.write_text('OptionsError: 1 problem in a.yml:\na.yml:3: scale: is missing.\nmore\n')
    assert last_error(log) == 'OptionsError: 1 problem in a.yml: a.yml:3: scale: is missing.'


class Terminal(list):
    def isatty(self):
        return True

    def write(self, text):
        self.append(text)

    def flush(self):
        pass


def test_a_terminal_shows_a_table_that_is_rewritten(sweep):
    scheduler, _ = schedule(sweep, {})
    statuses = list(scheduler.statuses.values())
    statuses[2].state, statuses[2].activity = 'runs', 'training'
    log = sweep.log_file(statuses[2].run)
    log.parent.mkdir(parents=True)
    log.write_text(LINE.replace('1,234', '4'))
    out = Terminal()
    table = LiveTable(sweep, out)
    table.show(statuses)
    rows = out[0].splitlines()
    assert rows[4].split() == ['Ours', '0', 'training', '4/10', '2', 'days,', '1:02:03', *rows[4].split()[7:]]
    assert rows[-1] == '1 runs, 3 waits'
    statuses[2].state = 'finished'
    table.show(statuses)
    assert out[1].startswith(f'\033[{len(rows)}F\033[J')
    assert '10/10' in out[1]


def test_a_small_terminal_shows_what_moves(sweep):
    scheduler, _ = schedule(sweep, {})
    statuses = list(scheduler.statuses.values())
    statuses[3].state, statuses[3].activity = 'runs', 'training'
    lines = LiveTable(sweep, Terminal()).format(statuses, num_lines=6).splitlines()
    assert [line.split()[:3] for line in lines[2:4]] == [['Ours', '7', 'training'], ['...', 'and', '3']]
