"""Run BasicSR on GPUs and CPUs alike: process groups, the DDP wrap, validation."""

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from basicsr.models.base_model import BaseModel
from basicsr.models.video_base_model import VideoBaseModel
from basicsr.models.video_recurrent_model import VideoRecurrentModel
from basicsr.utils import dist_util
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.host.repair import Repair


def init_dist_pytorch(backend: str = 'nccl', **kwargs: Any) -> None:
    """Join the process group that torchrun describes in the environment.

    Args:
        backend: Backend for GPUs. Without a GPU it is gloo, the one that runs on CPUs.
        **kwargs: Passed on to ``torch.distributed.init_process_group``.

    Raises:
        InvalidValueError: Not started by torchrun, or more processes on this node than GPUs.
    """
    missing = [name for name in ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR') if name not in os.environ]
    if missing:
        raise InvalidValueError(
            f'--launcher pytorch needs the environment of torchrun, but {", ".join(missing)} is not set. '
            'Start with scripts/dist_train.sh, or with torchrun --nproc_per_node=N -m dlvr_plugin.train ...'
        )
    num_gpus = torch.cuda.device_count()
    if num_gpus == 0:
        backend = 'gloo'
    else:
        local_rank = int(os.environ['LOCAL_RANK'])
        if local_rank >= num_gpus:
            raise InvalidValueError(
                f'Process {local_rank} of this node has no GPU: it has {num_gpus}. Start at most {num_gpus} a node.'
            )
        torch.cuda.set_device(local_rank)
    dist.init_process_group(backend=backend, **kwargs)


def _wrap_on_cpu(host_model_to_device: Callable[..., Any]) -> Callable[..., Any]:
    def model_to_device(self: BaseModel, net: nn.Module) -> nn.Module:
        if self.opt['dist'] and self.device.type == 'cpu':
            return DistributedDataParallel(
                net.to(self.device), find_unused_parameters=self.opt.get('find_unused_parameters', False)
            )
        return host_model_to_device(self, net)

    return model_to_device


def _keep_metrics_on_device(host_validation: Callable[..., Any]) -> Callable[..., Any]:
    def dist_validation(self: BaseModel, dataloader: DataLoader, *args: Any, **kwargs: Any) -> None:
        metrics = self.opt['val'].get('metrics')
        if metrics is not None:  # the results of this set, where the host would look for those of the first
            dataset: Any = dataloader.dataset
            counts = Counter(dataset.data_info['folder'])
            self.metric_results = {
                folder: torch.zeros(number, len(metrics), device=self.device) for folder, number in counts.items()
            }
        host_validation(self, dataloader, *args, **kwargs)

    return dist_validation


def _keep_dimensions(host_feed_data: Callable[..., Any]) -> Callable[..., Any]:
    def feed_data(self: BaseModel, data: dict[str, Any]) -> None:
        host_feed_data(self, data)
        # On a CPU these are the tensors of the sample themselves, whose dimensions the validation changes in place.
        self.lq = self.lq.view_as(self.lq)
        if 'gt' in data:
            self.gt = self.gt.view_as(self.gt)

    return feed_data


REPAIRS = (
    Repair(
        defect='the pytorch launcher divides by the GPU count (zero on a CPU) and takes RANK for LOCAL_RANK',
        owner=dist_util,
        name='_init_dist_pytorch',
        source='221ad79b2125418e',
        build=lambda host_init_dist_pytorch: init_dist_pytorch,
    ),
    Repair(
        defect='the DDP wrap names a CUDA device even on a CPU',
        owner=BaseModel,
        name='model_to_device',
        source='e3172982283d2c12',
        build=_wrap_on_cpu,
    ),
    *(
        Repair(
            defect='validation keeps metrics on CUDA, and for the first set only',
            owner=model,
            name='dist_validation',
            source=source,
            build=_keep_metrics_on_device,
        )
        for model, source in ((VideoBaseModel, 'ef63d84273095373'), (VideoRecurrentModel, '6c9e45bfd391fb50'))
    ),
    Repair(
        defect='on a CPU the validation of recurrent models squeezes what the model works on',
        owner=VideoRecurrentModel,
        name='feed_data',
        source='9c397e655ee4deaf',
        build=_keep_dimensions,
    ),
)
