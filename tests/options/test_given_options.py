"""What a resumed run changes: found by the description of the options, with the rule that stands there."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated

import pytest
import torch

from dlvr_plugin.core.declarations import FREE, OnResume
from dlvr_plugin.options.find_problems import check_options
from dlvr_plugin.options.given_options import GivenOptions, find_differences
from dlvr_plugin.options.problems import OptionsError
from dlvr_plugin.options.reference import format_resume_table
from dlvr_plugin.options.signatures import section_of
from dlvr_plugin.options.yaml_reader import Document, read_file
from tests.helpers import REPOSITORY, as_in_the_paper

FILE = REPOSITORY / 'options/demo/2_discriminative_space.yml'


def given(value):
    """Return given options of a value, checked without files."""
    document = Document('options.yml', deepcopy(value))
    return GivenOptions(document, check_options(document, is_train=True, with_files=False))


@pytest.fixture
def opt():
    options = read_file(FILE).value
    as_in_the_paper(options['train'])
    return options


def changes(before, after):
    return {str(each): each.on_resume.rule for each in find_differences(given(before).values, given(after).values)}


def test_the_same_options(opt):
    assert changes(opt, opt) == {}


def test_each_difference_with_its_rule(opt):
    after = deepcopy(opt)
    after['train']['optim_g'].update(lr=2e-5, betas=[0.8, 0.99])
    after['train']['optim_t'].update(type='AdamW', amsgrad=True)
    after['train']['divergence'] = {'policy': 'rollback'}
    after['train']['pixel_opt']['loss_weight'] = 2
    after['network_g']['num_feat'] = 128
    after['datasets']['train'].update(batch_size_per_gpu=2, num_worker_per_gpu=3)
    after['logger']['print_freq'] = 7
    found = changes(opt, after)
    lr, betas = (opt['train']['optim_g'][key] for key in ('lr', 'betas'))
    assert found == {
        'network_g.num_feat: 16 -> 128': 'refused',
        f'datasets.train.batch_size_per_gpu: {opt["datasets"]["train"]["batch_size_per_gpu"]} -> 2': 'applied',
        f'datasets.train.num_worker_per_gpu: {opt["datasets"]["train"]["num_worker_per_gpu"]} -> 3': 'free',
        f'train.optim_g.lr: {lr} -> 2e-05': 'applied',
        f'train.optim_g.betas: [{betas[0]}, {betas[1]}] -> [0.8, 0.99]': 'applied',
        'train.optim_t.type: Adam -> AdamW': 'refused',
        'train.optim_t.amsgrad: false -> true': 'refused',
        'train.divergence.policy: stop -> rollback': 'applied',
        'train.pixel_opt.loss_weight: 1.0 -> 2': 'applied',
        f'logger.print_freq: {opt["logger"]["print_freq"]} -> 7': 'free',
    }


def test_defaults_are_no_difference(opt):
    after = deepcopy(opt)
    after['train'].update(
        accum_iter=1, amp=None, channels_last=False, grad_clip_t=None, divergence={'max_rollbacks': 3}
    )
    after['train'].update(ema_decay=0, dcn_lr_mul=1)
    after['train']['optim_g'].update(amsgrad=False, eps=1e-8, weight_decay=0)
    after['datasets']['train']['gt_frames'] = 'all'
    after['network_t']['norm'] = 'batch'
    after['train']['pixel_opt'] = {'type': 'HuberLoss'}
    after['train']['total_iter'] = float(opt['train']['total_iter'])
    assert changes(opt, after) == {}
    assert changes(after, opt) == {}


def test_sections_of_another_kind(opt):
    after = deepcopy(opt)
    opt['train']['scheduler'] = {'type': 'MultiStepLR', 'milestones': [100, 150]}
    after['train']['scheduler'] = {'type': 'CosineAnnealingRestartLR', 'periods': [10**6], 'eta_min': 1e-7}
    for each in (opt, after):
        each['datasets']['train']['dataroot_lq'] = None
    after['datasets']['train']['degradation'] = 'BD'
    assert set(changes(opt, after)) == {
        'train.scheduler.type: MultiStepLR -> CosineAnnealingRestartLR',
        'train.scheduler.milestones: [100, 150] -> ~',
        'train.scheduler.periods: ~ -> [1000000]',
        'train.scheduler.eta_min: ~ -> 1e-07',
        'datasets.train.degradation: ~ -> BD',
    }


def test_what_the_weights_began_with_does_not_matter(opt):
    """The files of a network's first weights; those of its section that say what it is do."""
    opt['host_model'] = 'VideoRecurrentModel'
    opt['network_g'] = {'type': 'BasicVSR', 'num_feat': 8, 'num_block': 1, 'spynet_path': 'there.pth'}
    opt['datasets']['train'].update(gt_size=144)
    after = deepcopy(opt)
    after['network_g'].update(spynet_path='here.pth', num_block=2)
    assert changes(opt, after) == {
        'network_g.spynet_path: there.pth -> here.pth': 'free',
        'network_g.num_block: 1 -> 2': 'refused',
    }


