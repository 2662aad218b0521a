"""The framework's own training script, in a copy with a line or two before it."""

import os
import re
import subprocess
import sys

import pytest
import torch

from tests.helpers import REPOSITORY, tiny_options, video_test_set, write_options

pytestmark = pytest.mark.slow

IMPORT = 'import dlvr_plugin\n'
APPLY = 'dlvr_plugin.host.apply()\n'
TRAIN = 'from basicsr.train import train_pipeline\ntrain_pipeline({root!r})\n'


@pytest.fixture
def start(tmp_path):
    """Run such a script in a folder of its own, and return exit code and output."""

    def run(code, opt, *flags):
        script = tmp_path / 'train.py'
        script.write_text(code.format(root=str(tmp_path)))
        path = write_options(opt, tmp_path / 'options.yml')
        environment = {**os.environ, 'PYTHONPATH': str(REPOSITORY), 'OMP_NUM_THREADS': '1'}
        command = [sys.executable, str(script), '-opt', str(path), *flags]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.parametrize('lines', [IMPORT, IMPORT + APPLY])
def test_trains_with_the_plugin_s_model(clip_root, tmp_path, start, lines):
    code, output = start(lines + TRAIN, tiny_options(clip_root))
    assert code == 0, output[-3000:]
    assert re.search(r'iter: +2, .*l_g_content: .*t_acc_fake: ', output)
    models = tmp_path / 'experiments/tiny/models'
    for name in ('net_g', 'net_t'):
        weights = torch.load(models / f'{name}_latest.pth', weights_only=True)['params']
        assert all(value.isfinite().all() for value in weights.values())


def test_repaired_it_validates_and_resumes_without_a_gpu(clip_root, start):
    opt = tiny_options(clip_root)
    opt['datasets']['val'] = video_test_set(clip_root, 3)
    opt['val'] = {'val_freq': 2, 'save_img': False, 'metrics': {'psnr': {'type': 'calculate_psnr', 'crop_border': 8}}}
    opt['logger']['save_checkpoint_freq'] = 2
    code, output = start(IMPORT + APPLY + TRAIN, opt)
    assert code == 0, output[-3000:]
    assert '# psnr: ' in output
    opt['train']['total_iter'] = 3
    code, output = start(IMPORT + APPLY + TRAIN, opt, '--auto_resume')
    assert code == 0, output[-3000:]
    assert 'Resuming training from epoch: 0, iter: 2.' in output
    assert re.search(r'iter: +3, lr', output)
