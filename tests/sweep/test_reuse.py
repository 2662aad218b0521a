import pytest

from dlvr_plugin.cli.main import main
from dlvr_plugin.core.errors import InUseError
from dlvr_plugin.core.folder_lock import FolderLock, lock_beside
from dlvr_plugin.sweep.cases import make_plan
from dlvr_plugin.sweep.reuse import find_reusable, reuse
from dlvr_plugin.sweep.run_state import is_trained
from dlvr_plugin.sweep.sweep_file import read_sweep_file
from dlvr_plugin.sweep.sweep_folder import write_sweep
from tests.sweep.tiny import write_tiny_sweep


def sweep_named(name, clip_root, *forced, **changes):
    return make_plan(read_sweep_file(write_tiny_sweep(clip_root, name=name, **changes), forced), clip_root).sweep


def finish(sweep, *cases):
    """Leave what the trainings of some cases leave, all but none named."""
    for case, run in sweep.runs():
        if run.trains and (not cases or case.name in cases):
            folder = sweep.experiment_folder(run)
            files = [f'training_states/{run.options["train"]["total_iter"]}.state', 'models/net_g_latest.pth']
            for file in [*files, 'models/net_t_latest.pth']:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_text(run.name)
            sweep.tb_folder(run).mkdir(parents=True)
            (sweep.tb_folder(run) / 'events').write_text(run.name)


def found(sweep, other):
    return {run.name: source.name for run, _, source in find_reusable(sweep, [other])}


@pytest.fixture
def finished(clip_root):
    sweep = sweep_named('old', clip_root)
    finish(sweep)
    return sweep


def test_runs_of_the_same_options_are_found_whatever_their_names(clip_root, finished):
    cases = {'All layers': {}, 'Third': {'options': {'train.discriminative_opt.layers': [3]}}}
    sweep = sweep_named('new', clip_root, 'seeds=[0,2]', cases=cases, reference=None)
    assert found(sweep, finished) == {
        'new_pretrain_shared': 'old_pretrain_shared',
        'new_init_t_shared': 'old_init_t_shared',
        'new_All-layers_seed0': 'old_Ours_seed0',
    }


def test_a_change_of_a_run_before_changes_all_that_need_it(clip_root, finished):
    sweep = sweep_named('new', clip_root, 'before:init_t:options:train:init_t_iters=1')
    assert found(sweep, finished) == {'new_pretrain_shared': 'old_pretrain_shared'}


def test_only_finished_runs_are_copied_and_only_where_nothing_is(clip_root):
    old, new = sweep_named('old', clip_root), sweep_named('new', clip_root)
    finish(old, 'pretrain', 'init_t', 'Ours')
    kept = new.experiment_folder(new.cases[1].runs[0])
    kept.mkdir(parents=True)
    assert set(found(new, old)) == {'new_pretrain_shared', 'new_init_t_shared', 'new_Ours_seed1'}
    for run, other, source in find_reusable(new, [old]):
        reuse(new, run, other, source)
        assert is_trained(new, run)
        assert (new.experiment_folder(run) / 'models/net_g_latest.pth').read_text() == source.name
        assert (new.tb_folder(run) / 'events').read_text() == source.name
    assert list(kept.iterdir()) == []
    assert found(new, old) == {}


def test_a_run_that_is_begun_meanwhile_is_left(clip_root, finished):
    sweep = sweep_named('new', clip_root)
    run, other, source = next(find_reusable(sweep, [finished]))
    folder = sweep.experiment_folder(run)
    with FolderLock(lock_beside(folder), folder), pytest.raises(InUseError):
        reuse(sweep, run, other, source)
    assert not folder.exists()


def test_the_command_says_what_it_would_copy(clip_root, finished, capsys, monkeypatch, host_log):
    write_sweep(finished)
    file = str(write_tiny_sweep(clip_root, name='new'))
    monkeypatch.setenv('DLVR_ROOT', str(clip_root))
    assert main(['sweep', 'run', file, '--dry-run', '--reuse', 'old']) == 0
    out = capsys.readouterr().out
    assert 'next: copy old_pretrain_shared' in out
    assert 'with 0 iterations' in out
    assert main(['sweep', 'run', file, '--dry-run', '--reuse', 'odl']) == 1
    assert "no sweep 'odl'" in host_log[-1]
