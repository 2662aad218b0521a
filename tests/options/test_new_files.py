"""``dlvr options new`` writes files that are right and run as they stand."""

import shutil
import subprocess
import sys

import pytest
import torch

from dlvr_plugin import test as test_command
from dlvr_plugin import train as train_command
from dlvr_plugin.cli.main import main
from dlvr_plugin.options.new_files import FILES
from tests.conftest import make_clip
from tests.helpers import REPOSITORY, make_lmdb, read_options


@pytest.fixture
def here(clip_root, monkeypatch):
    """The current folder, with clips and their low-quality frames where ``dlvr data prepare`` would have put them."""
    monkeypatch.chdir(clip_root)
    monkeypatch.setenv('DLVR_ROOT', str(clip_root))
    shutil.move('X4', 'GT_BIx4')
    return clip_root


def test_the_files_are_right(here, capsys):
    assert main(['options', 'new', 'mine', '--gt', 'GT']) == 0
    assert 'dlvr test -opt mine/3_test.yml' in capsys.readouterr().out
    assert main(['options', 'check', 'mine/1_pretrain.yml']) == 0
    assert main(['options', 'check', '--no-files', *(f'mine/{file}' for file in FILES)]) == 0
    opt = read_options(here / 'mine/2_discriminative_space.yml')
    assert opt['name'] == 'mine_2_discriminative_space'
    assert opt['datasets']['train']['exclude_clips'] == ['002']
    assert opt['datasets']['train']['gt_size'] == 64
    assert (opt['datasets']['val']['type'], opt['datasets']['val']['clips']) == ('ClipTestDataset', ['002'])
    assert read_options(here / 'mine/3_test.yml')['path']['pretrain_network_g'].split('/')[1] == opt['name']


def test_names_clips_and_deblurring(here):
    make_clip(here / 'sharp' / '1', 7, (96, 208))
    make_clip(here / 'sharp' / '2', 7, (160, 208))
    make_clip(here / 'sharp' / 'a b', 7, (96, 96))
    shutil.copytree(here / 'sharp', here / 'blurred')
    flags = ['--gt', 'sharp', '--lq', 'blurred', '--scale', '1', '--name', 'x', '--val-clips', '1', 'a b']
    assert main(['options', 'new', 'a/b', *flags]) == 0
    opt = read_options(here / 'a/b/1_pretrain.yml')
    assert (opt['name'], opt['scale'], opt['network_g']['hr_in']) == ('x_1_pretrain', 1, True)
    assert (opt['datasets']['train']['gt_size'], opt['datasets']['train']['exclude_clips']) == (96, ['1', 'a b'])
    assert main(['options', 'check', 'a/b/1_pretrain.yml']) == 0


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (['--gt', 'nowhere', '--lq', 'GT_BIx4'], 'nowhere does not exist'),
        (['--gt', 'nowhere'], 'nowhere does not exist'),
        (['--gt', 'GT', '--scale', '1'], 'GT_motion_blur does not exist. Name their folder by --lq, or make both with'),
        (['--gt', 'GT', '--val-clips', '9'], 'GT has no clip 9. It has: 000, 001, 002'),
        (['--gt', 'GT', '--name', '../x'], "The name '../x' is that of a folder"),
        (['--gt', 'GT.lmdb', '--lq', 'GT_BIx4'], 'GT.lmdb is an LMDB'),
        (['--gt', 'tiny', '--lq', 'tiny'], 'sides of 32 pixels and more, the smallest has 24'),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_written(here, host_log, flags, message):
    make_lmdb(here / 'GT', here / 'GT.lmdb')
    make_clip(here / 'tiny' / '0', 7, (24, 48))
    assert main(['options', 'new', 'mine', *flags]) == 1
    assert message in host_log[-1]
    assert not (here / 'mine').exists()


def test_no_file_is_replaced(here, host_log):
    (here / 'mine').mkdir()
    (here / 'mine/3_test.yml').write_text('mine')
    assert main(['options', 'new', 'mine', '--gt', 'GT']) == 1
    assert 'mine/3_test.yml exists already' in host_log[-1]
    assert [path.name for path in (here / 'mine').iterdir()] == ['3_test.yml']


@pytest.mark.slow
def test_the_three_steps_run(here, host_log):
    assert main(['options', 'new', 'mine', '--gt', 'GT']) == 0
    small = ['num_feat=8', 'deformable_groups=2', 'num_extract_block=1', 'num_reconstruct_block=1']
    flags = ['--force_yml', 'num_gpu=0', *(f'network_g:{each}' for each in small)]
    few = ['train:total_iter=2', 'logger:use_tb_logger=false', 'datasets:train:num_worker_per_gpu=0']
    assert train_command.main(['-opt', 'mine/1_pretrain.yml', *flags, *few]) == 0, host_log[-1]
    assert train_command.main(['-opt', f'mine/{FILES[1]}', *flags, *few, 'train:init_t_iters=1']) == 0, host_log[-1]
    assert test_command.main(['-opt', 'mine/3_test.yml', *flags]) == 0, host_log[-1]
    assert len(list((here / 'results/mine_3_test').rglob('*.png'))) == 7
    weights = torch.load(here / 'experiments/mine_2_discriminative_space/models/net_t_latest.pth', weights_only=True)
    assert 'params' in weights
    assert main(['options', 'check', *(f'mine/{file}' for file in FILES), *flags]) == 0


def test_an_installed_package_has_the_templates(tmp_path):
    command = [sys.executable, 'setup.py', '-q', 'build_py', '--build-lib', str(tmp_path)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=100)
    assert sorted(path.name for path in (tmp_path / 'dlvr_plugin/options/templates').iterdir()) == list(FILES)
