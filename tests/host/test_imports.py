import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    'code',
    [
        'import dlvr_plugin, torch, basicsr',
        'import torch, torchvision, dlvr_plugin, basicsr',
        'import dlvr_plugin; import basicsr.data.degradations as d; import torch; '
        'assert d.rgb_to_grayscale(torch.ones(1, 3, 2, 2)).shape == (1, 1, 2, 2)',
        'import dlvr_plugin\n'
        'from basicsr.utils.registry import *\n'
        "assert 'LossNetT' in ARCH_REGISTRY\n"
        "assert 'ClipDataset' in DATASET_REGISTRY\n"
        "assert 'HuberLoss' in LOSS_REGISTRY and 'DiscriminativeSpaceLoss' in LOSS_REGISTRY\n"
        "assert 'DiscriminativeSpaceModel' in MODEL_REGISTRY",
    ],
)
def test_in_any_order(code):
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
