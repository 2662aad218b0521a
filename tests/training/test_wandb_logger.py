"""Weights & Biases, where it is installed; without its server."""

import os
import subprocess
import sys

import pytest

from tests.helpers import REPOSITORY, tiny_options, write_options

pytest.importorskip('wandb')
pytestmark = pytest.mark.slow


@pytest.fixture
def run(clip_root, tmp_path):
    opt = tiny_options(clip_root)
    opt['logger'].update(use_tb_logger=True, wandb={'project': 'tests'})
    path = write_options(opt, tmp_path / 'tiny.yml')

    def train(mode):
        environment = {**os.environ, 'DLVR_ROOT': str(tmp_path), 'HOME': str(tmp_path), 'WANDB_DIR': str(tmp_path)}
        environment |= {'WANDB_MODE': mode, 'WANDB_API_KEY': ''}
        command = [sys.executable, '-m', 'dlvr_plugin.train', '-opt', str(path)]
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr

    return train


def test_offline(run, tmp_path):
    code, log = run('offline')
    assert code == 0, log[-2000:]
    assert 'project=tests.' in log
    (saved,) = tmp_path.glob('wandb/offline-run-*/*.wandb')
    assert b'l_g_content' in saved.read_bytes()


def test_nobody_is_logged_in(run):
    code, log = run('online')
    assert code == 1
    assert 'ValueError: logger.wandb: ' in log
    assert 'Log in by "wandb login"' in log
    assert 'Traceback' not in log
