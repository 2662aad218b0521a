"""The recipes of CONTRIBUTING.md, followed word for word in a copy of the package."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.conftest import make_clip
from tests.docs.pages import REPOSITORY
from tests.helpers import read_options, write_options
from tests.test_arrows import wrong_imports

PAGE = REPOSITORY / '.github/CONTRIBUTING.md'
STEPS = re.findall(r'<!-- (file|line): (\S+) -->\n```python\n(.*?)```', PAGE.read_text(), re.DOTALL)
RECIPES = ('arch', 'metric', 'dataset', 'model')


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """A copy of the package with what the recipes add."""
    root = tmp_path_factory.mktemp('checkout')
    shutil.copytree(REPOSITORY / 'dlvr_plugin', root / 'dlvr_plugin', ignore=shutil.ignore_patterns('__pycache__'))
    for kind, name, code in STEPS:
        path = root / name
        assert path.exists() == (kind == 'line'), name
        path.write_text((path.read_text() if kind == 'line' else '') + code)
    shutil.copy(REPOSITORY / 'pyproject.toml', root)
    return root


def start(checkout, *arguments, code=0):
    """Run a command of the copy and return what it says."""
    environment = {**os.environ, 'PYTHONPATH': str(checkout), 'DLVR_ROOT': str(checkout), 'OMP_NUM_THREADS': '1'}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=120)
    said = done.stdout + done.stderr
    assert done.returncode == code, said[-3000:]
    return said


def options(checkout):
    """Write an option file that names what the recipes add, and return its options and path."""
    opt = read_options(REPOSITORY / 'options/demo/2_discriminative_space.yml')
    opt.update(name='recipes', num_gpu=0, host_model='SmoothModel')
    opt['network_g'] = {'type': 'ResidualNet', 'num_feat': 8, 'upscale': 4}
    opt['datasets']['train'] = {
        'name': 'noise',
        'type': 'NoiseDataset',
        'num_frame': 3,
        'gt_size': 32,
        'num_worker_per_gpu': 0,
        'batch_size_per_gpu': 2,
    }
    opt['path']['pretrain_network_g'] = None
    opt['train'].update(smoothness=0.5, init_t_iters=1, total_iter=2)
    opt['train']['discriminative_opt']['random_shift'] = 0  # the crops are small
    opt['logger'].update(print_freq=1, use_tb_logger=False)
    return opt, write_options(opt, checkout / 'recipes.yml')


def test_each_recipe_is_one_file_and_one_line():
    assert [kind for kind, _, _ in STEPS] == ['file', 'line'] * len(RECIPES)
    assert re.findall(r'^### Add an? (\w+)$', PAGE.read_text(), re.MULTILINE) == list(RECIPES)
    assert all(code.count('\n') == 1 for kind, _, code in STEPS if kind == 'line')


def test_they_keep_to_the_rules_of_the_house(checkout):
    assert wrong_imports(checkout / 'dlvr_plugin') == []
    files = [name for kind, name, _ in STEPS if kind == 'file']
    subprocess.run([sys.executable, '-m', 'ruff', 'check', *files], cwd=checkout, check=True)
    subprocess.run([sys.executable, '-m', 'ruff', 'format', '--check', *files], cwd=checkout, check=True)


@pytest.mark.slow
def test_arch_dataset_and_model_train_together(checkout):
    _, path = options(checkout)
    said = start(checkout, '-m', 'dlvr_plugin.train', '-opt', path)
    assert re.search(r'iter:\s+2\b.*l_g_content', said), said[-2000:]
    assert (checkout / 'experiments/recipes/models/net_g_latest.pth').is_file()


@pytest.mark.slow
def test_their_misspelt_options_are_refused_by_name(checkout):
    opt, path = options(checkout)
    opt['network_g']['num_fea'] = opt['network_g'].pop('num_feat')
    opt['train']['smoothnes'] = opt['train'].pop('smoothness')
    opt['datasets']['train']['num_frames'] = opt['datasets']['train'].pop('num_frame')
    write_options(opt, path)
    said = start(checkout, '-m', 'dlvr_plugin.cli', 'options', 'check', path, code=1)
    for wrong, right in (('num_fea', 'num_feat'), ('smoothnes', 'smoothness'), ('num_frames', 'num_frame')):
        assert re.search(rf'\.{wrong}: .*Did you mean {right}\?', said), said


@pytest.mark.slow
def test_the_metric_measures(checkout):
    for name, seed in (('gt', 0), ('result', 1)):
        make_clip(checkout / name / 'clip', 3, (32, 48), seed=seed)
    flags = ('--metrics', 'mean_error', '--skip-frames', 0, '--jobs', 1, '--out', 'out')
    said = start(checkout, '-m', 'dlvr_plugin.cli', 'evaluate', '--gt', 'gt', '--results', 'ours=result', *flags)
    assert 'Error↓' in said
    content = json.loads((checkout / 'out/metrics.json').read_text())
    assert 10 < content['methods']['ours']['mean']['mean_error'] < 100
