"""Signals that reach the workers of a run."""

import os
import signal
import subprocess
import sys

SCRIPT = """
import sys
from torch.utils.data import DataLoader
from dlvr_plugin.core.workers import ignore_stop_signals

class Numbers:
    def __len__(self):
        return 1000
    def __getitem__(self, index):
        return index

kept = iter(DataLoader(Numbers(), num_workers=1, worker_init_fn=lambda number: ignore_stop_signals()))
next(kept)
print(kept._workers[0].pid, flush=True)
sys.stdin.readline()
print(sum(int(next(kept)) for _ in range(10)), flush=True)
raise SystemExit(3)  # while something still holds the workers
"""


def test_worker_outlives_signals_to_the_group_but_not_its_parent():
    process = subprocess.Popen([sys.executable, '-c', SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    worker = int(process.stdout.readline())
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(worker, number)
    try:
        output, _ = process.communicate('go on\n', timeout=60)
    finally:
        process.kill()
    assert output.split() == [str(sum(range(1, 11)))]
    assert process.returncode == 3
