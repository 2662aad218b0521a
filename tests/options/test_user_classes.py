"""Classes of users are loaded before options are checked, are trained with, and are checked as the plugin's own."""

import pytest
import torch
from basicsr.utils.registry import MODEL_REGISTRY

from dlvr_plugin import train as train_command
from dlvr_plugin.cli.main import main
from dlvr_plugin.core.user_modules import load_user_classes
from dlvr_plugin.options.find_problems import find_problems
from dlvr_plugin.options.problems import dotted
from tests.helpers import as_host_model, tiny_options, write_options
from tests.own_classes import own_classes, use_own_classes  # noqa: F401

pytestmark = pytest.mark.usefixtures('own_classes')


@pytest.fixture
def opt(clip_root):
    return use_own_classes(as_host_model(tiny_options(clip_root)))


@pytest.mark.parametrize('way', ['flag', 'key', 'name'])
def test_training_of_ones_own_arch_loss_model_and_data(opt, own_classes, tmp_path, monkeypatch, host_log, way):  # noqa: F811
    monkeypatch.setenv('DLVR_ROOT', str(tmp_path))
    flags = []
    if way == 'flag':
        flags = ['--import', str(own_classes)]
    elif way == 'key':
        opt['imports'] = [str(own_classes)]
    else:
        opt['imports'] = ['my_classes']
        monkeypatch.syspath_prepend(str(own_classes.parent))
    path = write_options(opt, tmp_path / 'mine.yml')
    assert train_command.main(['-opt', str(path), *flags]) == 0, host_log[-1]
    assert any(f'is loaded from {own_classes}' in line for line in host_log)
    weights = torch.load(tmp_path / 'experiments/tiny/models/net_g_latest.pth', weights_only=True)['params']
    assert weights['layers.0.weight'].shape == (4, 3, 3, 3)


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('network_g.num_feats', 4, 'is no option here. Did you mean num_feat?'),
        ('network_g.num_feat', 0, 'expected a whole number of at least 1, got 0'),
        ('train.pixel_opt.exponnet', 2, 'is no option here. Did you mean exponent?'),
        ('train.pixel_opt.exponent', 0.5, 'expected a number of at least 1, got 0.5'),
        ('train.darknes', 0.5, 'is no option here. Did you mean darkness? (Keys that MyModel reads itself are'),
        ('train.darkness', 2, 'expected a number above 0 and of at most 1, got 2'),
        ('train.tsa_iter', 2, 'is not read here. MyModel does not read it.'),
        ('train.total_itre', 2, 'is no option here.'),
        ('datasets.train.lenght', 2, 'is no option here. Did you mean length?'),
        ('datasets.train.length', 0, 'expected a whole number of at least 1, got 0'),
        ('network_d', {'type': 'MyNet'}, 'is not read here. MyModel does not read it.'),
    ],
)
def test_their_options_are_checked_as_those_of_the_plugin(opt, own_classes, key, value, message):  # noqa: F811
    load_user_classes([str(own_classes)])
    assert find_problems(opt, is_train=True, with_files=False)[1] == []
    *sections, name = key.split('.')
    section = opt
    for each in sections:
        section = section[each]
    section[name] = value
    (problem,) = find_problems(opt, is_train=True, with_files=False)[1]
    assert dotted(problem.key) == key
    assert message in problem.message


def test_without_the_import_the_names_are_unknown(opt, tmp_path, host_log):
    path = write_options(opt, tmp_path / 'mine.yml')
    assert train_command.main(['-opt', str(path)]) == 1
    assert 'model_type: expected one of' in host_log[-1]
    assert "got 'MyModel'" in host_log[-1]


def test_classes_derived_from_models_read_what_these_read(opt, own_classes):  # noqa: F811
    own_classes.write_text(
        own_classes.read_text()
        + '''

@MODEL_REGISTRY.register()
class MyGAN(MyModel):
    """Declares nothing itself but another network."""

    network_letters = ('d',)


from basicsr.models.realesrgan_model import RealESRGANModel


@MODEL_REGISTRY.register()
class MyRealESRGAN(RealESRGANModel):
    """Of a class that is not described."""
'''
    )
    load_user_classes([str(own_classes)])
    opt['model_type'] = 'MyGAN'
    problems = find_problems(opt, is_train=True, with_files=False)[1]
    assert [dotted(problem.key) for problem in problems] == ['network_d']
    opt['network_d'] = {'type': 'VGGStyleDiscriminator', 'num_in_ch': 3, 'num_feat': 64}
    opt['path']['pretrain_network_d'] = None
    assert find_problems(opt, is_train=True, with_files=False)[1] == []
    opt['model_type'] = 'MyRealESRGAN'
    opt['gt_usm'] = True
    assert find_problems(opt, is_train=True, with_files=False)[1] == []
    assert MODEL_REGISTRY.get('MyGAN').network_letters == ('d',)


def test_ones_own_model_can_be_the_host_of_the_discriminative_space(clip_root, own_classes):  # noqa: F811
    load_user_classes([str(own_classes)])
    opt = tiny_options(clip_root)
    opt.update(host_model='MyModel', network_g={'type': 'MyNet'})
    opt['train']['darkness'] = 0.5
    assert find_problems(opt, is_train=True, with_files=False)[1] == []
    opt['train']['darknes'] = opt['train'].pop('darkness')
    (problem,) = find_problems(opt, is_train=True, with_files=False)[1]
    assert dotted(problem.key) == 'train.darknes'


def test_a_broken_file_is_told_with_the_line_that_names_it(opt, own_classes, tmp_path, monkeypatch, host_log):  # noqa: F811
    root = tmp_path / 'root'
    root.mkdir()
    monkeypatch.setenv('DLVR_ROOT', str(root))
    own_classes.write_text('import torch\n\ntorch.nothing_of_this_name()\n')
    opt['imports'] = [str(own_classes)]
    path = write_options(opt, tmp_path / 'mine.yml')
    line = path.read_text().split('\n').index('imports:') + 2
    assert train_command.main(['-opt', str(path)]) == 1
    error = host_log[-1]
    assert f'{path}:{line}: imports[0]: {own_classes} cannot be imported' in error
    assert f'File "{own_classes}", line 3' in error
    assert 'AttributeError' in error
    assert error.count('\n') < 12
    assert list(root.iterdir()) == []
    opt['imports'] = own_classes.name
    assert train_command.main(['-opt', str(write_options(opt, path))]) == 1
    assert 'imports: expected a list, each entry text or ~' in host_log[-1]


def test_the_commands_that_read_option_files_take_the_flag(opt, own_classes, tmp_path, capsys, host_log):  # noqa: F811
    path = str(write_options(opt, tmp_path / 'mine.yml'))
    assert main(['options', 'check', path]) == 1
    assert 'model_type: expected one of' in capsys.readouterr().out
    assert main(['data', 'show', path, '--out', str(tmp_path / 'x.png')]) == 1
    assert 'datasets.train.type: expected one of' in host_log[-1]
    flag = ['--import', str(own_classes)]
    assert main(['options', 'check', path, *flag]) == 0
    assert capsys.readouterr().out == f'{path}: no problems\n'
    schema = tmp_path / 'schema.json'
    assert main(['options', 'schema', '--out', str(schema), *flag]) == 0
    assert '"training.MyModel"' in schema.read_text()
    assert main(['data', 'check', path, '--jobs', '1', *flag]) == 0
    assert main(['options', 'check', path, '--import', 'nowhere.py']) == 1
    assert 'nowhere.py does not exist' in host_log[-1]
