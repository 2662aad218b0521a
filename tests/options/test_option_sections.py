"""Types of values, sections by signature, and what each model reads."""

import dataclasses
import datetime
import inspect
from collections.abc import Sequence
from copy import deepcopy
from typing import Annotated as Limited
from typing import Literal

import pytest
import torch
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, MODEL_REGISTRY

from dlvr_plugin.core.declarations import NOT_EMPTY, FieldsOf, NoOption, Range
from dlvr_plugin.options.find_problems import find_problems
from dlvr_plugin.options.problems import Problem
from dlvr_plugin.options.schema.run import run_options
from dlvr_plugin.options.schema.training import optimizer
from dlvr_plugin.options.signatures import section_of
from dlvr_plugin.options.value_types import Bool, Choice, Integer, ListOf, Number, OneOf, Text, nullable
from dlvr_plugin.options.yaml_reader import read_file
from tests.helpers import REPOSITORY

DISCRIMINATIVE_SPACE = REPOSITORY / 'options/train/EDVR/train_EDVR_M_x4_SR_REDS_DiscriminativeSpace.yml'
PRETRAIN = REPOSITORY / 'options/train/EDVR/pretrain_EDVR_M_x4_SR_REDS.yml'


@pytest.mark.parametrize(
    ('value_type', 'value', 'message'),
    [
        (Number(), '1e-4', "expected a number, got '1e-4' (text). Write 1.0e-4 or !!float 1e-4."),
        (Number(), '5E3', "expected a number, got '5E3' (text). Write 5.0e+3 or !!float 5E3."),
        (Number(), '0.5', "expected a number, got '0.5' (text). Write it without quotes."),
        (Number(above=0), 0, 'expected a number above 0, got 0 (a number).'),
        (Number(minimum=0, maximum=1), 2, 'expected a number of at least 0 and of at most 1, got 2 (a number).'),
        (Number(), True, 'expected a number, got true (a truth value).'),
        (Number(), float('nan'), 'expected a number, got nan (a number).'),
        (Number(), None, 'expected a number, got ~ (nothing).'),
        (Integer(minimum=1), 2.5, 'expected a whole number of at least 1, got 2.5 (a number).'),
        (Bool(), 1, 'expected true or false, got 1 (a number).'),
        (Bool(), 'on', "expected true or false, got 'on' (text)."),
        (Text(), 7, 'expected text, got 7 (a number). Put it in quotes.'),
        (Text(), datetime.date(2024, 1, 2), 'expected text, got 2024-01-02 (a date). Put it in quotes.'),
        (Text(), '', "expected text, got '' (text)."),
        (Choice(('mean', 'sum')), 'maen', "expected one of mean, sum, got 'maen' (text). Did you mean mean?"),
        (Choice((True,)), 1, 'expected one of True, got 1 (a number).'),
        (ListOf(Integer()), 3, 'expected a list, each entry a whole number, got 3 (a number).'),
        (ListOf(Number(), length=2), [1], 'expected a list of 2, each entry a number, got [1] (a list).'),
        (nullable(Number()), 'None', "expected a number or ~, got 'None' (text). Write ~ for nothing."),
        (OneOf((Integer(), Choice(('auto',)))), 'atuo', "or one of auto, got 'atuo' (text). Did you mean auto?"),
    ],
)
def test_values_that_are_refused(value_type, value, message):
    problems: list[Problem] = []
    value_type.check(value, ('key',), problems)
    assert [problem.key for problem in problems] == [('key',)]
    assert message in problems[0].message


def test_values_are_converted():
    problems: list[Problem] = []
    converted = ListOf(Integer()).check([5e3, 2], (), problems)
    assert converted == [5000, 2]
    assert [type(each) for each in converted] == [int, int]
    assert type(nullable(Integer()).check(1e5, (), problems)) is int
    assert type(OneOf((Bool(), Integer())).check(1.0, (), problems)) is int
    assert type(Number().check(1, (), problems)) is int
    assert not problems
    Integer().check(10**400, (), problems)  # no float can hold it
    assert 'got a number of about 400 digits (a number). It is larger than can be' in problems[0].message


def test_entries_of_lists_are_named():
    problems: list[Problem] = []
    ListOf(Number()).check([1, '1e-3'], ('betas',), problems)
    assert [problem.key for problem in problems] == [('betas', 1)]


