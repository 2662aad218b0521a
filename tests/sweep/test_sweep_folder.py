import json
from dataclasses import replace
from pathlib import Path

import pytest

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.sweep.sweep_folder import Case, Measure, Run, Sweep, read_sweep, write_sweep


def small_sweep(root: Path) -> Sweep:
    pretrain = Run(name='s_pre_shared', seed=0, experiment='s_pre_shared', needs=(), options={'name': 's_pre_shared'})
    result = replace(
        pretrain, name='s_Pretrained_shared', needs=('s_pre_shared',), test={'name': 's_Pretrained_shared'}
    )
    ours = {
        seed: Run(
            name=f's_Ours_seed{seed}',
            seed=seed,
            experiment=f's_Ours_seed{seed}',
            needs=('s_pre_shared',),
            options={'manual_seed': seed, 'train': {'betas': [0.9, 0.99]}},
            test={'name': f's_Ours_seed{seed}'},
        )
        for seed in (0, 7)
    }
    return Sweep(
        root=root.resolve(),
        name='s',
        seeds=(0, 7),
        reference='Ours',
        before=(Case(name='pre', slug='pre', runs={0: pretrain, 7: pretrain}),),
        cases=(
            Case(name='Pretrained', slug='Pretrained', runs={0: result, 7: result}),
            Case(name='Ours', slug='Ours', runs=ours),
        ),
        measure=Measure(metrics=('psnr', 'tof'), protocol={'skip_frames': 1}, all_checkpoints=True),
    )


def test_what_is_written_is_read(tmp_path):
    sweep = small_sweep(tmp_path)
    write_sweep(sweep)
    assert read_sweep(tmp_path / 'sweeps' / 's') == sweep


def test_each_run_comes_once_and_after_what_it_needs(tmp_path):
    names = [run.name for _, run in small_sweep(tmp_path).runs()]
    assert names == ['s_pre_shared', 's_Pretrained_shared', 's_Ours_seed0', 's_Ours_seed7']


def test_iterations_that_were_measured_are_listed_in_order(tmp_path):
    sweep = small_sweep(tmp_path)
    run = sweep.cases[1].runs[7]
    for iteration in (1000, 200):
        path = sweep.metrics_file(run, iteration)
        path.parent.mkdir(parents=True)
        path.write_text('{}')
    (path.parent.parent / '300').mkdir()
    assert sweep.measured_iterations(run) == [200, 1000]
    assert sweep.metrics_file(run) == tmp_path / 'sweeps/s/measured/s_Ours_seed7/metrics.json'


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda content: content.update(format=99), 'no sweep of format 1'),
        (lambda content: content.pop('cases'), "damaged.*'cases'"),
        (lambda content: content['runs'].pop('s_Ours_seed0'), "damaged.*'s_Ours_seed0'"),
        (lambda content: content['runs']['s_Ours_seed0'].update(experiment='../../x'), 'names no folder'),
        (lambda content: content.update(name='another'), 'Rename'),
        (lambda content: content.update(seeds=['a']), 'damaged'),
    ],
)
def test_a_file_that_was_edited_is_refused(tmp_path, change, message):
    sweep = small_sweep(tmp_path)
    write_sweep(sweep)
    path = sweep.folder / 'sweep.json'
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=message):
        read_sweep(sweep.folder)


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=r'not the folder of a sweep. Give sweeps/NAME'):
        read_sweep(tmp_path)
