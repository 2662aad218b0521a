"""A training step of the framework's own EDVRModel, with its own code, in a process that never imports the plugin.

As a module it has what every way of ``step.py`` shares. As a script it takes a step for each line on its input, and
answers with the seconds that it took; at the end it prints the peak memory in MiB.
"""

import argparse
import platform
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

NETWORK_G = {
    'type': 'EDVR', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 64, 'num_frame': 5, 'deformable_groups': 8,
    'num_extract_block': 5, 'num_reconstruct_block': 10, 'with_tsa': True,
}  # fmt: skip
OPTIMIZER = {'type': 'Adam', 'lr': 1e-5, 'betas': [0.9, 0.99]}


def make_framework_importable() -> None:
    """Provide the module that torchvision has no longer, for one function that is not used here."""
    import torchvision.transforms.functional as functional

    sys.modules.setdefault('torchvision.transforms.functional_tensor', functional)


def options(network_g: dict[str, Any], *, device: str) -> dict[str, Any]:
    """Return the options of the framework's model with a pixel loss."""
    return {
        'name': 'benchmark',
        'model_type': 'EDVRModel',
        'scale': 4,
        'num_gpu': int(device == 'cuda'),
        'dist': False,
        'is_train': True,
        'network_g': dict(network_g),
        'path': {},
        'train': {
            'optim_g': dict(OPTIMIZER),
            'scheduler': {'type': 'MultiStepLR', 'milestones': [1000000]},
            'pixel_opt': {'type': 'CharbonnierLoss'},
        },
    }


def random_batch(batch: int, lq_size: int) -> dict[str, Tensor]:
    """Return clips of five frames."""
    torch.manual_seed(0)
    return {
        'lq': torch.rand(batch, 5, 3, lq_size, lq_size),
        'gt': torch.rand(batch, 5, 3, 4 * lq_size, 4 * lq_size),
    }


def peak_memory(device: str) -> float:
    """Return the peak memory in MiB, of the GPU or of this process, on Linux."""
    if device == 'cuda':
        return torch.cuda.max_memory_allocated() / 2**20
    return int(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0]) / 2**10


def hardware(device: str) -> str:
    """Return the name of what computes."""
    if device == 'cuda':
        return torch.cuda.get_device_name()
    lines = Path('/proc/cpuinfo').read_text().splitlines() if Path('/proc/cpuinfo').exists() else []
    return next((line.split(': ')[1] for line in lines if line.startswith('model name')), platform.processor())


def main() -> None:
    """Take steps as they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument('--batch', type=int, required=True)
    parser.add_argument('--lq-size', type=int, required=True)
    parser.add_argument('--threads', type=int, required=True)
    args = parser.parse_args()
    make_framework_importable()
    from basicsr.models import build_model

    torch.set_num_threads(args.threads)
    torch.backends.cudnn.benchmark = True  # as the framework's loop has it
    model = build_model(options(NETWORK_G, device=args.device))
    data = {key: value.to(model.device) for key, value in random_batch(args.batch, args.lq_size).items()}
    data['gt'] = data['gt'][:, 2]
    for _ in sys.stdin:
        began = time.perf_counter()
        model.feed_data(data)
        model.optimize_parameters(1)
        if args.device == 'cuda':
            torch.cuda.synchronize()
        print(time.perf_counter() - began, flush=True)
    assert 'dlvr_plugin' not in sys.modules
    print(peak_memory(args.device))


if __name__ == '__main__':
    main()
