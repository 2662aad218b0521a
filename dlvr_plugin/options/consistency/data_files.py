"""Data that options name: whether it is there, can be read, fits together, and suffices for a batch."""

from pathlib import Path
from typing import Any

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.clips.clip_store import ClipStore, check_pair, read_meta_info
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.lmdb_file import find_lmdb_problem
from dlvr_plugin.core.regular_files import check_regular
from dlvr_plugin.data import ClipDataset, ClipTestDataset
from dlvr_plugin.evaluation.validation_metrics import check_clip_lengths, check_metric
from dlvr_plugin.options.consistency.combinations import REDS_LENGTH, TEST_SETS_OF_CLIPS
from dlvr_plugin.options.consistency.findings import Findings
from dlvr_plugin.options.consistency.frame_sizes import check_crop, check_whole_frames, check_window, open_store
from dlvr_plugin.options.consistency.framework_classes import check_framework_set
from dlvr_plugin.restoration.restored_frames import list_frames
from dlvr_plugin.training.data_order import check_epoch

_PAIR = ('dataroot_gt', 'dataroot_lq')
_PATHS = ('dataroot_gt', 'dataroot_lq', 'dataroot_flow', 'meta_info_file', 'meta_info')
_REDS_VALIDATION = {
    'official': {f'{number:03d}' for number in range(240, 270)},
    'REDS4': {'000', '011', '015', '020'},
}


def check_data_files(findings: Findings) -> None:
    """Find data that is missing, broken or too little, and metrics that lack their weights."""
    _check_metrics(findings)
    for phase, dataset in findings.datasets():
        is_there = _check_paths(findings, phase, dataset)
        fits = findings.is_sound('datasets', phase, 'type')
        if not is_there or not fits or not all(findings.has_types(*key) for key in (('datasets', phase), ('scale',))):
            continue
        with findings.collect('datasets', phase):
            check_framework_set(findings, phase, dataset)
            if dataset['type'] in TEST_SETS_OF_CLIPS:
                _check_test_set(findings, phase, dataset)
            elif dataset['type'] == ClipDataset.__name__ and findings.is_sound('datasets', phase, 'gt_size'):
                clips = ClipDataset({**dataset, 'scale': findings.opt.get('scale', 1)})
                _check_batch(findings, phase, dataset, len(clips))
                check_crop(
                    findings, clips.gt_store, clips.lq_stores, {name: each.size for name, each in clips.clips.items()}
                )
            elif dataset['type'] == ClipTestDataset.__name__:
                own = ClipTestDataset({**dataset, 'scale': findings.opt.get('scale', 1)})
                lengths = {clip: length for clip, _, length in list_frames(own)}
                check_clip_lengths(lengths, dataset['name'], findings.get('val') or {})
                if dataset.get('dataroot_gt') and ClipReader(dataset['dataroot_gt']).kind == 'frames':
                    check_whole_frames(findings, phase, ClipStore(dataset['dataroot_gt']), None)
            elif dataset['type'] in ('REDSDataset', 'REDSRecurrentDataset'):
                _check_batch(findings, phase, dataset, _count_reds_frames(dataset))
                _check_opened_once(findings, phase, dataset)
                sizes = {name: size for name, (_, size) in read_meta_info(dataset['meta_info_file']).items()}
                gt_store, lq_store = (open_store(dataset[name], dataset) for name in _PAIR)
                check_crop(findings, gt_store, [lq_store], sizes)


def _check_metrics(findings: Findings) -> None:
    val = findings.opt.get('val')
    metrics = val.get('metrics') if isinstance(val, dict) else None
    for name in metrics if isinstance(metrics, dict) else ():
        metric = findings.get('val', 'metrics', name)
        if metric:
            with findings.collect('val', 'metrics', name):
                check_metric(f'val.metrics.{name}', metric)


def _check_paths(findings: Findings, phase: str, dataset: dict[str, Any]) -> bool:
    """Return whether everything is there."""
    found = True
    for name in _PATHS:
        given = findings.get('datasets', phase, name)
        for value in given if isinstance(given, list) else [given]:
            if not isinstance(value, str):
                continue
            if not Path(value).exists():
                findings.add(('datasets', phase, name), f'{value} does not exist.')
                found = False
                continue
            if name.startswith('meta_info') and not Path(value).is_dir():
                with findings.collect('datasets', phase, name):
                    check_regular(value)
            if name.startswith('dataroot') and (problem := _find_kind_problem(findings, phase, dataset, Path(value))):
                findings.add(('datasets', phase, name), problem)
                found = False
    return found