class Documented:
    """A class as the host writes them.

    Args:
        num_feat (int): Channels.
            Default: 64.
        scale (float): Factor. Two sentences.
        size (int | tuple(int)): Of the image.
        mode (str): Kind of it. Default: None.
        untyped: Nothing is said.
    """

    def __init__(self, num_feat, scale=1, size=3, mode=None, untyped=(1, 2), flag=False): ...


class Annotated:
    def __init__(
        self, *, kind: Literal['a', 'b'], sizes: Sequence[int] = (1,), path: str | None = None, rate: float = 1
    ): ...


def accepts(option, value):
    problems: list[Problem] = []
    option.type.check(value, (), problems)
    return not problems


def test_docstrings_give_types():
    options = section_of(Documented).options
    assert [name for name, option in options.items() if option.is_required] == ['num_feat']
    assert options['num_feat'].doc == 'Channels'
    assert options['scale'].doc == 'Factor'
    assert accepts(options['scale'], 0.5)
    assert accepts(options['size'], 3)
    assert accepts(options['size'], [3, 4])
    assert not accepts(options['size'], 'x')
    assert accepts(options['mode'], None)
    assert accepts(options['mode'], 'x')
    assert not accepts(options['mode'], 3)
    assert accepts(options['untyped'], [1, 2.5])
    assert not accepts(options['untyped'], 'x')
    assert accepts(options['flag'], True)
    assert not accepts(options['flag'], 1)


@dataclasses.dataclass(kw_only=True)
class Declared:
    """Options of something.

    Attributes:
        share: A share; None for all. Second sentence.
        sizes: Sizes.
        inner: A section.
        scale: Set by the program.
    """

    share: Limited[float, Range(above=0, below=1)] | None = None
    sizes: Limited[Sequence[Limited[int, Range(minimum=2)]], NOT_EMPTY] = (3,)
    inner: Documented = dataclasses.field(default_factory=lambda: None)
    scale: Limited[int, NoOption()] = 4


def test_declarations_give_ranges_defaults_and_meaning():
    def loss(path: str, **options: Limited[dict, FieldsOf(Declared)]): ...

    own = section_of(Declared).options
    options = section_of(loss).options
    assert list(own) == ['share', 'sizes', 'inner']
    assert list(options) == ['path', *own]
    assert not section_of(loss).is_open
    for share in (options['share'], own['share']):
        assert accepts(share, 0.5)
        assert accepts(share, None)
        assert not accepts(share, 0)
        assert not accepts(share, 1)
        assert (share.doc, share.default, share.is_required) == ('A share; ~ for all', None, False)
        assert share.type.expected == 'a number above 0 and below 1 or ~'
    assert accepts(own['sizes'], [2])
    assert not accepts(own['sizes'], [1])
    assert not accepts(own['sizes'], [])
    assert Number(above=0, below=1).json_schema(None) == {
        'type': 'number',
        'exclusiveMinimum': 0,
        'exclusiveMaximum': 1,
    }


def test_annotations_give_types():
    options = section_of(Annotated).options
    assert options['kind'].is_required
    assert not accepts(options['kind'], 'c')
    assert accepts(options['sizes'], [1, 2])
    assert not accepts(options['sizes'], [1.5])
    assert accepts(options['path'], None)
    assert accepts(options['path'], 'x')
    assert not accepts(options['path'], 1)
    assert accepts(options['rate'], 1)
    assert not accepts(options['rate'], '1e-4')


def test_every_argument_of_the_optimizers_that_is_known_here_is_one():
    for name, section in optimizer().sections.items():
        assert set(section.options) <= set(inspect.signature(getattr(torch.optim, name)).parameters)


@pytest.fixture
def registered():
    """Register classes for a test."""
    names = []

    def register(registry, made):
        registry._obj_map[made.__name__] = made
        names.append((registry, made.__name__))
        return made

    yield register
    for registry, name in names:
        del registry._obj_map[name]


def problems_of(opt):
    return {'.'.join(map(str, each.key)) for each in find_problems(opt, is_train=True, with_files=False)[1]}


