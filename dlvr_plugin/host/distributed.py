"""Run the host's processes on GPUs and CPUs alike: the backend, the device of each process, the DDP wrap."""

import functools
import os
from typing import Any

import torch
import torch.distributed as dist
from basicsr.models.base_model import BaseModel
from basicsr.utils import dist_util
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from dlvr_plugin.host.adaptation import Adaptation, source_has


def init_dist_pytorch(backend: str = 'nccl', **kwargs: Any) -> None:
    """Join the process group that torchrun describes in the environment.

    Args:
        backend: Backend for GPUs. Without a GPU it is gloo, the one that runs on CPUs.
        **kwargs: Passed on to ``torch.distributed.init_process_group``.

    Raises:
        ValueError: Not started by torchrun, or more processes on this node than GPUs.
    """
    missing = [name for name in ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR') if name not in os.environ]
    if missing:
        raise ValueError(
            f'--launcher pytorch needs the environment of torchrun, but {", ".join(missing)} is not set. '
            'Start with scripts/dist_train.sh, or with torchrun --nproc_per_node=N -m dlvr_plugin.train ...'
        )
    num_gpus = torch.cuda.device_count()
    if num_gpus == 0:
        backend = 'gloo'
    else:
        local_rank = int(os.environ['LOCAL_RANK'])
        if local_rank >= num_gpus:
            raise ValueError(
                f'Process {local_rank} of this node has no GPU: it has {num_gpus}. Start at most {num_gpus} a node.'
            )
        torch.cuda.set_device(local_rank)
    dist.init_process_group(backend=backend, **kwargs)


def _repair_init_dist() -> None:
    dist_util._init_dist_pytorch = functools.wraps(dist_util._init_dist_pytorch)(init_dist_pytorch)


def _repair_model_to_device() -> None:
    host_model_to_device = BaseModel.model_to_device

    @functools.wraps(host_model_to_device)
    def model_to_device(self: BaseModel, net: nn.Module) -> nn.Module:
        if self.opt['dist'] and self.device.type == 'cpu':
            return DistributedDataParallel(
                net.to(self.device), find_unused_parameters=self.opt.get('find_unused_parameters', False)
            )
        return host_model_to_device(self, net)

    BaseModel.model_to_device = model_to_device


ADAPTATIONS = (
    Adaptation(
        defect='the pytorch launcher divides by the GPU count (zero on a CPU) and takes RANK for LOCAL_RANK',
        is_present=lambda: source_has(dist_util._init_dist_pytorch, 'rank % num_gpus'),
        repair=_repair_init_dist,
    ),
    Adaptation(
        defect='the DDP wrap names a CUDA device even on a CPU',
        is_present=lambda: source_has(BaseModel.model_to_device, 'device_ids=[torch.cuda.current_device()]'),
        repair=_repair_model_to_device,
    ),
)
