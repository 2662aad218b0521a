"""Options that contradict one another, as far as no file is needed to see it."""

from importlib.util import find_spec
from typing import Any

from basicsr.models.sr_model import SRModel
from basicsr.models.swinir_model import SwinIRModel
from basicsr.utils.registry import MODEL_REGISTRY
from torch import nn

from dlvr_plugin.evaluation import validation_metrics
from dlvr_plugin.evaluation.validation import has_framework_loop
from dlvr_plugin.models import LossNetworkModel
from dlvr_plugin.options.consistency.building import is_class_of_host
from dlvr_plugin.options.consistency.findings import Findings
from dlvr_plugin.options.consistency.network_spec import check_network_spec
from dlvr_plugin.options.problems import Problem

TEST_SETS_OF_CLIPS = ('VideoTestDataset', 'VideoTestDUFDataset', 'VideoRecurrentTestDataset')
_TEST_SET_NAMES = ('vid4', 'reds4', 'redsofficial')  # those that the host's VideoTestDataset takes
_NEEDS_SCALE = (
    'REDSDataset',
    'REDSRecurrentDataset',
    'Vimeo90KDataset',
    'Vimeo90KRecurrentDataset',
    'PairedImageDataset',
    'VideoTestDUFDataset',
)
_DUF_SCALES = (2, 3, 4)  # by which the host's DUF downsampling divides
REDS_LENGTH = 100  # frames of every clip, which the host's REDS datasets take for granted


def check_combinations(findings: Findings) -> None:
    """Find options that contradict one another."""
    if not findings.is_train and findings.get('datasets') == {}:
        findings.add(('datasets', 'test'), 'is missing: there is no set to test.', is_missing=True)
    _check_scale(findings)
    for phase, dataset in findings.datasets():
        _check_frames(findings, phase, dataset)
        prefetch_mode = findings.get('datasets', phase, 'prefetch_mode')
        if prefetch_mode == 'cuda' and dataset.get('pin_memory') is not True:
            findings.add(('datasets', phase, 'pin_memory'), 'must be true with prefetch_mode: cuda.')
    check_network_spec(findings)
    _check_validation(findings)
    _check_metrics_of_own_loop(findings)
    _check_swinir(findings)
    if findings.is_train:
        _check_schedules(findings)
        _check_rates(findings)
        _check_losses(findings)
        _check_logger(findings)


def _check_scale(findings: Findings) -> None:
    scale = findings.get('scale')
    for phase, _ in findings.datasets():
        kind = findings.get('datasets', phase, 'type')
        if 'scale' not in findings.opt and kind in _NEEDS_SCALE:
            doc = f'datasets.{phase}, a {kind}, reads it'
            findings.add(('scale',), f'is missing ({doc}). Expected a whole number of at least 1.', is_missing=True)
            return
        if scale not in (None, *_DUF_SCALES) and findings.get('datasets', phase, 'use_duf_downsampling') is True:
            known = ', '.join(map(str, _DUF_SCALES))
            findings.add(('datasets', phase, 'use_duf_downsampling'), f'needs a scale of {known}, got {scale}.')
        size = findings.get('datasets', phase, 'gt_size')
        if isinstance(size, int) and isinstance(scale, int) and size % scale:
            below = size // scale * scale
            findings.add(
                ('datasets', phase, 'gt_size'),
                f'must be a multiple of the scale {scale}, got {size}. Use {below or scale} or {below + scale}.',
            )


def _check_frames(findings: Findings, phase: str, dataset: dict[str, Any]) -> None:
    """Check numbers of frames against what the host takes for granted."""
    kind, num_frame = (findings.get('datasets', phase, name) for name in ('type', 'num_frame'))
    name = findings.get('datasets', phase, 'name') if kind in TEST_SETS_OF_CLIPS else None
    if name and name.lower() not in _TEST_SET_NAMES:
        names = ', '.join(_TEST_SET_NAMES)
        findings.add(('datasets', phase, 'name'), f'must be one of {names} for a {kind}, got {name!r}.')
    if not isinstance(num_frame, int):
        return
    key = ('datasets', phase, 'num_frame')
    is_middle = dataset.get('gt_frames') == 'middle'
    is_window = kind in ('REDSDataset', 'VideoTestDataset', 'VideoTestDUFDataset')
    if (is_window or is_middle) and num_frame % 2 == 0:
        reason = ' with gt_frames: middle' if is_middle else f' for a {kind}'
        findings.add(key, f'must be odd{reason}, got {num_frame}.')
    intervals = findings.get('datasets', phase, 'interval_list') or [1]
    reach = {
        'REDSDataset': (num_frame - 1) * max(intervals) + 1,
        'REDSRecurrentDataset': num_frame * max(intervals),
    }.get(kind, 0)
    if reach > REDS_LENGTH:
        findings.add(
            key,
            f'{num_frame} frames at interval {max(intervals)} reach over {reach}, but a {kind} takes clips of '
            f'{REDS_LENGTH}. Lower num_frame or interval_list.',
        )