def test_classes_of_other_plugins(registered):
    class ThirdNet(torch.nn.Module):
        def __init__(self, num_feat: int, **kwargs):
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 3, 1)

        def forward(self, clip):
            return self.layer(clip[:, 2]).repeat(1, 1, 4, 4)

    class ThirdSet(torch.utils.data.Dataset):
        def __init__(self, opt): ...

    class ThirdModel: ...

    opt = read_file(PRETRAIN).value
    opt['network_g'] = {'type': 'ThirdNet', 'num_feat': 8, 'anything': 1}
    assert 'network_g.type' in problems_of(opt)
    registered(ARCH_REGISTRY, ThirdNet)
    assert problems_of(opt) == set()
    opt['network_g']['num_feat'] = '8'
    assert problems_of(opt) == {'network_g.num_feat'}
    opt = read_file(PRETRAIN).value
    opt['datasets']['train'] = {
        'name': 'third', 'type': 'ThirdSet', 'anything': 1, 'num_worker_per_gpu': 1, 'batch_size_per_gpu': '4',
    }  # fmt: skip
    registered(DATASET_REGISTRY, ThirdSet)
    assert problems_of(opt) == {'datasets.train.batch_size_per_gpu'}
    opt = read_file(PRETRAIN).value
    opt.update(model_type='ThirdModel', anything=1, network_x={'type': 'EDVR', 'num_feats': 8})
    opt['train'] = {'total_iter': 10, 'anything': {'a': 1}}
    opt['path'].update(pretrain_network_x=None, oddity='folder')
    registered(MODEL_REGISTRY, ThirdModel)
    assert problems_of(opt) == {'network_x.num_feats', 'path.oddity'}  # the host would make a folder of the latter


MIXED_UP = {'EDVRModel': 'tsa_iter', 'VideoRecurrentModel': 'flow_lr_mul', 'SRGANModel': 'net_d_iters'}


@pytest.mark.parametrize('model', MIXED_UP)
def test_each_model_has_keys_of_its_own(model):
    for other, key in MIXED_UP.items():
        problems: list[Problem] = []
        run_options(True).sections[model].options['train'].type.check({key: 1}, ('train',), problems)
        unknown = [problem for problem in problems if problem.key == ('train', key)]
        assert bool(unknown) == (other != model)
        assert all(f'{model} does not read it' in problem.message for problem in unknown)


def test_models_with_a_discriminator():
    opt = read_file(PRETRAIN).value
    del opt['train']['tsa_iter'], opt['train']['dcn_lr_mul']
    opt['model_type'] = 'VideoGANModel'
    assert problems_of(opt) == {'network_d', 'train.optim_d', 'train.gan_opt'}
    opt['network_d'] = {'type': 'VGGStyleDiscriminator', 'num_in_ch': 3, 'num_feat': 64, 'input_size': 256}
    opt['train']['optim_d'] = opt['train']['optim_g']
    opt['train']['gan_opt'] = {'type': 'GANLoss', 'gan_type': 'vanila'}
    opt['path']['pretrain_network_d'] = None
    assert problems_of(opt) == {'train.gan_opt.gan_type'}
    opt['train']['gan_opt']['gan_type'] = 'vanilla'
    assert problems_of(opt) == set()
    opt['model_type'] = 'VideoRecurrentGANModel'
    assert problems_of(opt) == {'generator_type', 'train.fix_flow'}


def test_new_keys_of_the_training_loop():
    opt = read_file(DISCRIMINATIVE_SPACE).value
    good = {
        'amp': 'bf16', 'channels_last': True, 'compile': ['net_g'], 'accum_iter': 2, 'grad_clip_g': 1.5,
        'grad_clip_t': None, 'divergence': {'policy': 'rollback', 'max_rollbacks': 2, 'max_offset': 50},
    }  # fmt: skip
    bad = {
        'amp': 'fp8', 'channels_last': 1, 'compile': ['net_d'], 'accum_iter': 0, 'grad_clip_g': 0,
        'grad_clip_t': -1, 'divergence': {'policy': 'hope', 'max_rollbacks': 0, 'max_offset': 0},
    }  # fmt: skip
    opt['train'].update(good)
    opt['train']['optim_t'].update(type='AdamW', fused=True)
    opt['logger']['keep_last'] = 3
    assert problems_of(opt) == set()
    opt['train'].update(bad)
    inner = {'divergence.policy', 'divergence.max_rollbacks', 'divergence.max_offset', 'compile.0'}
    keys = (set(bad) - {'divergence', 'compile'}) | inner
    assert problems_of(opt) == {f'train.{key}' for key in keys}


def test_the_options_are_left_as_they_were():
    opt = read_file(DISCRIMINATIVE_SPACE).value
    before = deepcopy(opt)
    checked, problems = find_problems(opt, is_train=True, with_files=False)
    assert opt == before
    assert not problems
    assert type(checked['val']['val_freq']) is int
    assert type(opt['val']['val_freq']) is float
