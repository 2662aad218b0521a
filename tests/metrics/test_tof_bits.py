"""tOF has the same bits each time: wherever its arrays lie in memory, in any number of threads, in any process."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.evaluation.evaluation_run import EvaluationRun
from dlvr_plugin.evaluation.protocol import Protocol
from dlvr_plugin.metrics import optical_flow, tof
from dlvr_plugin.metrics.optical_flow import farneback_flow
from dlvr_plugin.metrics.tof import flow_distance

REPEATED = """
import sys
import cv2, numpy as np
from dlvr_plugin.metrics import tof
cv2.setNumThreads(int(sys.argv[1]))
rng = np.random.default_rng(0)
base = cv2.GaussianBlur(rng.integers(0, 256, (340, 420, 3)).astype(np.uint8), (0, 0), 2)
truth = [np.ascontiguousarray(base[k : k + 301, 2 * k : 2 * k + 389]) for k in (0, 3)]
restored = [cv2.GaussianBlur(frame, (0, 0), 1.5) for frame in truth]
held = []
for size in rng.integers(1, 200000, 30):
    held.append(bytearray(size))  # so that the next arrays lie elsewhere
    print(tof(*restored, *truth).hex(), tof(*restored, *truth, norm='absolute').hex())
"""


@pytest.mark.parametrize('norm', ['euclidean', 'absolute'])
def test_the_distance_of_flows_does_not_depend_on_where_memory_is_free(norm):
    rng = np.random.default_rng(0)
    flow, flow2 = rng.standard_normal((2, 95, 121, 2)).astype(np.float32)
    held, found = [], set()
    for size in rng.integers(1, 100_000, 60):
        held.append(bytearray(size))  # so that the next arrays begin elsewhere
        found.add(flow_distance(flow, flow2, norm=norm))
    difference = flow.astype(np.float64) - flow2
    expected = np.hypot(*np.moveaxis(difference, 2, 0)) if norm == 'euclidean' else np.abs(difference).sum(axis=2)
    assert len(found) == 1
    assert found.pop() == pytest.approx(expected.mean(), rel=1e-6)


@pytest.mark.slow
def test_thirty_repeats_in_processes_of_one_and_two_threads_give_one_value():
    found = set()
    for threads in (1, 2):
        command = [sys.executable, '-c', REPEATED, str(threads)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert len(printed.splitlines()) == 30
        found.update(printed.splitlines())
    assert len(found) == 1


def test_evaluation_in_workers_or_from_its_journal_gives_the_bits_of_the_function(tmp_path, moving):
    truth = moving(2, 1, 4)
    restored = [cv2.GaussianBlur(frame, (0, 0), 1.2) for frame in truth]
    for name, frames in (('gt', truth), ('ours', restored)):
        (tmp_path / name / 'a').mkdir(parents=True)
        for index, frame in enumerate(frames):
            cv2.imwrite(str(tmp_path / name / 'a' / f'{index:08d}.png'), frame)
    expected = [tof(*restored[t - 1 : t + 1], *truth[t - 1 : t + 1]) for t in range(1, len(truth))]
    for num_workers in (0, 1, 0):  # the last time from the journal
        run = EvaluationRun(
            ClipReader(tmp_path / 'gt'),
            {'ours': ClipReader(tmp_path / 'ours')},
            metrics=('tof',),
            protocol=Protocol(skip_frames=0),
            num_workers=num_workers,
            journal=tmp_path / f'journal{num_workers}.jsonl',
        )
        assert run.run()['methods']['ours']['clips']['a']['frames']['tof'] == [None, *expected]


@pytest.mark.parametrize('size', [(20, 30), (65, 131), (301, 200)])
def test_large_frames_have_the_bits_of_small_ones(size, monkeypatch):
    rng = np.random.default_rng(0)
    previous = cv2.GaussianBlur(rng.integers(0, 256, size).astype(np.uint8), (0, 0), 2)
    turn = cv2.getRotationMatrix2D((size[1] / 2, size[0] / 2), 4, 1.02)
    current = cv2.warpAffine(previous, turn, size[::-1])
    expected = farneback_flow(previous, current)
    monkeypatch.setattr(optical_flow, '_HELD_PIXELS', 0)
    np.testing.assert_array_equal(farneback_flow(previous, current), expected)


def test_strips_join_without_a_seam(monkeypatch):
    rng = np.random.default_rng(0)
    previous = cv2.GaussianBlur(rng.integers(0, 256, (301, 200)).astype(np.uint8), (0, 0), 2)
    current = np.roll(previous, (2, -3), (0, 1))
    expected = cv2.calcOpticalFlowFarneback(previous, current, None, 0.5, 3, 15, 3, 5, 1.2, 0)
    monkeypatch.setattr(optical_flow, '_STRIP_PIXELS', 1)  # the least that they may have: 28 rows
    monkeypatch.setattr(optical_flow, '_solver', optical_flow.FlowSolver())
    difference = np.abs(farneback_flow(previous, current) - expected)
    assert difference.max() < 1e-3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='the parts of the memory are read from /proc')
def test_a_pair_of_8k_frames_takes_little_memory():
    code = """
import re, tracemalloc
from pathlib import Path
import cv2, numpy as np
from dlvr_plugin.core.memory import peak_memory
from dlvr_plugin.metrics import tof
small = np.random.default_rng(0).integers(0, 256, (560, 980, 3)).astype(np.uint8)
large = cv2.resize(small, None, fx=8, fy=8, interpolation=cv2.INTER_LINEAR)
truth = [large[s : s + 4320, 2 * s : 2 * s + 7680].copy() for s in (0, 3)]
del large
restored = [cv2.blur(frame, (9, 9)) for frame in truth]
tracemalloc.start()
assert tof(*restored, *truth) > 0
libraries = int(re.search('RssFile:\\s*(\\d+)', Path('/proc/self/status').read_text())[1]) / 2**10
print(tracemalloc.get_traced_memory()[1], peak_memory() - libraries)
"""
    printed = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True).stdout
    arrays, process = map(float, printed.split())
    assert arrays < 0.8e9
    # How much of the files of libraries is mapped depends on the machine, from 350 to 500 MB of the same process.
    assert process < 2e9 / 2**20
