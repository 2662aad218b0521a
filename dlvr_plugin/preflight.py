"""What can be known to be wrong with the options before a run creates anything."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, MODEL_REGISTRY
from torch import nn

from dlvr_plugin.archs import load_loss_net
from dlvr_plugin.checks import check_integer
from dlvr_plugin.data import ClipDataset
from dlvr_plugin.data.clip_store import ClipStore, check_pair, read_meta_info
from dlvr_plugin.host.lmdb_reader import find_lmdb_problem
from dlvr_plugin.losses import DiscriminativeSpaceLoss, HuberLoss
from dlvr_plugin.metrics.registry import check_metric
from dlvr_plugin.models import DiscriminativeSpaceModel
from dlvr_plugin.models.discriminative_space_options import (
    DiscriminativeSpaceOptions,
    check_norm,
    find_generator_type,
    find_host_model,
)
from dlvr_plugin.models.validation_metrics import check_clip_lengths

_TEST_SET_NAMES = ('vid4', 'reds4', 'redsofficial')  # those that the host's VideoTestDataset takes


def check_options(opt: Mapping[str, Any]) -> None:
    """Check parsed options as far as the plugin knows them.

    Args:
        opt: Options as the host's ``parse_options`` returns them.

    Raises:
        ValueError: Names the key, what was expected and what came. TypeError: a value of the wrong type.
    """
    model_type = opt.get('model_type')
    if model_type not in MODEL_REGISTRY:
        raise ValueError(f'model_type must be one of {", ".join(sorted(MODEL_REGISTRY.keys()))}, got {model_type!r}.')
    for key, value in opt['path'].items():
        if key.startswith('pretrain_network_') and value and not Path(value).is_file():
            raise ValueError(f'path.{key}: {value} is not a file.')
    for key, network in opt.items():
        if key.startswith('network_') and (network or {}).get('type') not in ARCH_REGISTRY:
            known = ', '.join(sorted(ARCH_REGISTRY.keys()))
            raise ValueError(f'{key}.type must be one of {known}, got {(network or {}).get("type")!r}.')
    _check_validation(opt)
    for phase, dataset in opt['datasets'].items():
        _check_dataset(f'datasets.{phase}', dataset, opt)
    if opt['is_train']:
        for key in ('pixel_opt', 'perceptual_opt'):
            _check_loss(f'train.{key}', opt['train'].get(key))
    if MODEL_REGISTRY.get(model_type) is DiscriminativeSpaceModel:
        _check_discriminative_space(opt)


def _check_dataset(key: str, dataset: Mapping[str, Any], opt: Mapping[str, Any]) -> None:
    if dataset.get('type') not in DATASET_REGISTRY:
        raise ValueError(
            f'{key}.type must be one of {", ".join(sorted(DATASET_REGISTRY.keys()))}, got {dataset.get("type")!r}.'
        )
    for name in ('dataroot_gt', 'dataroot_lq', 'meta_info_file'):
        if dataset.get(name) and not Path(dataset[name]).exists():
            raise ValueError(f'{key}.{name}: {dataset[name]} does not exist.')
        is_lmdb = name.startswith('dataroot') and (dataset.get('io_backend') or {}).get('type') == 'lmdb'
        if is_lmdb and dataset.get(name) and (problem := find_lmdb_problem(dataset[name])):
            raise ValueError(f'{key}.{name}: {problem}')
    gt_size, scale = dataset.get('gt_size'), dataset.get('scale', 1)
    if isinstance(gt_size, int) and isinstance(scale, int) and gt_size % scale:
        raise ValueError(f'{key}.gt_size must be a multiple of the scale {scale}, got {gt_size}.')
    if dataset['type'] in ('VideoTestDataset', 'VideoRecurrentTestDataset'):
        _check_test_set(key, dataset, opt.get('val') or {})
    if dataset['type'] == ClipDataset.__name__:
        num_samples = len(ClipDataset(dataset)) * dataset.get('dataset_enlarge_ratio', 1)
        batch_size = dataset.get('batch_size_per_gpu', 1) * opt['world_size']
        if num_samples < batch_size:
            raise ValueError(
                f'{key} has {num_samples} samples, fewer than a batch of {batch_size}. Lower batch_size_per_gpu or '
                'raise dataset_enlarge_ratio.'
            )


def _check_test_set(key: str, dataset: Mapping[str, Any], val: Mapping[str, Any]) -> None:
    """The host pairs clips and frames of test sets by their position alone."""
    if str(dataset.get('name')).lower() not in _TEST_SET_NAMES:
        raise ValueError(f'{key}.name must be one of {", ".join(_TEST_SET_NAMES)}, got {dataset.get("name")!r}.')
    for name in ('dataroot_gt', 'dataroot_lq'):
        if not dataset.get(name):
            raise ValueError(f'{key}.{name} is missing: a folder of clip folders.')
    gt_store, lq_store = (ClipStore(dataset[name], is_lmdb=False) for name in ('dataroot_gt', 'dataroot_lq'))
    meta_info_file = dataset.get('meta_info_file')
    names = list(read_meta_info(meta_info_file) if meta_info_file else {**gt_store.clips, **lq_store.clips})
    for name in names:
        lengths = {len(store.clips[name].frames) if name in store.clips else 0 for store in (gt_store, lq_store)}
        if len(lengths) > 1 or 0 in lengths:  # frames of one number may have other names, say with a suffix
            check_pair(gt_store, lq_store, name)
    check_clip_lengths({name: len(gt_store.clips[name].frames) for name in names}, dataset['name'], val)


def _check_validation(opt: Mapping[str, Any]) -> None:
    options = opt.get('val') or {}
    metrics = options.get('metrics') or {}
    for name, metric in metrics.items():
        check_metric(f'val.metrics.{name}', metric)
    check_integer('val.skip_frames', options.get('skip_frames', 0), minimum=0)
    if options.get('keep_best'):
        set_name, _, name = str(options['keep_best']).rpartition('/')
        sets = [dataset['name'] for phase, dataset in opt['datasets'].items() if phase.startswith('val')]
        if name not in metrics or (set_name and set_name not in sets):
            raise ValueError(
                f'val.keep_best must be one of the metrics {", ".join(metrics) or "(none)"}, or SET/METRIC with a set '
                f'of {", ".join(sets) or "(none)"}, got {options["keep_best"]!r}.'
            )


def _check_loss(key: str, loss: Mapping[str, Any] | None) -> None:
    if not loss:
        return
    if loss.get('type') not in LOSS_REGISTRY:
        known = ', '.join(sorted(LOSS_REGISTRY.keys()))
        raise ValueError(f'{key}.type must be one of {known}, got {loss.get("type")!r}.')
    loss_class = LOSS_REGISTRY.get(loss['type'])
    if loss_class in (HuberLoss, DiscriminativeSpaceLoss):
        _construct(key, loss_class, loss)


def _construct(key: str, module_class: type[nn.Module], arguments: Mapping[str, Any]) -> nn.Module:
    """Construct a registered module from its option section; errors name the section."""
    arguments = {name: value for name, value in arguments.items() if name != 'type'}
    try:
        return module_class(**arguments)
    except (TypeError, ValueError) as error:
        raise type(error)(f'{key}: {error}') from error


def _check_discriminative_space(opt: Mapping[str, Any]) -> None:
    host_model = find_host_model(opt)
    generator_type = find_generator_type(opt, host_model)
    if not opt['is_train']:
        return
    options = DiscriminativeSpaceOptions.from_options(opt)
    net_t = _construct('network_t', ARCH_REGISTRY.get(opt['network_t']['type']), opt['network_t'])
    check_norm(opt['network_t'].get('norm', 'batch'), on_gpu=opt['num_gpu'] != 0)
    if opt['path'].get('pretrain_network_t'):
        load_loss_net(net_t, opt['path']['pretrain_network_t'], param_key=opt['path'].get('param_key_t', 'params'))
    num_frame = opt['datasets'].get('train', {}).get('num_frame')
    num_frame_g = opt['network_g'].get('num_frame')
    extra = 2 * options.matching.radius if options.fake == 'generated' else 0
    if generator_type == 'sliding_window' and num_frame and num_frame_g and num_frame != num_frame_g + extra:
        raise ValueError(
            f'datasets.train.num_frame must be {num_frame_g + extra}: network_g.num_frame {num_frame_g}'
            + (f' and {extra} more for fake: generated' if extra else '')
            + f', got {num_frame}.'
        )
