"""Whatever the options are, a run ends well or by a named error; one that fails early leaves everything as it was."""

import json
import sys

import pytest

from tests.options.mutations.__main__ import main
from tests.options.mutations.edits import EDITS, mutation, unchanged
from tests.options.mutations.outcomes import Outcome, all_changes, changes_beyond, last_iteration, outcome_of
from tests.options.mutations.runs import pool, run_in_worker
from tests.options.mutations.shrunk import FILES, SMALL, make_data, shrunk

SEED, COUNT = 2024, 140

# Classes that go wrong in ways of their own, to see that each is told.
OWN_CLASSES = """
import os, signal, time
from pathlib import Path

import torch
from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import DATASET_REGISTRY, MODEL_REGISTRY

from dlvr_plugin.core.errors import DataError

ROOT = Path(os.environ['DLVR_ROOT'])


@DATASET_REGISTRY.register()
class Noise(torch.utils.data.Dataset):
    def __init__(self, opt):
        self.opt = opt

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return {'lq': torch.rand(3, 8, 8), 'gt': torch.rand(3, 32, 32)}


@MODEL_REGISTRY.register()
class Broken(SRModel):
    def optimize_parameters(self, current_iter):
        raise RuntimeError('broken on purpose')


@MODEL_REGISTRY.register()
class Endless(SRModel):
    def optimize_parameters(self, current_iter):
        while True:
            time.sleep(1)


@MODEL_REGISTRY.register()
class Killed(SRModel):
    def optimize_parameters(self, current_iter):
        os.kill(os.getpid(), signal.SIGKILL)


@MODEL_REGISTRY.register()
class Greedy(SRModel):
    def optimize_parameters(self, current_iter):
        torch.ones(2**36)


@MODEL_REGISTRY.register()
class Careless(SRModel):
    def __init__(self, opt):
        (ROOT / 'experiments/finished').rename(ROOT / 'experiments/aside')
        raise DataError('the data is not what it should be')


@MODEL_REGISTRY.register()
class Thief(SRModel):
    def optimize_parameters(self, current_iter):
        super().optimize_parameters(current_iter)
        (ROOT / 'experiments/other/train.log').unlink(missing_ok=True)
"""


def test_they_are_functions_of_seed_and_index():
    lines = [mutation(SEED, index).line for index in range(COUNT)]
    assert lines == [mutation(SEED, index).line for index in range(COUNT)]
    assert len(set(lines)) > 0.95 * COUNT
    assert {line.partition(':')[0] for line in lines} == set(FILES)
    assert all('\n' not in line for line in lines)
    assert all(repr(mutation(SEED, index).opt) != repr(shrunk(FILES[index % len(FILES)])) for index in range(COUNT))


def test_every_kind_of_edit_is_drawn(monkeypatch):
    drawn = set()

    def noting(edit):
        def note(*args):
            if (line := edit(*args)) is not None:
                drawn.add(edit)
            return line

        return note

    kinds = dict(EDITS)
    monkeypatch.setattr('tests.options.mutations.edits.EDITS', {noting(edit): weight for edit, weight in kinds.items()})
    for index in range(COUNT):
        mutation(SEED, index)
    assert drawn == set(kinds)


NAME, ROOT = 'finished', 'a/root'
BEFORE = {
    'a/root/experiments': 'folder',
    'a/root/experiments/finished/net.pth': 'weights',
    'a/root/experiments/finished/run.log': 'log',
    'a/root/experiments/other/net.pth': 'others',
    'a/precious': 'precious',
}
MOVED = {key.replace('finished', 'finished_archived_20300101_000000'): value for key, value in BEFORE.items()}
TRAINED = '[fin] epoch: 0, iter:       2, lr: 1e-4'


