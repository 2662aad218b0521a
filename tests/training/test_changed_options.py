"""A run that is resumed with other options goes on by these, or says why it cannot."""

from copy import deepcopy

import pytest
import torch

from dlvr_plugin import train as train_command
from dlvr_plugin.core.checkpoints import read_checkpoint, read_weights
from dlvr_plugin.training.loop import Training
from dlvr_plugin.training.updates import GuardedUpdates
from tests.helpers import as_adversarial, as_host_model, tiny_options, write_options
from tests.training.runs import assert_equal, everything

MIDDLE, TOTAL = 4, 8
OF_A_GROUP = ('lr', 'betas', 'eps', 'weight_decay', 'foreach', 'fused')


@pytest.fixture
def opt(clip_root):
    opt = tiny_options(clip_root, init_t_iters=1, total_iter=MIDDLE)
    opt['logger']['save_checkpoint_freq'] = MIDDLE
    return opt


@pytest.fixture
def run(tmp_path, monkeypatch, host_log):
    """Train; return what the log says, or what was printed where the run ends with an error."""
    monkeypatch.setenv('DLVR_ROOT', str(tmp_path / 'root'))

    def train(opt, *flags, code=0, file='tiny.yml'):
        host_log.clear()
        path = write_options(opt, tmp_path / file)
        assert train_command.main(['-opt', str(path), *flags]) == code
        return list(host_log)

    return train


@pytest.fixture
def groups(monkeypatch):
    """What the groups of the optimizers have in each iteration, by iteration."""
    found, iterate = {}, Training._iterate

    def remember(self, batches):
        iterate(self, batches)
        found[self.current_iter] = [
            [{name: group[name] for name in OF_A_GROUP} for group in optimizer.param_groups]
            for optimizer in self.model.optimizers
        ]

    monkeypatch.setattr(Training, '_iterate', remember)
    return found


def changed(opt, total_iter=TOTAL, **train):
    opt = deepcopy(opt)
    opt['train'].update(total_iter=total_iter, **train)
    return opt


ADAM = {'type': 'Adam', 'betas': [0.9, 0.99]}
COSINE = {'type': 'CosineAnnealingRestartLR', 'periods': [3, 5], 'restart_weights': [1, 0.5], 'eta_min': 1e-7}
STEPS = {'type': 'MultiStepLR', 'milestones': [2, 3, 6], 'gamma': 0.3}
CASES = {
    'schedule of T, and a longer phase of T alone': {'scheduler': COSINE, 'scheduler_t': STEPS, 'init_t_iters': 6},
    'rates': {'optim_g': {**ADAM, 'lr': 3e-5}, 'optim_t': {**ADAM, 'lr': 7e-6}},
    'optimizers': {
        'optim_g': {**ADAM, 'lr': 1e-4, 'betas': [0.5, 0.9], 'eps': 1e-6, 'weight_decay': 0.01},
        'optim_t': {**ADAM, 'lr': 1e-4, 'fused': False},
    },
    'one schedule, with groups of weights': {'scheduler': STEPS, 'dcn_lr_mul': 0.25},
    'warm-up': {'warmup_iter': 6, 'scheduler': STEPS},
}


@pytest.mark.parametrize(
    'case', [pytest.param(each, marks=pytest.mark.slow if index else ()) for index, each in enumerate(CASES)]
)
def test_rates_are_those_of_a_run_with_the_new_options(opt, run, groups, case):
    run(changed({**opt, 'name': 'new'}, **CASES[case]))
    expected = {iteration: groups.pop(iteration) for iteration in range(1, TOTAL + 1)}
    run(opt)
    before = dict(groups)
    log = run(changed(opt, **CASES[case]), '--auto_resume')
    assert {iteration: groups[iteration] for iteration in range(MIDDLE + 1, TOTAL + 1)} == {
        iteration: expected[iteration] for iteration in range(MIDDLE + 1, TOTAL + 1)
    }
    assert before[MIDDLE] != expected[MIDDLE]
    assert f'train.total_iter: {MIDDLE} -> {TOTAL}, from iteration {MIDDLE + 1}.' in log