def _check_validation(findings: Findings) -> None:
    options = findings.get('val') or {}
    if options.get('keep_best'):
        set_name, _, name = options['keep_best'].rpartition('/')
        metrics = options.get('metrics') or {}
        sets = [dataset.get('name') for phase, dataset in findings.datasets() if phase.startswith('val')]
        if name not in metrics or (set_name and set_name not in sets):
            findings.add(
                ('val', 'keep_best'),
                f'must be one of the metrics {", ".join(metrics) or "(none)"}, or SET/METRIC with a set of '
                f'{", ".join(map(str, sets)) or "(none)"}, got {options["keep_best"]!r}.',
            )


def _check_metrics_of_own_loop(findings: Findings) -> None:
    """Refuse metrics of several frames to models of the framework that hand pairs of images to them."""
    name = findings.get('model_type')
    model = MODEL_REGISTRY.get(name)
    if not is_class_of_host(model) or has_framework_loop(model):
        return
    for key in findings.get('val', 'metrics') or {}:
        metric = findings.get('val', 'metrics', key)
        if metric and validation_metrics.find_spec(metric).looks_at != 'frame':
            findings.add(
                ('val', 'metrics', key),
                f'compares frames of clips, but {name} validates by a loop of its own, image by image. Remove it, and '
                'measure it by dlvr evaluate.',
            )


def _check_schedules(findings: Findings) -> None:
    iterations = {
        'scheduler': (findings.get('train', 'total_iter') or 0) - (findings.get('train', 'init_t_iters') or 0),
        'scheduler_t': findings.get('train', 'total_iter') or 0,
    }
    alone, all_of_them = findings.get('train', 'init_t_iters'), findings.get('train', 'total_iter')
    if alone is not None and all_of_them is not None and alone >= all_of_them:
        findings.add(
            ('train', 'init_t_iters'),
            f'must be below total_iter {all_of_them}, which counts these iterations, too: G would never be trained; '
            f'got {alone}.',
        )
        return
    for name, total in iterations.items():
        options = findings.get('train', name) or {}
        listed = 'periods' if 'periods' in options else 'restarts'
        numbers, weights = (len(options.get(each, (1,))) for each in (listed, 'restart_weights'))
        if options and numbers != weights:
            findings.add(
                ('train', name, 'restart_weights'), f'must have as many entries as {listed}, {numbers}, got {weights}.'
            )
        if sum(options.get('periods', (total,))) < total - 1:
            findings.add(
                ('train', name, 'periods'), f'end at iteration {sum(options["periods"])}, before the last, {total}.'
            )


def _check_rates(findings: Findings) -> None:
    """Demand the learning rate that ``VideoRecurrentGANModel`` reads with ``fix_flow``."""
    train = findings.opt.get('train')
    is_read = findings.get('model_type') == 'VideoRecurrentGANModel' and findings.get('train', 'fix_flow')
    if is_read and isinstance(train, dict) and 'lr_flow' not in train:
        findings.add(('train', 'lr_flow'), 'is missing: fix_flow needs it.', is_missing=True)


def _check_swinir(findings: Findings) -> None:
    """Demand what ``SwinIRModel`` reads of its network to restore whole images."""
    model = MODEL_REGISTRY.get(name) if (name := findings.get('host_model') or findings.get('model_type')) else None
    is_swinir = isinstance(model, type) and issubclass(model, SwinIRModel)
    restores = any(phase != 'train' for phase, _ in findings.datasets())
    if is_swinir and restores and 'window_size' not in (findings.get('network_g') or {'window_size': 1}):
        findings.add(
            ('network_g', 'window_size'),
            f'is missing: {name} pads images to multiples of it. Write 8, the default, or take another model.',
            is_missing=True,
        )


def _check_losses(findings: Findings) -> None:
    train = findings.opt.get('train')
    if not isinstance(train, dict):
        return
    name = findings.get('model_type')
    model = MODEL_REGISTRY.get(name) if name else None
    needs_loss = isinstance(model, type) and issubclass(model, SRModel) and not issubclass(model, LossNetworkModel)
    if needs_loss and not any(train.get(each) for each in ('pixel_opt', 'perceptual_opt', 'gan_opt')):
        findings.add(
            ('train', 'pixel_opt'), 'is missing: there is no loss, pixel_opt or perceptual_opt.', is_missing=True
        )


def _check_logger(findings: Findings) -> None:
    wandb = findings.get('logger', 'wandb') or {}
    if not wandb.get('project'):
        return
    if find_spec('wandb') is None:
        findings.add(('logger', 'wandb', 'project'), 'needs the package wandb: pip install wandb. Or set it to ~.')
    if findings.get('logger', 'use_tb_logger') is False:
        findings.add(('logger', 'use_tb_logger'), 'must be true with wandb.project, which reads what TensorBoard gets.')


def construct(findings: Findings, module_class: type[nn.Module], section: dict[str, Any], *key: str) -> Any:
    """Construct a registered module from its section; what it refuses is a problem, and the result then None."""
    arguments = {name: value for name, value in section.items() if name != 'type'}
    try:
        return module_class(**arguments)
    except (TypeError, ValueError) as error:
        name, _, rest = str(error).partition(' ')
        findings.problems.append(Problem((*key, name), rest) if name in section else Problem.from_error(key, error))
    return None
