import pytest
import yaml

from dlvr_plugin.core.errors import InvalidValueError, UserError
from dlvr_plugin.options.consistency.findings import Processes
from dlvr_plugin.options.problems import OptionsError
from dlvr_plugin.sweep.cases import make_plan
from dlvr_plugin.sweep.check_plan import check_plan
from dlvr_plugin.sweep.recorded_runs import join_recorded
from dlvr_plugin.sweep.run_state import next_step
from dlvr_plugin.sweep.sweep_file import read_sweep_file
from dlvr_plugin.sweep.sweep_folder import write_sweep
from tests.sweep.tiny import write_tiny_sweep


def plan_of(root, *forced, **changes):
    return make_plan(read_sweep_file(write_tiny_sweep(root, **changes), forced), root)


def check(plan):
    check_plan(plan, list(plan.runs), Processes())


def line_of(root, text):
    lines = (root / 'sweep.yml').read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_runs_have_the_options_of_base_sweep_and_case(clip_root):
    sweep = plan_of(clip_root).sweep
    assert [run.name for _, run in sweep.runs()] == [
        'tiny_pretrain_shared', 'tiny_init_t_shared', 'tiny_Pretrained_shared', 'tiny_Ours_seed0', 'tiny_Ours_seed1',
        'tiny_w-o-content-loss_seed0', 'tiny_w-o-content-loss_seed1', 'tiny_Layer-1_seed0', 'tiny_Layer-1_seed1',
    ]  # fmt: skip
    run = sweep.cases[3].runs[1]
    assert run.needs == ('tiny_pretrain_shared', 'tiny_init_t_shared')
    assert (run.options['name'], run.options['manual_seed']) == ('tiny_Layer-1_seed1', 1)
    assert run.options['train']['discriminative_opt']['layers'] == [1]
    assert run.options['train']['discriminative_opt']['relation_weight'] == 1.0  # of the base
    assert run.options['path']['pretrain_network_g'] == 'experiments/tiny_pretrain_shared/models/net_g_latest.pth'
    assert sweep.cases[1].runs[0].options['train']['discriminative_opt']['layers'] == [1, 2, 3, 4]
    pretrained = sweep.cases[0].runs
    assert pretrained[0] is pretrained[1]
    assert (pretrained[0].experiment, pretrained[0].needs) == ('tiny_pretrain_shared', ('tiny_pretrain_shared',))
    assert run.test['path']['pretrain_network_g'] == 'experiments/tiny_Layer-1_seed1/models/net_g_latest.pth'
    assert 'metrics' not in run.test['val']


def test_runs_before_of_each_seed_are_those_of_that_seed(clip_root):
    before = {'pretrain': {'base': str(clip_root / 'pretrain.yml')}}
    options = {'path.pretrain_network_g': '{pretrain}/models/net_g_latest.pth'}
    sweep = plan_of(clip_root, before=before, options=options).sweep
    assert sweep.cases[1].runs[1].needs == ('tiny_pretrain_seed1',)
    assert [run.name for run in sweep.cases[0].runs.values()] == ['tiny_Pretrained_seed0', 'tiny_Pretrained_seed1']


def test_axes_make_all_combinations(clip_root):
    axes = {
        'train.discriminative_opt.layers': [[1], [1, 2]],
        'loss': {'L1': {'train.pixel_opt': {'type': 'L1Loss', 'loss_weight': 2}}, 'Huber': {}},
    }
    sweep = plan_of(clip_root, axes=axes, cases=None, reference=None).sweep
    assert [case.name for case in sweep.cases] == [
        'layers=[1], L1', 'layers=[1], Huber', 'layers=[1, 2], L1', 'layers=[1, 2], Huber',
    ]  # fmt: skip
    first = sweep.cases[0].runs[0].options['train']
    assert first['pixel_opt'] == {'type': 'L1Loss', 'loss_weight': 2}  # another type: nothing is left of Huber's
    assert sweep.cases[3].runs[0].options['train']['pixel_opt']['delta'] == 0.01
    assert sweep.cases[3].slug == 'layers-1-2-Huber'
    named = plan_of(clip_root, axes={'seed': {'a': {}, 'b': {}}}, reference='Ours, a').sweep
    assert [case.name for case in named.cases][:3] == ['Pretrained', 'Ours, a', 'Ours, b']


def test_arguments_change_the_file(clip_root):
    plan = plan_of(clip_root, 'seeds=[5]', 'cases:Ours:options:train.discriminative_opt.delta=0.5')
    assert plan.sweep.seeds == (5,)
    assert plan.sweep.cases[1].runs[5].options['train']['discriminative_opt']['delta'] == 0.5


def test_a_right_file_passes_the_check_before_anything_is_made(clip_root):
    plan = plan_of(clip_root)
    check(plan)
    assert not (clip_root / 'sweeps').exists()
    case, run = next(iter(plan.sweep.runs()))
    assert next_step(plan.sweep, case, run).action == 'training'