@pytest.mark.slow
def test_what_an_optimizer_has_gathered_stays_with_its_weight(opt, run, tmp_path):
    """Its groups are divided in two, and become one again; a state of iteration 4 is loaded and saved as it is."""
    opt['logger']['print_freq'] = 1000
    run(opt)
    folder = tmp_path / 'root/experiments/tiny/training_states'
    whole = read_checkpoint(folder / f'{MIDDLE}.state')['optimizers'][0]['state']
    names = list(read_weights(tmp_path / f'root/experiments/tiny/models/net_g_{MIDDLE}.pth'))
    order = [name for name in names if 'dcn' not in name] + [name for name in names if 'dcn' in name]

    def save_at_once(self, batches):
        self.current_iter = self.total_iter

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, '_iterate', save_at_once)
        run(changed(opt, total_iter=5, dcn_lr_mul=0.5), '--auto_resume')
        divided = read_checkpoint(folder / '5.state')['optimizers'][0]
        run(changed(opt, total_iter=6), '--auto_resume')
    again = read_checkpoint(folder / '6.state')['optimizers'][0]
    assert [group['lr'] for group in divided['param_groups']] == [1e-4, 5e-5]
    assert len(divided['param_groups'][1]['params']) == sum('dcn' in name for name in names) > 0
    assert order != names
    for index, name in enumerate(order):
        assert_equal(divided['state'][index], whole[names.index(name)], name)
    assert_equal(again['state'], whole)


@pytest.mark.slow
def test_parts_that_are_frozen_for_longer(opt, run, tmp_path):
    """All but the fusion, until the new iteration; and what the old options had set free is frozen again."""
    opt['network_g']['with_tsa'] = True
    opt['train']['tsa_iter'] = 2
    run(opt)
    run(changed(opt, tsa_iter=20), '--auto_resume')
    models = tmp_path / 'root/experiments/tiny/models'
    old, new = (read_weights(models / f'net_g_{each}.pth') for each in (MIDDLE, TOTAL))
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    assert moved
    assert all('fusion' in name for name in moved)


def test_unchanged_options_say_nothing(opt, run):
    run(opt)
    opt['logger']['print_freq'] = 3
    log = run(opt, '--auto_resume')
    assert f'Resuming training from iteration {MIDDLE}.' in log
    assert not [line for line in log if ' -> ' in line or 'cannot be told' in line]


@pytest.mark.slow
def test_state_without_options(opt, run, tmp_path):
    """One of an older version goes on with the same bits, or by another learning rate, where the file has one."""
    run(changed(opt, scheduler=STEPS, warmup_iter=3))
    whole = everything(tmp_path / 'root', 'tiny', TOTAL)
    folder = tmp_path / 'root/experiments/tiny'
    state = read_checkpoint(folder / f'training_states/{MIDDLE}.state')
    del state['options']
    torch.save(state, folder / f'training_states/{MIDDLE}.state')
    (folder / f'training_states/{TOTAL}.state').unlink()
    log = run(changed(opt, scheduler=STEPS, warmup_iter=3), '--auto_resume')
    assert [line for line in log if 'differences cannot be told' in line]
    assert_equal(everything(tmp_path / 'root', 'tiny', TOTAL), whole)
    (folder / f'training_states/{TOTAL}.state').unlink()
    rate = {**opt['train']['optim_g'], 'lr': 1e-5}
    run(changed(opt, scheduler=STEPS, warmup_iter=3, optim_g=rate), '--auto_resume')
    with pytest.raises(AssertionError):
        assert_equal(everything(tmp_path / 'root', 'tiny', TOTAL)[f'net_g_{TOTAL}.pth'], whole[f'net_g_{TOTAL}.pth'])


