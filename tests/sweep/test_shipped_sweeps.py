"""The files of options/sweep: their cases are those of the paper, and each run has options that the check accepts."""

import pytest

from dlvr_plugin.options.find_problems import find_problems
from dlvr_plugin.sweep.cases import make_plan
from dlvr_plugin.sweep.sweep_file import read_sweep_file
from tests.helpers import REPOSITORY

FILES = sorted((REPOSITORY / 'options/sweep').glob('*.yml'))
TRADEOFF = [('VGG', (1, 100, 400)), ('Adv+VGG', (1, 100, 400)), ('Ours', (1, 3, 10))]  # weights of the pixel loss
ROWS = {  # of the paper's tables, but for the tradeoff; small ones take LPIPS instead of VGG, but for the baselines
    'table2': ['Pretrained', 'Ours w/o L_C', 'Ours'],
    'table4': [
        'Pretrained',
        'Pretrained w/ VGG',
        'Our T w/ Adv+VGG',
        'Ours w/o L_C',
        'Ours w/o L_R',
        'Ours w/o new fake',
        'Ours w/o init T',
        'Ours',
    ],
    'table5': ['Pretrained', 'Ours w/o L_C', 'Ours'],
    'table6': ['First', 'Second', 'Third', 'Last', 'All'],
    'table7': ['L_C + L_R', '10 L_C + L_R', '100 L_C + L_R', 'L_C + 10 L_R', 'L_C + 100 L_R'],
    'figure6': ['Ours', 'Adv+VGG'],
    'baselines_small': ['Pretrained', 'Pretrained w/ VGG', 'Our T w/ Adv+VGG@0.05', 'Ours@3', 'Ours@9'],
    'baselines_EDSR_small': [
        'Pretrained',
        'Pretrained w/ VGG',
        'Our T w/ Adv+VGG@0.005',
        'Our T w/ Adv+VGG@0.05',
        'Ours@1',
        'Ours@3',
        'Ours@10',
    ],
    'last_layer_EDSR_small': [
        'Pretrained',
        'Pretrained w/ LPIPS',
        'Our T w/ Adv+LPIPS',
        'Ours',
        'Last@3',
        'Last@10',
        'Last@30',
    ],
    'table4_EDVR_M_small': [
        'Pretrained',
        'Pretrained w/ LPIPS',
        'Pretrained w/ VGG',
        'Our T w/ Adv+LPIPS',
        'Our T w/ Adv+VGG',
        'Ours',
    ],
    'tradeoff': [f'{method}@{weight}' for method, weights in TRADEOFF for weight in weights],
    'demo': ['Pretrained', 'Ours', 'Ours w/o L_R', 'Ours w/o new fake'],
}


@pytest.fixture
def plan_of(monkeypatch, tmp_path):
    monkeypatch.chdir(REPOSITORY)  # bases are named from there
    return lambda path: make_plan(read_sweep_file(path), tmp_path)


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_cases_are_those_of_the_paper(plan_of, path):
    plan = plan_of(path)
    table = path.stem.split('_')[0]
    names = [case.name for case in plan.sweep.cases]
    rows = ROWS.get(path.stem) or [name.replace('VGG', 'LPIPS') for name in ROWS[table]]
    assert names == rows
    assert plan.sweep.name == ('demo_sweep' if path.stem == 'demo' else path.stem)


@pytest.mark.slow
@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_runs_have_options_that_the_check_accepts(plan_of, path):
    for run in plan_of(path).runs.values():
        for options, is_train in ((run.training, True), (run.test, False)):
            if options is not None:
                assert find_problems(options.document.value, is_train=is_train, with_files=False)[1] == []


@pytest.mark.parametrize(
    ('file', 'case', 'key', 'value'),
    [
        ('table4', 'Ours w/o L_C', ('discriminative_opt', 'content_weight'), 0.0),
        ('table4', 'Ours w/o L_R', ('discriminative_opt', 'relation_weight'), 0.0),
        ('table4', 'Ours w/o new fake', ('discriminative_opt', 'fake'), 'generated'),
        ('table4', 'Ours', ('total_iter',), 30000),
        ('table6', 'Third', ('discriminative_opt', 'layers'), [3]),
        ('table7', 'L_C + 100 L_R', ('discriminative_opt', 'relation_weight'), 100.0),
        ('baselines_EDSR_small', 'Our T w/ Adv+VGG@0.05', ('adversarial_opt', 'weight'), 0.05),
        ('last_layer_EDSR_small', 'Last@10', ('discriminative_opt', 'layers'), [4]),
        ('last_layer_EDSR_small', 'Last@10', ('pixel_opt', 'loss_weight'), 10.0),
        ('tradeoff_EDSR_small', 'LPIPS@100', ('pixel_opt', 'loss_weight'), 100.0),
        ('tradeoff_EDSR_small', 'Adv+LPIPS@400', ('pixel_opt', 'loss_weight'), 400.0),
        ('tradeoff_EDSR_small', 'Ours@3', ('pixel_opt', 'loss_weight'), 3.0),
    ],
)
def test_a_case_differs_in_what_its_name_says(plan_of, file, case, key, value):
    plan = plan_of(REPOSITORY / f'options/sweep/{file}.yml')
    found = next(each for each in plan.sweep.cases if each.name == case).runs[0].options['train']
    for part in key:
        found = found[part]
    assert found == value


@pytest.mark.parametrize('file', ['figure6', 'figure6_small'])
def test_figure_6_has_many_checkpoints(plan_of, file):
    """All of those that are measured are kept, and they are more than the ends of a line."""
    for case in plan_of(REPOSITORY / f'options/sweep/{file}.yml').sweep.cases:
        options = case.runs[0].options
        assert options['logger'].get('keep_last') is None
        assert options['train']['total_iter'] / options['logger']['save_checkpoint_freq'] >= 5
