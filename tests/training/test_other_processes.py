"""A run in another number of processes has the same samples in the same order, and, in float64, the same weights."""

import shutil
from copy import deepcopy

import pytest
import torch

from dlvr_plugin.core.checkpoints import read_checkpoint
from dlvr_plugin.training.resumed_random_state import compare_divisions
from tests.helpers import as_host_model, tiny_options
from tests.training.runs import everything, finish, go_back_to, start, start_together

MIDDLE, TOTAL, GLOBAL_BATCH = 3, 6, 4

# Computes in float64, and writes down which samples are read, with all that is random in them.
DOUBLES = '''
import os
import torch
from basicsr.utils.registry import DATASET_REGISTRY
from dlvr_plugin.data.clip_dataset import ClipDataset

torch.set_default_dtype(torch.float64)

@DATASET_REGISTRY.register()
class DoubleClips(ClipDataset):
    """Clips in float64."""

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        with open(os.environ['SAMPLES'], 'a') as file:
            print(sample['key'], *(float(sample[key].double().sum()) for key in ('lq', 'gt')), file=file)
        return {key: value if key == 'key' else value.double() for key, value in sample.items()}
'''


def pixel_loss(opt):
    as_host_model(opt)
    opt['datasets']['train']['gt_frames'] = 'middle'


def mixed_losses(opt):
    """T's statistics are those of a process's batch, unless they are frozen; its grid is laid anew each iteration."""
    opt['network_t'].update(norm='frozen', num_feat=[8, 16, 32, 64])
    opt['train']['discriminative_opt']['random_shift'] = 8
    opt['train'].update(ema_decay=0.9, grad_clip_g=0.5, init_t_iters=2)


CASES = {'pixel loss': pixel_loss, 'mixed losses': mixed_losses}


@pytest.fixture
def opt(clip_root):
    module = clip_root / 'doubles.py'
    module.write_text(DOUBLES)
    opt = tiny_options(clip_root, init_t_iters=2, total_iter=TOTAL)
    opt['imports'] = [str(module)]
    opt['datasets']['train'].update(type='DoubleClips', batch_size_per_gpu=GLOBAL_BATCH)
    opt['logger']['save_checkpoint_freq'] = MIDDLE
    return opt


def divided(opt, processes, accum_iter=1):
    """Return the options of a run whose processes share an iteration's samples."""
    opt = deepcopy(opt)
    opt['datasets']['train']['batch_size_per_gpu'] = GLOBAL_BATCH // processes // accum_iter
    opt['train']['accum_iter'] = accum_iter
    return opt


def train(opt, root, processes, *flags):
    """Train, and return the samples of all iterations in the order of the run."""
    root.mkdir(exist_ok=True)
    files = [root / f'samples_{rank}' for rank in range(processes)]
    for file in files:
        file.unlink(missing_ok=True)
    if processes == 1:
        running = [start(opt, root, *flags, label='0', environment={'SAMPLES': str(files[0])})]
    else:
        running = start_together(opt, root, *flags, number=processes, SAMPLES=str(root / 'samples_{rank}'))
    codes = [finish(process) for process in running]
    assert codes == [0] * processes, (root / '0.log').read_text()[-3000:]
    size = opt['datasets']['train']['batch_size_per_gpu']
    lines = [file.read_text().splitlines() for file in files]
    batches = [[each[first : first + size] for first in range(0, len(each), size)] for each in lines]
    return [sample for together in zip(*batches, strict=True) for batch in together for sample in batch]


def assert_same_run(one, other):
    """Compare networks, averages and what the optimizers hold."""
    assert [*one] == [*other]
    largest = 0.0
    for name, content in one.items():
        pairs = (
            [(a, b) for key in content for a, b in zip(content[key].values(), other[name][key].values(), strict=True)]
            if name.startswith('net_')
            else [
                (a['state'][index][key], b['state'][index][key])
                for a, b in zip(content['optimizers'], other[name]['optimizers'], strict=True)
                for index in a['state']
                for key in a['state'][index]
            ]
        )
        assert pairs
        for a, b in pairs:
            assert a.dtype == b.dtype
            largest = max(largest, float((a - b).abs().max()))
    assert largest < 1e-9
    assert any(value.dtype == torch.float64 for value in one[f'net_g_{TOTAL}.pth']['params'].values())


@pytest.mark.slow
@pytest.mark.parametrize('case', CASES)
def test_one_process_and_two(opt, tmp_path, case):
    """From the start, and from the middle of a run of the other number."""
    CASES[case](opt)
    whole, samples = {}, {}
    for processes in (1, 2):
        root = tmp_path / str(processes)
        samples[processes] = train(divided(opt, processes), root, processes)
        whole[processes] = everything(root, 'tiny', TOTAL)
    assert len(samples[1]) == TOTAL * GLOBAL_BATCH
    assert samples[1] == samples[2]
    assert_same_run(whole[1], whole[2])
    before = everything(tmp_path / '1', 'tiny', MIDDLE)[f'net_g_{MIDDLE}.pth']['params']
    after = whole[1][f'net_g_{TOTAL}.pth']['params']
    assert max(float((before[name] - after[name]).abs().max()) for name in before) > 1e-5  # it did train in between
    for processes in (1, 2):
        root = tmp_path / f'resumed_by_{processes}'
        shutil.copytree(tmp_path / str(3 - processes), root)
        go_back_to(root, 'tiny', MIDDLE)
        rest = train(divided(opt, processes), root, processes, '--auto_resume')
        assert rest == samples[1][MIDDLE * GLOBAL_BATCH :]
        assert_same_run(whole[1], everything(root, 'tiny', TOTAL))
        log = (root / '0.log').read_text()
        assert log.count('an iteration has the same 4 samples in the same order') == 1
        division = read_checkpoint(root / f'experiments/tiny/training_states/{TOTAL}.state')['division']
        assert division == {'world_size': processes, 'accum_iter': 1, 'batch_size': GLOBAL_BATCH // processes}


@pytest.mark.slow
def test_batches_in_turn_are_those_of_processes(opt, tmp_path):
    """T normalises by the statistics of the same batches, so that only its running ones differ."""
    mixed_losses(opt)
    opt['network_t']['norm'] = 'batch'
    runs = []
    for processes, accum_iter in ((2, 1), (1, 2)):
        root = tmp_path / str(processes)
        samples = train(divided(opt, processes, accum_iter), root, processes)
        runs.append((samples, everything(root, 'tiny', TOTAL)))
    assert runs[0][0] == runs[1][0]
    for content in (content for _, run in runs for name, content in run.items() if name.startswith('net_t')):
        for name in [name for name in content['params'] if 'running' in name or 'num_batches' in name]:
            del content['params'][name]
    assert_same_run(runs[0][1], runs[1][1])


@pytest.mark.parametrize('world_size', [1, 2, 8])
def test_what_the_log_says_of_another_division(world_size):
    before = {'world_size': 2, 'accum_iter': 1, 'batch_size': 4}
    after = {'world_size': world_size, 'accum_iter': 1, 'batch_size': 4}
    line = compare_divisions(before, after)
    assert compare_divisions(None, after) == ''
    if world_size == 2:
        assert line == ''
    else:
        assert f'to {world_size} process(es) with 1 batch(es) of 4: ' in line
        assert f'an iteration has {world_size * 4} samples instead of 8' in line