@pytest.mark.parametrize(
    ('changes', 'where', 'message'),
    [
        ({'seed': [1]}, 'seed:', 'seed: is no option here. Did you mean seeds'),
        ({'seeds': [1, 1]}, 'seeds:', 'names 1 twice'),
        ({'cases': {'a b': {}, 'a-b': {}}, 'reference': None}, 'a-b:', 'both a-b in names of files'),
        ({'cases': {'x' * 121: {}}, 'reference': None}, 'xxx:', 'must be a line'),
        ({'cases': {'debug': {}}, 'reference': None}, 'debug:', 'Choose another name'),
        ({'reference': 'Our'}, 'reference:', 'Did you mean Ours'),
        ({'cases': {'P': {'result_of': 'pretain'}}}, 'result_of:', 'Did you mean pretrain'),
        ({'options': {'path.pretrain_network_g': '{pre}/x.pth'}}, "'{pre}/x.pth'", 'no run before {pre}'),
        ({'options': {'train.total_iter.x': 1}}, 'train.total_iter.x', 'is no section'),
        ({'base': 'nowhere.yml'}, 'base: nowhere', 'nowhere.yml does not exist'),
        ({'cases': None, 'axes': None}, '', 'nothing to compare'),
        ({'name': '../x'}, 'name:', 'separator of folders'),
    ],
)
def test_a_file_that_makes_no_plan_is_refused_with_its_line(clip_root, changes, where, message):
    with pytest.raises(OptionsError, match=message) as error:
        plan_of(clip_root, **changes)
    if where:
        assert f'sweep.yml:{line_of(clip_root, where)}' in str(error.value)


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('cases', {'Ours': {'options': {'train.discriminative_opt.delt': 1}}}, 'Did you mean delta'),
        ('axes', {'train.discriminative_opt.layer': [[1]]}, 'Did you mean layers'),
        ('options', {'path.pretrain_network_g': '{pretrain}/models/net_g_2.pth'}, 'will not be made: the run pretrain'),
        ('options', {'path.pretrain_network_g': '{pretrain}/models/net_x_latest.pth'}, 'nothing that the run pretrain'),
        ('measure', {'metrics': ['psnr', 'lpips'], 'lpips_weights': 'nowhere.pth'}, 'measure.lpips_weights: lpips'),
        ('base', 'test.yml', 'logger: is missing'),
    ],
)
def test_what_would_stop_a_run_later_is_refused(clip_root, key, value, message):
    changes = {key: str(clip_root / value) if key == 'base' else value, 'reference': None}
    if key == 'measure':
        changes[key] = {'test': str(clip_root / 'test.yml'), **value}
    plan = plan_of(clip_root, **changes)
    with pytest.raises(UserError, match=message) as error:
        check(plan)
    assert 'sweep.yml' in str(error.value)


def begin(root, name='tiny_Ours_seed0'):
    states = root / 'experiments' / name / 'training_states'
    states.mkdir(parents=True)
    (states / '2.state').touch()


def test_a_run_that_has_begun_keeps_its_options(clip_root):
    sweep = plan_of(clip_root).sweep
    write_sweep(join_recorded(sweep))
    changed = {'cases': {'Ours': {'options': {'train.discriminative_opt.delta': 0.5}}, 'New': {}}}
    assert join_recorded(plan_of(clip_root, **changed).sweep).cases[1].name == 'New'  # none of them has begun
    begin(clip_root)
    join_recorded(sweep)
    message = r"(?s)case 'Ours', seed 0: train.discriminative_opt.delta: 0.01 -> 0.5\nSet these back"
    with pytest.raises(InvalidValueError, match=message):
        join_recorded(plan_of(clip_root, **changed).sweep)
    join_recorded(plan_of(clip_root, cases={'Ours': {'options': {'logger.print_freq': 5}}}).sweep)  # does not shape it
    with pytest.raises(InvalidValueError, match='path.pretrain_network_g: '):
        join_recorded(plan_of(clip_root, options={}).sweep)
    begin(clip_root, 'tiny_pretrain_shared')
    with pytest.raises(InvalidValueError, match="case 'pretrain', all seeds: datasets.train.gt_size: "):
        join_recorded(plan_of(clip_root, 'before:pretrain:options:datasets:train:gt_size=64').sweep)


def test_a_case_may_go_and_come_again(clip_root):
    write_sweep(join_recorded(plan_of(clip_root).sweep))
    begin(clip_root)
    without = join_recorded(plan_of(clip_root, cases={'Layer 1': {}}, reference=None).sweep)
    assert 'tiny_Ours_seed0' in [run.name for run in without.retired]
    write_sweep(without)
    again = join_recorded(plan_of(clip_root).sweep)
    assert 'tiny_Ours_seed0' not in [run.name for run in again.retired]


def test_an_experiment_of_another_origin_is_not_taken_over(clip_root):
    begin(clip_root)
    with pytest.raises(InvalidValueError, match='tiny_Ours_seed0 is there, and no run of this sweep'):
        join_recorded(plan_of(clip_root).sweep)


def test_two_entries_of_one_name_are_refused(clip_root):
    path = write_tiny_sweep(clip_root)
    content = yaml.safe_load(path.read_text())
    assert 'Ours' in content['cases']
    path.write_text(path.read_text().replace('  Ours: {}\n', '  Ours: {}\n  Ours: {}\n'))
    with pytest.raises(OptionsError, match='the key Ours stands here for the second time'):
        read_sweep_file(path)