def _find_kind_problem(findings: Findings, phase: str, dataset: dict[str, Any], root: Path) -> str | None:
    """Return what is wrong with a folder that is read as ``io_backend`` says, None for nothing."""
    backend = findings.get('datasets', phase, 'io_backend', 'type')
    is_lmdb = (root / 'data.mdb').is_file()
    if backend == 'disk' and is_lmdb:
        takes_lmdbs = dataset.get('type') not in TEST_SETS_OF_CLIPS
        mend = 'Set io_backend.type: lmdb' if takes_lmdbs else f'A {dataset.get("type")} takes folders of frames alone'
        return f'{root} is an LMDB, but io_backend.type is disk. {mend}.'
    if backend != 'lmdb':
        return None
    if not is_lmdb and root.suffix != '.lmdb' and root.is_dir():
        return f'{root} is a folder, no LMDB, but io_backend.type is lmdb. Set it to disk, or make an LMDB of it first.'
    return find_lmdb_problem(root)


def _check_test_set(findings: Findings, phase: str, dataset: dict[str, Any]) -> None:
    """Check a test set of the host, which pairs clips and frames by their position alone."""
    gt_store, lq_store = (ClipStore(dataset[name], is_lmdb=False) for name in _PAIR)
    meta_info_file = dataset.get('meta_info_file')
    names = list(read_meta_info(meta_info_file) if meta_info_file else {**gt_store.clips, **lq_store.clips})
    for name in names:
        numbers = {len(store.clips[name].frames) if name in store.clips else 0 for store in (gt_store, lq_store)}
        if len(numbers) > 1 or 0 in numbers:  # frames of one number may have other names, say with a suffix
            check_pair(gt_store, lq_store, name)
        for store in (gt_store, lq_store):
            for frame in store.clips[name].frames:
                check_regular(store.root / frame)  # the host leaves out what is none, without a word
    lengths = {name: len(gt_store.clips[name].frames) for name in names}
    check_clip_lengths(lengths, dataset['name'], findings.get('val') or {})
    if dataset['type'] != 'VideoRecurrentTestDataset':
        check_window(findings, phase, lengths)
    check_whole_frames(findings, phase, gt_store, None if dataset.get('use_duf_downsampling') else lq_store)


def _check_opened_once(findings: Findings, phase: str, dataset: dict[str, Any]) -> None:
    """Refuse an LMDB that a data set of the framework would open twice, which LMDB does not allow a process."""
    if dataset['io_backend'].get('type') != 'lmdb':
        return
    keys: dict[Path, str] = {}
    for key in (*_PAIR, 'dataroot_flow'):
        if root := dataset.get(key):
            first = keys.setdefault(Path(root).resolve(), key)
            if first != key:
                problem = f'is the LMDB of {first}, which {dataset["type"]} cannot open twice. Name another one.'
                findings.add(('datasets', phase, key), problem)


def _count_reds_frames(dataset: dict[str, Any]) -> int:
    """Return the samples of the host's REDS datasets, one a frame, and demand the clips that they take."""
    info = read_meta_info(dataset['meta_info_file'])
    short = [name for name, (num_frames, _) in info.items() if num_frames < REDS_LENGTH]
    if short:
        raise InvalidValueError(
            f'Clip {short[0]} has {info[short[0]][0]} frames, but a {dataset["type"]} takes clips of {REDS_LENGTH}. '
            'Take type: ClipDataset for others.'
        )
    validation = _REDS_VALIDATION[dataset['val_partition']]
    wants_validation = dataset['type'] == 'REDSRecurrentDataset' and dataset['test_mode']
    return sum(num_frames for name, (num_frames, _) in info.items() if (name in validation) == wants_validation)


def _check_batch(findings: Findings, phase: str, dataset: dict[str, Any], num_samples: int) -> None:
    """Demand enough samples for one iteration of all processes."""
    if phase != 'train':
        return
    processes = findings.processes
    sharing = processes.world_size if processes.is_distributed else max(findings.num_gpu, 1)
    parts = {
        'batch_size_per_gpu': dataset['batch_size_per_gpu'],
        'accum_iter': findings.get('train', 'accum_iter') or 1,
        'processes or GPUs': sharing,
    }
    needed = parts['batch_size_per_gpu'] * parts['accum_iter'] * parts['processes or GPUs']
    num_samples *= dataset.get('dataset_enlarge_ratio', 1)
    with findings.collect('datasets', phase, 'dataset_enlarge_ratio'):
        check_epoch(num_samples)
    if num_samples < needed:
        product = ' x '.join(f'{name} {value}' for name, value in parts.items() if value > 1)
        findings.add(
            ('datasets', phase),
            f'has {num_samples} samples an epoch, fewer than an iteration takes, {needed} ({product}). Lower '
            'batch_size_per_gpu or raise dataset_enlarge_ratio.',
        )