def snapshot(folder):
    """Return all that is in a folder, but for the log, which takes the error, because this process began it."""
    paths = [path for path in folder.rglob('*') if path.suffix != '.log']
    return {path: path.is_file() and (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def other_model(opt):
    as_host_model(opt)
    opt['datasets']['train']['gt_frames'] = 'middle'


REFUSED = {
    'train.optim_g.type: Adam -> AdamW': lambda opt: opt['train']['optim_g'].update(type='AdamW'),
    'train.optim_t.amsgrad: false -> true': lambda opt: opt['train']['optim_t'].update(amsgrad=True),
    'network_g.num_feat: 8 -> 16': lambda opt: opt['network_g'].update(num_feat=16),
    'host_model: EDVRModel -> VideoBaseModel': lambda opt: opt.update(host_model='VideoBaseModel'),
    'model_type: DiscriminativeSpaceModel -> EDVRModel': other_model,
    'model_type: EDVRModel -> DiscriminativeSpaceModel': None,
    'model_type: DiscriminativeSpaceModel -> AdversarialModel': as_adversarial,
}


@pytest.mark.parametrize(
    'difference',
    [pytest.param(each, marks=() if each.startswith('model_type') else pytest.mark.slow) for each in REFUSED],
)
def test_what_cannot_be_applied_is_refused_before_anything_is_touched(opt, run, tmp_path, capsys, difference):
    opt['train'].update(total_iter=1, init_t_iters=0)
    after = deepcopy(opt)
    if REFUSED[difference] is None:
        other_model(opt)
    else:
        REFUSED[difference](after)
    run(opt)
    before = snapshot(tmp_path / 'root')
    capsys.readouterr()
    *_, message = run(after, '--auto_resume', code=1)
    assert f': {difference}: the ' in message
    assert 'experiments/tiny/training_states/1.state cannot be resumed' in message
    assert f'path.pretrain_network_g: {tmp_path}/root/experiments/tiny/models/net_g_1.pth' in message
    assert 'Traceback' not in message
    assert snapshot(tmp_path / 'root') == before


@pytest.mark.slow
def test_state_of_another_experiment(opt, run, tmp_path):
    """It goes on as the other one would, and by the same rules; nothing of the other one changes."""
    run(changed(opt))
    whole = everything(tmp_path / 'root', 'tiny', TOTAL)
    before = snapshot(tmp_path / 'root/experiments/tiny')
    state = tmp_path / f'root/experiments/tiny/training_states/{MIDDLE}.state'
    opt = changed({**opt, 'name': 'next'})
    opt['path']['resume_state'] = str(state)
    run(opt, '--auto_resume')  # it has no states of its own
    assert_equal(everything(tmp_path / 'root', 'next', TOTAL), whole)
    opt['train'].update(total_iter=TOTAL + 1)
    log = run(opt, '--auto_resume')
    assert f'Resuming training from iteration {TOTAL}.' in log
    opt['train']['optim_t']['type'] = 'AdamW'
    opt['name'] = 'third'
    *_, message = run(opt, code=1)
    assert 'train.optim_t.type: Adam -> AdamW' in message
    assert str(state) in message
    assert not (tmp_path / 'root/experiments/third').exists()
    assert snapshot(tmp_path / 'root/experiments/tiny') == before


@pytest.mark.slow
def test_seed(opt, run, tmp_path):
    """That of the file counts; where it has none, that of the state."""
    run(opt)
    del opt['manual_seed']
    run(changed(opt, total_iter=5), '--auto_resume')
    opt['manual_seed'] = 3
    log = run(changed(opt, total_iter=6), '--auto_resume')
    folder = tmp_path / 'root/experiments/tiny/training_states'
    assert [read_checkpoint(folder / f'{each}.state')['seed'] for each in (MIDDLE, 5, 6)] == [0, 0, 3]
    assert [line for line in log if line.startswith('manual_seed: ~ -> 3, from iteration 6')]


@pytest.mark.slow
def test_average_that_begins_later(opt, run, tmp_path):
    run(opt)
    log = run(changed(opt, total_iter=5, ema_decay=0.5), '--auto_resume')
    assert 'train.ema_decay: 0 -> 0.5, from iteration 5.' in log
    models = tmp_path / 'root/experiments/tiny/models'
    old, new = (read_weights(models / f'net_g_{each}.pth') for each in (MIDDLE, 5))
    for name, value in read_weights(models / 'net_g_5.pth', 'params_ema').items():
        torch.testing.assert_close(value, (old[name] + new[name]) / 2)


def test_lower_learning_rate_after_divergence(opt, run):
    """What the program says, done: the run that fails goes on from its checkpoint, and ends."""
    opt['logger']['save_checkpoint_freq'] = 2
    opt['train']['optim_g']['lr'] = 1e20
    *_, message = run(changed(opt, init_t_iters=2), code=1)
    assert 'Lower the learning rates' in message
    assert '--auto_resume goes on with what you change' in message
    *_, same = run(changed(opt, init_t_iters=2), '--auto_resume', code=1)
    assert same == message
    opt['train']['optim_g']['lr'] = 1e-5
    log = run(changed(opt, init_t_iters=2), '--auto_resume')
    assert 'train.optim_g.lr: 1e+20 -> 1e-05, from iteration 3.' in log
    assert [line for line in log if f'End of training at iteration {TOTAL}.' in line]


@pytest.mark.slow
def test_roll_back_to_a_checkpoint_with_the_old_options(opt, run, groups, monkeypatch):
    """A change is applied again, where a run goes back to the state that it was resumed from."""
    run(opt)
    prepare, left = GuardedUpdates._prepare, [1]

    def spoil(self, parameters, letter, *others):
        if letter == 't' and left[0]:
            left[0] -= 1
            parameters[0].grad.fill_(float('nan'))
        prepare(self, parameters, letter, *others)

    monkeypatch.setattr(GuardedUpdates, '_prepare', spoil)
    slow = {**opt['train']['optim_g'], 'lr': 1e-6}
    log = run(changed(opt, optim_g=slow, divergence={'policy': 'rollback'}), '--auto_resume')
    assert [line for line in log if f'Rolling back to iteration {MIDDLE}' in line]
    assert log.count(f'train.optim_g.lr: 0.0001 -> 1e-06, from iteration {MIDDLE + 1}.') == 2
    assert {groups[each][0][0]['lr'] for each in range(MIDDLE + 1, TOTAL + 1)} == {1e-6}


@pytest.mark.slow
def test_option_files_are_kept(opt, run, tmp_path):
    """What the run began with, each that it went on with, and a run by the copy, resumed or anew."""
    folder = tmp_path / 'root/experiments/tiny'
    run(opt)
    began = (folder / 'tiny.yml').read_text()
    given = (tmp_path / 'tiny.yml').read_text()
    assert began.endswith(given)
    run(opt, '--auto_resume')
    assert (folder / 'tiny.yml').read_text().endswith(began)
    assert not list(folder.glob('*_until_*'))
    run(changed(opt, total_iter=5), '--auto_resume')
    assert (folder / f'tiny_until_{MIDDLE}.yml').read_text().endswith(began)
    newest = (folder / 'tiny.yml').read_text()
    assert newest.count('# CMD:') == 1
    assert train_command.main(['-opt', str(folder / 'tiny.yml'), '--auto_resume']) == 0
    assert (folder / 'tiny.yml').read_text().endswith(newest)
    assert train_command.main(['-opt', str(folder / 'tiny.yml')]) == 0
    assert (folder / 'tiny.yml').read_text().endswith((tmp_path / 'tiny.yml').read_text())
    assert (folder / 'tiny.yml').read_text().count('# CMD:') == 1
    (archived,) = (path for path in folder.parent.iterdir() if '_archived_' in path.name)
    assert (archived / f'tiny_until_{MIDDLE}.yml').is_file()
