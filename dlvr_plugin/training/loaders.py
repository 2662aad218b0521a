"""Loaders of the data sets of a run: training samples in an order that can be resumed, and validation sets."""

from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import Any

from basicsr.data import build_dataloader, build_dataset
from basicsr.data.prefetch_dataloader import CPUPrefetcher, CUDAPrefetcher
from basicsr.utils import get_root_logger
from torch.utils.data import DataLoader

from dlvr_plugin.core.workers import ignore_stop_signals
from dlvr_plugin.training.data_order import DataOrder, ResumableSampler, SeededDataset


def build_val_loaders(opt: Mapping[str, Any]) -> list[DataLoader]:
    """Build the loaders of all validation sets, in the order of the options."""
    return [
        _build_loader(opt, build_dataset(dataset), dataset)
        for phase, dataset in opt['datasets'].items()
        if phase.split('_')[0] == 'val'
    ]


def build_train_loader(
    opt: Mapping[str, Any], *, accum_iter: int, seed: int, variant: int, start_iter: int, total_iter: int
) -> tuple[DataLoader, DataOrder]:
    """Build the loader of the training samples, and say how many there are.

    Args:
        opt: Options, parsed and checked.
        accum_iter: Batches of an iteration.
        seed: Of the order and of what is random in a sample.
        variant: Number of the order; another one after each roll-back.
        start_iter: Iterations done already.
        total_iter: Last iteration.

    Returns:
        The loader, and the order in which it draws.

    Raises:
        InvalidValueError: An epoch has fewer samples than an iteration takes.
    """
    options = opt['datasets']['train']
    dataset = build_dataset(options)
    num_gpus = 1 if opt['dist'] else max(opt['num_gpu'], 1)
    order = DataOrder(
        num_samples=len(dataset),
        enlarge_ratio=options.get('dataset_enlarge_ratio', 1),
        batch_size=options['batch_size_per_gpu'] * num_gpus,
        seed=seed,
        accum_iter=accum_iter,
        variant=variant,
        rank=opt['rank'],
        world_size=opt['world_size'],
    )
    sampler = ResumableSampler(order, start_iter, total_iter)
    loader = _build_loader(opt, SeededDataset(dataset, order), options, sampler)
    loader.worker_init_fn = partial(_start_worker, loader.worker_init_fn)
    get_root_logger().info(
        f'Training statistics:\n\tSamples: {len(dataset)}, {order.enlarge_ratio} times an epoch'
        f'\n\tSamples an iteration: {order.global_batch} in {order.world_size} process(es)'
        f'\n\tIterations: {order.iters_per_epoch} an epoch, {total_iter} in all, {start_iter} done'
    )
    return loader, order


def prefetch(loader: DataLoader, opt: Mapping[str, Any]) -> Generator[dict[str, Any], None, None]:
    """Read the first batch, and return a generator of all, by the prefetcher that ``prefetch_mode`` names."""
    on_gpu = opt['datasets']['train'].get('prefetch_mode') == 'cuda'
    prefetcher = CUDAPrefetcher(loader, opt) if on_gpu else CPUPrefetcher(loader)
    return _batches(prefetcher, prefetcher.next())


def _batches(
    prefetcher: CPUPrefetcher | CUDAPrefetcher, first: dict[str, Any] | None
) -> Generator[dict[str, Any], None, None]:
    batch = first
    while batch is not None:
        yield batch
        batch = prefetcher.next()


def _build_loader(opt: Mapping[str, Any], dataset: Any, options: Mapping[str, Any], sampler: Any = None) -> DataLoader:
    return build_dataloader(
        dataset, options, num_gpu=opt['num_gpu'], dist=opt['dist'], sampler=sampler, seed=opt['manual_seed']
    )


def _start_worker(host_worker_init: Callable[[int], None] | None, worker_id: int) -> None:
    ignore_stop_signals()
    if host_worker_init is not None:
        host_worker_init(worker_id)
