"""``dlvr data prepare``: make training stores and test sets of clips or videos."""

import argparse
from pathlib import Path
from typing import Any

from basicsr.utils import get_root_logger

from dlvr_plugin.clips.clip_store import ClipStore, check_pair
from dlvr_plugin.clips.store_writer import StoreWriter
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.data.degradations import Degradation
from dlvr_plugin.data.prepare import describe_store, prepare_store
from dlvr_plugin.data.processing import Processing
from dlvr_plugin.data.realistic.degradation import RealisticDegradation
from dlvr_plugin.data.realistic.stored_copies import StoredCopy
from dlvr_plugin.options.yaml_reader import read_file


def run(args: argparse.Namespace) -> None:
    """Make the stores.

    Raises:
        InvalidValueError: Arguments or data that cannot be used. OSError: A target exists, or cannot be written.
    """
    for name, minimum in (('downscale', 1), ('jobs', 1), ('min_frames', 1), ('scale', 1)):
        if getattr(args, name) < minimum:
            raise InvalidValueError(
                f'--{name.replace("_", "-")} must be at least {minimum}, got {getattr(args, name)}.'
            )
    jobs = [_gt_job(args), *_lq_jobs(args)]
    if any(target.resolve() == args.target.resolve() for _, target, *_ in jobs[1:]):
        raise InvalidValueError(f'{args.target} would be the target of both. Choose another --lq-target.')
    finished = [] if args.force else [job for job in jobs if job[1].exists()]
    for root, target, processing, selection in finished:
        if not StoreWriter.made_by(target, describe_store(root, target, processing, **selection)):
            raise FileExistsError(f'{target} exists already, made otherwise. --force replaces it.')
        get_root_logger().info(f'{target} is complete already. --force makes it anew.')
    try:
        for job in jobs:
            if job not in finished:
                root, target, processing, selection = job
                num_workers = args.jobs if args.jobs > 1 else 0
                prepare_store(
                    root,
                    target,
                    processing=processing,
                    num_workers=num_workers,
                    force=args.force,
                    allow_cut_videos=args.allow_cut_videos,
                    **selection,
                )
    except KeyboardInterrupt:
        get_root_logger().warning('What is done is kept: the same command goes on.')
        raise


_ONLY_REALISTIC = ('preset', 'degradation_options', 'copies', 'seed')
_Job = tuple[Path, Path, Processing, dict[str, Any]]  # source, target, what happens between, what is taken


def _codec(args: argparse.Namespace, target: Path) -> Any:
    return args.codec or ('raw' if target.suffix == '.lmdb' else 'png')


def _gt_job(args: argparse.Namespace) -> _Job:
    selection = {
        'subfolder': args.subfolder,
        'clips': args.clips,
        'exclude_clips': args.exclude_clips,
        'scene_threshold': args.scene_threshold,
        'min_frames': args.min_frames,
    }
    processing = Processing(codec=_codec(args, args.target), downscale=args.downscale)
    return args.source, args.target, processing, selection


def _lq_jobs(args: argparse.Namespace) -> list[_Job]:
    for name in _ONLY_REALISTIC:
        if getattr(args, name) is not None and args.degradation != 'realistic':
            raise InvalidValueError(f'--{name.replace("_", "-")} belongs to --degradation realistic.')
    if args.lq_source and args.degradation:
        raise InvalidValueError(
            '--lq-source gives the low-quality frames that --degradation would make. Use one of both.'
        )
    if args.lq_source:
        if not args.lq_target:
            raise InvalidValueError('--lq-source needs --lq-target.')
        if args.downscale > 1:
            raise InvalidValueError('--downscale would change the ground truth alone, not what --lq-source gives.')
        subfolder = args.subfolder if args.lq_subfolder is None else args.lq_subfolder
        _check_pairs(args, subfolder)
        selection = {**_gt_job(args)[3], 'subfolder': subfolder}
        return [(args.lq_source, args.lq_target, Processing(codec=_codec(args, args.lq_target)), selection)]
    if args.degradation == 'realistic':
        return _realistic_jobs(args)
    if args.degradation:
        scale = 1 if args.degradation == 'motion_blur' else args.scale
        options = {
            'BI': {},
            'BD': {'sigma': args.sigma},
            'motion_blur': {'num_frame': args.blur_frames, 'linear_light': args.linear_light},
        }[args.degradation]
        section = {'type': args.degradation, **options}
        degradation = Degradation.from_options(section, scale=scale, name='--degradation')
        suffix = f'{args.degradation}x{scale}' if scale > 1 else args.degradation
        target = args.lq_target or _with_suffix(args.target, suffix)
        processing = Processing(codec=_codec(args, target), degradation=degradation)
        return [(args.target, target, processing, {})]  # made of the store that was just made
    if args.lq_target:
        raise InvalidValueError('--lq-target needs --lq-source or --degradation.')
    return []


def _realistic_jobs(args: argparse.Namespace) -> list[_Job]:
    """Return the jobs that make copies, each of the store that was just made."""
    copies = 1 if args.copies is None else args.copies
    if copies < 1:
        raise InvalidValueError(f'--copies must be at least 1, got {copies}.')
    degradation = _read_realistic(args)
    lq_target = args.lq_target or _with_suffix(args.target, f'realisticx{args.scale}')
    jobs: list[_Job] = []
    for copy in range(copies):
        target = _with_suffix(lq_target, str(copy)) if copies > 1 else lq_target
        stored = StoredCopy(degradation=degradation, seed=args.seed or 0, copy=copy)
        jobs.append((args.target, target, Processing(codec=_codec(args, target), degradation=stored), {}))
    return jobs


def _read_realistic(args: argparse.Namespace) -> RealisticDegradation:
    path, section, name = args.degradation_options, {}, 'degradation'
    if path is not None:
        section, name = read_file(path).value, f'{path}: degradation'
        if section.get('type', 'realistic') != 'realistic':
            raise InvalidValueError(f'{path}: type must be realistic, or left out, got {section["type"]!r}.')
        if args.preset and 'preset' in section:
            raise InvalidValueError(f'{path} has a preset, {section["preset"]}. Leave out --preset, or that.')
    if args.preset:
        section = {'preset': args.preset, **section}
    return RealisticDegradation.from_options(section, scale=args.scale, name=name)


def _with_suffix(target: Path, suffix: str) -> Path:
    return target.with_name(f'{target.stem}_{suffix}{target.suffix}')


def _check_pairs(args: argparse.Namespace, lq_subfolder: str) -> None:
    """Demand, before hours of work, that two folders of clips have the same clips and frames."""
    gt_store = ClipStore(args.source, subfolder=args.subfolder)
    lq_store = ClipStore(args.lq_source, subfolder=lq_subfolder)
    for name in args.clips or {**gt_store.clips, **lq_store.clips}:
        if name not in args.exclude_clips:
            check_pair(gt_store, lq_store, name)
