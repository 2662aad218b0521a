"""The model over a BasicSR that is not repaired, as in a program that only imports the plugin."""

import subprocess
import sys

import pytest

from tests.helpers import REPOSITORY

PROGRAM = """
import sys
import dlvr_plugin
import torch
from basicsr.models import build_model

size = {'num_feat': 8, 'deformable_groups': 2, 'num_extract_block': 1, 'num_reconstruct_block': 1}
opt = {
    'name': 'plain', 'model_type': 'DiscriminativeSpaceModel', 'host_model': 'EDVRModel', 'scale': 4, 'num_gpu': 0,
    'dist': False, 'rank': 0, 'world_size': 1, 'is_train': True,
    'network_g': {'type': 'EDVR', 'num_frame': 3, **size},
    'network_t': {'type': 'LossNetT'},
    'path': {'models': sys.argv[1], 'training_states': sys.argv[1]},
    'train': {
        'ema_decay': 0.9,
        'init_t_iters': 1,
        'optim_g': {'type': 'Adam', 'lr': 1e-4},
        'optim_t': {'type': 'Adam', 'lr': 1e-4},
        'scheduler': {'type': 'MultiStepLR', 'milestones': [10], 'gamma': 0.5},
    },
}
model = build_model(opt)
for iteration in (1, 2):
    model.update_learning_rate(iteration)
    model.feed_data({'lq': torch.rand(1, 3, 3, 16, 16), 'gt': torch.rand(1, 3, 3, 64, 64)})
    model.optimize_parameters(iteration)
assert 'l_g_content' in model.get_current_log()
model.save(0, 2)
assert not any(hasattr(getattr(each.owner, each.name), '_repair_of_dlvr_plugin') for each in dlvr_plugin.host.repairs())
"""


@pytest.mark.slow
def test_two_iterations_and_a_checkpoint(tmp_path):
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert sorted(path.name for path in tmp_path.iterdir()) == ['2.state', 'net_g_2.pth', 'net_t_2.pth']