def test_another_model(opt):
    after = deepcopy(opt)
    after['host_model'] = 'VideoBaseModel'
    assert changes(opt, after)['host_model: EDVRModel -> VideoBaseModel'] == 'refused'
    after['model_type'] = after.pop('host_model')
    del after['network_t']
    for key in ('optim_t', 'init_t_iters', 'discriminative_opt', 'scheduler_t', 'grad_clip_t'):
        after['train'].pop(key, None)
    after['path'] = {name: each for name, each in after['path'].items() if not name.endswith('_t')}
    after['datasets']['train']['gt_frames'] = 'middle'
    for before, now in ((opt, after), (after, opt)):
        found = {text.partition(':')[0] for text, rule in changes(before, now).items() if rule == 'refused'}
        assert found >= {'model_type', 'host_model', 'network_t.type'}


def test_a_mark_at_a_declaration_is_its_rule():
    @dataclass(kw_only=True)
    class Options:
        width: Annotated[int, OnResume('refused', 'the weights have it')] = 1
        speed: Annotated[int | None, FREE] = None
        weight: float = 1.0

    options = section_of(Options).options
    assert options['width'].on_resume == OnResume('refused', 'the weights have it')
    assert options['speed'].on_resume == FREE
    assert options['weight'].on_resume is None


def test_refusal_names_all_that_is_needed(opt, tmp_path):
    state = {'iter': 1200, 'options': given(opt).values}
    file = tmp_path / 'experiments/a/training_states/1200.state'
    given(opt).check_resumable(state, file)
    opt['train']['optim_g']['type'] = 'AdamW'
    opt['train']['optim_g']['lr'] = 1e-6
    with pytest.raises(OptionsError) as error:
        given(opt).check_resumable(state, file)
    message = str(error.value)
    assert f'1 problem in options.yml, with which {file} cannot be resumed:' in message
    assert 'train.optim_g.type: Adam -> AdamW: the state holds' in message
    assert f'path.pretrain_network_g: {tmp_path}/experiments/a/models/net_g_1200.pth' in message
    assert 'lr' not in message
    assert [problem.key for problem in error.value.problems] == [('train', 'optim_g', 'type')]


def test_a_state_without_options_can_be_resumed(opt):
    for state in ({'iter': 1}, {'iter': 1, 'options': None}):
        assert given(opt).changes_since(state) is None
        given(opt).check_resumable(state, REPOSITORY)


def test_kept_options_are_plain_and_few(opt, tmp_path):
    """They are read without running anything, and come back as they were."""
    path = tmp_path / 'options.pth'
    torch.save(given(opt).values, path)
    assert torch.load(path, weights_only=True) == given(opt).values
    assert path.stat().st_size < 8192
    assert given(opt).values['train']['optim_t'] == opt['train']['optim_t']


def test_the_page_has_the_rules_of_the_declarations():
    page = (REPOSITORY / 'docs/long_runs.md').read_text()
    assert format_resume_table() in page, f'docs/long_runs.md needs this table:\n{format_resume_table()}'