@pytest.mark.parametrize(
    ('exit_code', 'log', 'after', 'outcome'),
    [
        (1, 'OptionsError: 1 problem', BEFORE, Outcome.REFUSED),
        (1, 'DataError: short', MOVED, Outcome.CHANGED),
        (1, 'DataError: short', {**BEFORE, 'a/root/experiments/new': 'folder'}, Outcome.CHANGED),
        (1, f'{TRAINED}\nDataError: short', MOVED, Outcome.FAILED),
        (1, 'DivergenceError: Iteration 1, samples', MOVED, Outcome.FAILED),
        (0, TRAINED, {**MOVED, 'a/root/experiments/finished/net.pth': 'new'}, Outcome.RAN),
        (0, TRAINED, {**BEFORE, 'a/root/experiments/finished/net.pth': 'new'}, Outcome.CHANGED),
        (0, TRAINED, {**MOVED, 'a/elsewhere': 'folder'}, Outcome.CHANGED),
        (0, TRAINED, {**MOVED, 'a/root/results/another/frame.png': 'frame'}, Outcome.CHANGED),
        (0, TRAINED, {key: value for key, value in BEFORE.items() if 'other' not in key}, Outcome.CHANGED),
        (0, TRAINED, {key: value for key, value in MOVED.items() if 'run.log' not in key}, Outcome.CHANGED),
        (143, TRAINED, MOVED, Outcome.RAN),
        (143, 'Stopped and saved at iteration 1,234: --auto_resume', MOVED, Outcome.RAN),
        (143, 'Building the model', BEFORE, Outcome.HANG),
        (None, TRAINED, MOVED, Outcome.HANG),
        (1, 'This is a defect, not a mistake of yours:', BEFORE, Outcome.TRACEBACK),
        (0, 'Traceback (most recent call last):\n', BEFORE, Outcome.TRACEBACK),
        (-9, TRAINED, BEFORE, Outcome.KILLED),
        (2, 'OptionsError: usage', BEFORE, Outcome.KILLED),
        (1, '', BEFORE, Outcome.KILLED),
    ],
)
def test_outcomes(exit_code, log, after, outcome):
    assert outcome_of(exit_code, log, BEFORE, after, root=ROOT, name=NAME)[0] is outcome


def test_changes_are_named():
    after = {'a/root/experiments/finished/net.pth': 'others', 'a/precious': 'precious', 'b': 'folder'}
    assert all_changes({'a/precious': 'precious', 'a/gone': '1', 'b': '2'}, after) == [
        'gone: a/gone',
        'changed: b',
        'new: a/root/experiments/finished/net.pth',
    ]
    assert changes_beyond(BEFORE, MOVED, root=ROOT, name=NAME) == []
    assert changes_beyond({}, MOVED, root=ROOT, name='renamed') == [f'new: {path}' for path in list(MOVED)[1:]]
    assert last_iteration('iter:   1,002, lr\niter:       7, lr') == 1002
    assert last_iteration('pretrained for 5 iterations') == 0


def own_options(folder, **changes):
    """Return options of a run on noise, whose classes are those above."""
    (folder / 'own.py').write_text(OWN_CLASSES)
    opt = {
        'name': NAME,
        'model_type': 'SRModel',
        'imports': [str(folder / 'own.py')],
        'scale': 4,
        'num_gpu': 0,
        'manual_seed': 0,
        'datasets': {'train': {'name': 'noise', 'type': 'Noise', 'num_worker_per_gpu': 0, 'batch_size_per_gpu': 2}},
        'network_g': {'type': 'EDSR', **SMALL['EDSR']},
        'path': {},
        'train': {
            'optim_g': {'type': 'Adam', 'lr': 1e-4},
            'scheduler': {'type': 'MultiStepLR', 'milestones': [2]},
            'total_iter': 2,
            'pixel_opt': {'type': 'L1Loss'},
        },
        'logger': {'print_freq': 1, 'save_checkpoint_freq': 2, 'use_tb_logger': False},
    }
    train = {**opt['train'], **changes.pop('train', {})}
    return {**opt, 'train': train, **changes}


@pytest.fixture(scope='module')
def _linux():
    if sys.platform != 'linux':
        pytest.skip('runs of mutations need Linux')


