"""The command line and an option file become what the host's function would make of them, safely."""

import os
import random
import shutil
import subprocess
import sys
from collections import OrderedDict
from copy import deepcopy

import pytest
import torch
from basicsr import test as host_test
from basicsr import train as host_train
from basicsr.data import build_dataloader, build_dataset
from basicsr.models import build_model
from basicsr.utils import options as host_options

from dlvr_plugin import test as test_command
from dlvr_plugin import train as train_command
from dlvr_plugin.options.parse import parse_options
from dlvr_plugin.options.problems import OptionsError
from tests.conftest import make_clip
from tests.helpers import as_host_model, make_lq, read_options, tiny_options, video_test_set, write_options


@pytest.fixture
def path(clip_root, tmp_path):
    """The option file of a small run."""
    opt = tiny_options(clip_root)
    opt['datasets']['val'] = video_test_set(clip_root, num_frame=3)
    opt['val'] = {'val_freq': 5e3, 'save_img': False}
    return write_options(opt, tmp_path / 'x.yml')


def plain(value):
    """Return dictionaries without the host's order."""
    return {key: plain(each) for key, each in value.items()} if isinstance(value, (dict, OrderedDict)) else value


@pytest.mark.parametrize('flags', [[], ['--debug'], ['--auto_resume'], ['--force_yml', 'train:total_iter=7', 'name=y']])
@pytest.mark.parametrize('is_train', [True, False])
def test_the_result_is_that_of_the_host(path, tmp_path, monkeypatch, flags, is_train):
    if not is_train:
        opt = read_options(path)
        del opt['datasets']['train']
        opt['datasets']['test'] = opt['datasets'].pop('val')
        write_options(opt, path)
    monkeypatch.setattr(sys, 'argv', ['train.py', '-opt', str(path), *flags])
    expected, _ = host_options.parse_options(str(tmp_path), is_train=is_train)
    opt, args = parse_options(str(tmp_path), is_train=is_train)
    assert opt == plain(expected)
    assert args.opt == str(path)
    assert type(opt) is dict
    assert type(opt['train']) is dict
    assert type(opt['logger']['save_checkpoint_freq']) is int


