"""What one of two processes does, which begins without anything imported."""

import dlvr_plugin  # noqa: F401  # makes the framework importable

# isort: split
import torch
import torch.distributed as dist
from basicsr.models import build_model
from torch.nn.parallel import DistributedDataParallel

from dlvr_plugin.training.updates import GuardedUpdates
from tests.models.conftest import sample
from tests.models.host_classes import options_over, registered


def train_in_two(rank: int, folder: str) -> None:
    """Take two steps over two batches each, the second of which is left out, and save the weights."""
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'file://{folder}/meeting', rank=rank, world_size=2)
    with registered():
        torch.manual_seed(0)
        model = build_model(options_over('SkippingBatches'))
        model.net_g, model.net_t = DistributedDataParallel(model.net_g), DistributedDataParallel(model.net_t)
        updates = GuardedUpdates(model, accum_iter=2)
        torch.manual_seed(rank)
        for iteration in (1, 2):
            for index in range(2):
                with updates.batch(index):
                    model.feed_data(sample())
                    model.optimize_parameters(iteration)
    torch.save([p.detach() for p in (*model.net_g.parameters(), *model.net_t.parameters())], f'{folder}/{rank}.pth')
    dist.destroy_process_group()
