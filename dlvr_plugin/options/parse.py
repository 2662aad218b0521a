"""Parse the command line of training and tests, and make of an option file what they take."""

import argparse
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from basicsr.utils import dist_util, set_random_seed

from dlvr_plugin.options.arguments import DEBUG_FREQ, add_run_arguments
from dlvr_plugin.options.consistency.findings import Processes
from dlvr_plugin.options.find_problems import check_options
from dlvr_plugin.options.given_options import GivenOptions
from dlvr_plugin.options.output_paths import resolve_output_paths
from dlvr_plugin.options.user_classes import load_classes_of
from dlvr_plugin.options.yaml_reader import force, read_file


def parse_options(
    root_path: str | Path, is_train: bool = True, argv: Sequence[str] | None = None
) -> tuple[dict[str, Any], argparse.Namespace]:
    """Read, check and complete the options of a run, as the framework's function of this name does.

    Nothing is created on disk, and nothing that a file or an argument says is executed, but for the modules that
    ``imports`` and ``--import`` name.

    Args:
        root_path: Folder of ``experiments`` and ``results``.
        is_train: Whether they are those of a training run.
        argv: Arguments; None for those of the command line.

    Returns:
        The options with what the host derives from them, and the arguments. Where paths were resolved, ``notes`` in
        the options says which, for the log. ``given`` of the arguments are the options without what is derived, which
        training states keep.

    Raises:
        OptionsError: Options that cannot be used; the message is a report of all that is wrong with them.
        UserModuleError: A module of ``--import`` that cannot be loaded.
    """
    parser = argparse.ArgumentParser()
    add_run_arguments(parser)
    args = parser.parse_args(argv)
    document = read_file(args.opt)
    force(document, args.force_yml or [])
    load_classes_of(document, args.imports)
    notes = resolve_output_paths(document.value, Path(root_path))
    opt = check_options(document, is_train=is_train, processes=_processes(args.launcher))
    args.given = GivenOptions(document, opt)
    _start_processes(opt, args.launcher)
    _seed(opt)
    opt['auto_resume'], opt['is_train'] = args.auto_resume, is_train
    if args.debug and not opt['name'].startswith('debug'):
        opt['name'] = f'debug_{opt["name"]}'
    if opt['num_gpu'] == 'auto':
        opt['num_gpu'] = torch.cuda.device_count()
    for phase, dataset in opt['datasets'].items():
        dataset['phase'] = phase.split('_')[0]
        if 'scale' in opt:
            dataset['scale'] = opt['scale']
    _set_folders(opt, Path(root_path), is_train)
    if notes:
        opt['notes'] = notes
    return opt, args


@contextmanager
def process_group() -> Iterator[None]:
    """Leave the group of processes that ``parse_options`` joined, however the run ends."""
    try:
        yield
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _processes(launcher: str) -> Processes:
    """Return what the launcher says in the environment, before the processes meet."""
    name = {'pytorch': 'WORLD_SIZE', 'slurm': 'SLURM_NTASKS'}.get(launcher, '')
    number = os.environ.get(name, '1')
    return Processes(
        world_size=int(number) if number.isdigit() else 1,
        is_distributed=launcher != 'none',
        num_gpu=torch.cuda.device_count(),
    )


def _start_processes(opt: dict[str, Any], launcher: str) -> None:
    opt['dist'] = launcher != 'none'
    if opt['dist']:
        params = dict(opt.get('dist_params') or {})
        if launcher == 'pytorch':  # torchrun says itself where the first process listens
            params.pop('port', None)
        dist_util.init_dist(launcher, **params)
    opt['rank'], opt['world_size'] = dist_util.get_dist_info()


def _seed(opt: dict[str, Any]) -> None:
    """Seed every process by its rank; a seed that is not given is drawn once, for all of them."""
    if opt.get('manual_seed') is None:
        drawn = [random.randint(1, 10000)]
        if opt['dist']:
            dist.broadcast_object_list(drawn)
        opt['manual_seed'] = drawn[0]
    set_random_seed(opt['manual_seed'] + opt['rank'])


def _set_folders(opt: dict[str, Any], root: Path, is_train: bool) -> None:
    if not is_train:
        results = root / 'results' / opt['name']
        folders = {'results_root': results, 'log': results, 'visualization': results / 'visualization'}
    else:
        run = root / 'experiments' / opt['name']
        folders = {'experiments_root': run, 'models': run / 'models', 'training_states': run / 'training_states'}
        folders.update({'log': run, 'visualization': run / 'visualization'})
        if 'debug' in opt['name']:
            if opt.get('val'):
                opt['val']['val_freq'] = DEBUG_FREQ
            opt['logger'].update(print_freq=1, save_checkpoint_freq=DEBUG_FREQ)
    opt['path'].update({name: str(folder) for name, folder in folders.items()})