@pytest.fixture(scope='module')
def worker(tmp_path_factory, _linux):
    """A process for runs that need no data."""
    data = tmp_path_factory.mktemp('data')
    with pool(tmp_path_factory.mktemp('runs'), data, 1) as workers:
        yield lambda opt, **kwargs: workers.submit(run_in_worker, opt, NAME, **kwargs).result()


@pytest.mark.parametrize(
    ('changes', 'outcome', 'said'),
    [
        ({}, Outcome.RAN, 'End of training at iteration 2'),
        ({'train': {'total_iter': 10**9}}, Outcome.RAN, 'Stopped and saved at iteration'),
        ({'nam': 'x'}, Outcome.REFUSED, 'Did you mean name?'),
        ({'model_type': 'Broken'}, Outcome.TRACEBACK, 'broken on purpose'),
        ({'model_type': 'Greedy'}, Outcome.TRACEBACK, "can't allocate memory"),
        ({'model_type': 'Endless'}, Outcome.HANG, 'in optimize_parameters'),
        ({'model_type': 'Killed'}, Outcome.KILLED, ''),
        ({'model_type': 'Careless'}, Outcome.CHANGED, 'DataError: the data is not'),
        ({'model_type': 'Thief'}, Outcome.CHANGED, 'End of training at iteration 2'),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, 'name', None),
)
def test_runs_are_told_apart(tmp_path, worker, changes, outcome, said):
    run = worker(own_options(tmp_path, **changes), timeout=4 if outcome is Outcome.HANG else 60)
    assert run.outcome is outcome, run.log
    assert said in run.log
    assert not (run.changes and outcome.is_good)
    assert run.changes or outcome is not Outcome.CHANGED


def test_what_was_cut_off_goes_on(tmp_path, capsys):
    records = [
        {
            'seed': 3, 'index': index, 'outcome': 'RAN' if index < 0 else 'CHANGED', 'line': f'file: line {index}',
            'changes': ['gone: experiments/x'], 'log': 'one\ntwo',
        }
        for index in range(-len(FILES), 2)
    ]  # fmt: skip
    out = tmp_path / 'runs.jsonl'
    out.write_text('\n'.join(map(json.dumps, records)) + '\n{"seed": 3, "ind')
    assert main(['--seed', '3', '--count', '2', '--out', str(out)]) == 1  # none is left to run
    printed = capsys.readouterr().out
    assert f'{len(FILES)} files as they are, and 2 mutations, 2 distinct' in printed
    assert '     2  CHANGED' in printed
    assert 'CHANGED --only 1: file: line 1\n    gone: experiments/x\n    one\n    two' in printed


@pytest.fixture(scope='module')
def workers(tmp_path_factory, _linux):
    """Processes for runs on tiny clips."""
    folder = tmp_path_factory.mktemp('mutations')
    make_data(folder / 'data')
    with pool(folder, folder / 'data', 2) as running:
        yield lambda mutations: [
            (each, future.result())
            for each, future in [
                (each, running.submit(run_in_worker, each.opt, shrunk(each.file)['name'])) for each in mutations
            ]
        ]


def told(each, run):
    """Return what went wrong with a run, to be read."""
    lines = [f'{run.outcome.name}: {each.line}', *run.changes[:5], *run.log.strip().splitlines()[-4:]]
    return '\n    '.join([*lines, f'python -m tests.options.mutations --seed {SEED} --only {each.index}'])


@pytest.mark.slow
def test_shrunk_files_run(workers):
    failed = [told(each, run) for each, run in workers(map(unchanged, FILES)) if run.outcome is not Outcome.RAN]
    assert failed == [], '\n\n'.join(failed)


@pytest.mark.slow
def test_mutations_end_well(workers):
    ended = workers([mutation(SEED, index) for index in range(COUNT)])
    failed = [told(each, run) for each, run in ended if not run.outcome.is_good]
    assert not failed, f'{len(failed)} of {COUNT} end badly:\n\n' + '\n\n'.join(failed)
    assert sum(run.outcome is Outcome.RAN for _, run in ended) > COUNT / 10  # they are not all refused