def test_the_home_folder(path, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    opt, _ = parse_options(str(tmp_path), argv=['-opt', str(path), '--force_yml', 'datasets:train:dataroot_gt=~/GT'])
    assert opt['datasets']['train']['dataroot_gt'] == str(tmp_path / 'GT')


def test_seeds(path, tmp_path):
    parse_options(str(tmp_path), argv=['-opt', str(path), '--force_yml', 'manual_seed=3'])
    drawn = random.random(), torch.rand(1)
    opt, _ = parse_options(str(tmp_path), argv=['-opt', str(path), '--force_yml', 'manual_seed=3'])
    assert (random.random(), torch.rand(1)) == drawn
    assert opt['manual_seed'] == 3
    opt, _ = parse_options(str(tmp_path), argv=['-opt', str(path), '--force_yml', 'manual_seed=~'])
    assert 1 <= opt['manual_seed'] <= 10000


@pytest.mark.parametrize(
    ('entry', 'message'),
    [
        ('train:optim_g:lr=1e-5', r"--force_yml .*: train.optim_g.lr: .*got '1e-5' \(text\). Write 1.0e-5"),
        ('train:optim_g:lrr=1.0e-5', r'--force_yml train:optim_g:lrr=1.0e-5: train.optim_g.lrr: is no option here'),
        ('train:new:key=5', r'--force_yml .*: train.new: is no option here'),
        (
            'name=../x',
            r"--force_yml name=../x: name: expected a plain name of .*, got '../x' .*a separator of folders, /",
        ),
        ('name=.', r'--force_yml name=.: name: .* begins with a dot'),
        ('datasets:train:name=a/b', r'datasets.train.name: expected a plain name of at most 120 characters'),
        ('val:suffix=../../esc', r'val.suffix: .* it has a separator of folders, /'),
        ('network_g=~', r'--force_yml network_g=~: network_g: expected a section, got ~'),
        ('train:total_iter=!!python/name:os.system', 'the tag .* is not allowed'),
    ],
)
def test_forced_values_are_checked_as_those_of_files(path, tmp_path, entry, message):
    with pytest.raises(OptionsError, match=message):
        parse_options(str(tmp_path), argv=['-opt', str(path), '--force_yml', entry])


def test_forced_values_are_read_as_those_of_files(path, tmp_path):
    entries = ['train:total_iter=!!float 3e5', 'datasets:train:interval_list=[1,2]']
    entries += ['train:ema_decay=0.5', 'logger:keep_last=~', 'train:divergence:policy=rollback']
    opt, _ = parse_options(str(tmp_path), argv=['-opt', str(path), '--force_yml', *entries])
    assert opt['train']['total_iter'] == 300_000
    assert type(opt['train']['total_iter']) is int
    assert opt['datasets']['train']['interval_list'] == [1, 2]
    assert opt['train']['ema_decay'] == 0.5
    assert opt['logger']['keep_last'] is None
    assert opt['train']['divergence'] == {'policy': 'rollback'}


ATTACKS = ['!!python/object/apply:os.system ["touch {}"]', "[__import__('os').system('touch {}')]"]


@pytest.mark.parametrize('main', [train_command.main, test_command.main])
@pytest.mark.parametrize(
    'damage',
    [
        lambda text, marker: text + f'x: {ATTACKS[0].format(marker)}\n',
        lambda text, marker: text.replace('total_iter', 'total_itre'),
        lambda text, marker: text.replace('print_freq: 1', 'print_freq: often'),
        lambda text, marker: text + 'name: twice\n',
        lambda text, marker: text.replace('lr: 0.0001', 'lr: 1e-4'),
        lambda text, marker: text.replace('strict_load_g: true', 'strict_load_g: true\n  oddity: folder'),
        lambda text, marker: text.replace('num_feat: 8', 'num_feat: 8]'),
        lambda text, marker: '',
    ],
)
def test_nothing_is_created_nor_executed(path, tmp_path, monkeypatch, host_log, damage, main):
    root = tmp_path / 'root'
    root.mkdir()
    monkeypatch.setenv('DLVR_ROOT', str(root))
    monkeypatch.chdir(root)
    marker = tmp_path / 'marker'
    text = path.read_text()
    path.write_text(damage(text, marker))
    assert path.read_text() != text
    assert main(['-opt', str(path)]) == 1
    assert str(path) in host_log[-1]
    assert host_log[-1].count('\n') <= 22
    assert list(root.iterdir()) == []
    assert not marker.exists()


@pytest.mark.parametrize('attack', ATTACKS)
@pytest.mark.parametrize('key', ['name', 'train:total_iter', 'a"]=__import__("os").system("touch {}");opt["x'])
def test_forced_attacks(path, tmp_path, monkeypatch, host_log, key, attack):
    root, marker = tmp_path / 'root', tmp_path / 'marker'
    root.mkdir()
    monkeypatch.setenv('DLVR_ROOT', str(root))
    entry = f'{key.format(marker)}={attack.format(marker)}'
    assert train_command.main(['-opt', str(path), '--force_yml', entry]) == 1
    assert 'OptionsError' in host_log[-1]
    assert list(root.iterdir()) == []
    assert not marker.exists()


def test_the_modules_keep_their_own_function(path):
    originals = host_test.parse_options, host_train.parse_options
    train_command.main(['-opt', str(path), '--force_yml', 'name=5'])
    test_command.main(['-opt', str(path), '--force_yml', 'name=5'])
    assert (host_test.parse_options, host_train.parse_options) == originals


def host_run(opt):
    """Do what the host's pipeline does up to the first iteration, with its own classes."""
    section = {**opt['datasets']['train'], 'phase': 'train', 'scale': opt['scale']}
    dataset = build_dataset(section)
    build_dataloader(dataset, section, num_gpu=opt['num_gpu'], dist=False, sampler=None, seed=0)
    opt = {**opt, 'dist': False, 'is_train': True, 'rank': 0, 'world_size': 1}
    opt['path'].setdefault('models', '')
    build_model(opt)
    assert opt['train']['total_iter']
    assert opt['logger']['print_freq']
    assert opt['logger']['save_checkpoint_freq']
    dataset[0]


REQUIRED_BY_THE_HOST = [
    'num_gpu', 'path', 'network_g', 'network_g.type', 'model_type', 'train.optim_g', 'train.optim_g.type',
    'train.optim_g.lr', 'train.scheduler', 'train.scheduler.type', 'train.scheduler.milestones', 'train.total_iter',
    'datasets.train.name', 'datasets.train.type', 'datasets.train.dataroot_flow', 'datasets.train.val_partition',
    'datasets.train.interval_list', 'datasets.train.random_reverse', 'datasets.train.meta_info_file',
    'datasets.train.io_backend', 'datasets.train.io_backend.type', 'datasets.train.num_frame',
    'datasets.train.gt_size', 'datasets.train.use_hflip', 'datasets.train.batch_size_per_gpu',
    'datasets.train.num_worker_per_gpu', 'logger.print_freq', 'logger.save_checkpoint_freq',
]  # fmt: skip


@pytest.fixture(scope='module')
def reds_options(tmp_path_factory):
    """Options of a run of the host's own model and dataset, and what they need, made once."""
    root = tmp_path_factory.mktemp('clips')
    make_clip(root / 'GT' / '001', 100, (64, 80))
    make_lq(root / 'GT', root / 'X4')
    (root / 'meta.txt').write_text('001 100 (64,80,3)\n')
    opt = as_host_model(tiny_options(root))
    del opt['datasets']['train']['exclude_clips']
    opt['datasets']['train'].update(
        type='REDSDataset', dataroot_flow=None, meta_info_file=str(root / 'meta.txt'), val_partition='REDS4'
    )
    opt['train']['pixel_opt'] = {'type': 'CharbonnierLoss'}
    yield opt
    shutil.rmtree(root)


@pytest.mark.parametrize('key', REQUIRED_BY_THE_HOST)
def test_what_must_be_there_the_host_needs(reds_options, tmp_path, key):
    opt = deepcopy(reds_options)
    host_run(deepcopy(opt))
    *sections, name = key.split('.')
    section = opt
    for each in sections:
        section = section[each]
    del section[name]
    with pytest.raises((KeyError, TypeError)) as caught:
        host_run(deepcopy(opt))
    assert name in str(caught.value) or name == 'type'
    path = write_options(opt, tmp_path / 'x.yml')
    with pytest.raises(OptionsError) as refused:
        parse_options(str(tmp_path), argv=['-opt', str(path)])
    assert tuple(key.split('.')) in [problem.key for problem in refused.value.problems if problem.is_missing]


PRINT_SEED = """
import pathlib
import sys

import dlvr_plugin
import torch.distributed

from dlvr_plugin.options.parse import parse_options

dlvr_plugin.host.apply()  # as the commands do

opt, _ = parse_options(sys.argv[1], argv=sys.argv[2:])
pathlib.Path(sys.argv[1], f"seed_{opt['rank']}_{opt['world_size']}").write_text(str(opt['manual_seed']))
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_processes_draw_one_seed(path, tmp_path):
    """Without a seed in the options each of the host's processes would draw its own."""
    script = tmp_path / 'seed.py'
    script.write_text(PRINT_SEED)
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', str(script)]
    command += [str(tmp_path), '-opt', str(path), '--launcher', 'pytorch', '--force_yml', 'manual_seed=~']
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    seeds = [(tmp_path / f'seed_{rank}_2').read_text() for rank in range(2)]
    assert seeds[0] == seeds[1]


def test_help_explains_every_flag(capsys):
    with pytest.raises(SystemExit):
        parse_options('.', argv=['--help'])
    text = capsys.readouterr().out
    for flag in ('-opt', '--launcher', '--auto_resume', '--debug', '--local_rank', '--force_yml', '--import'):
        assert flag in text
