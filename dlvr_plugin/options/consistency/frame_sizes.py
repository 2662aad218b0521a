"""Sizes and numbers of frames that data have, against crops, borders, windows and the scale."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from basicsr.data.data_util import generate_frame_indices
from basicsr.metrics import calculate_niqe
from basicsr.utils.registry import METRIC_REGISTRY

from dlvr_plugin.clips.clip_store import Clip, ClipStore
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.images import read_size
from dlvr_plugin.metrics.grid import calculate_grid, check_windows
from dlvr_plugin.metrics.niqe import check_blocks
from dlvr_plugin.metrics.spec import NoValueError
from dlvr_plugin.options.consistency.findings import Findings

Size = tuple[int, int]  # h, w

# Metrics that have no value of small frames, and what demands large ones.
_NEEDS = {calculate_niqe.__name__: check_blocks, calculate_grid.__name__: check_windows}


def size_of(store: ClipStore, clip: Clip) -> Size | None:
    """Return the size of a clip's first frame, by its header; None where that does not tell it."""
    try:
        return clip.size or read_size(store.root / clip.frames[0])
    except DataError:  # what reads the frame says what is wrong
        return None


def check_crop(
    findings: Findings, gt_store: ClipStore, lq_stores: Sequence[ClipStore], sizes: Mapping[str, Size | None]
) -> None:
    """Find clips of the training that are smaller than its crop, or whose two sizes do not differ by the scale.

    Args:
        findings: Where problems go.
        gt_store: Ground truth.
        lq_stores: Low-quality frames, each version of them; none where they are made of the ground truth.
        sizes: Of the clips to look at; None for what the store holds.
    """
    gt_size, scale = findings.get('datasets', 'train', 'gt_size'), findings.get('scale') or 1
    if not isinstance(gt_size, int) or not findings.is_sound('scale'):
        return
    for name, known in sizes.items():
        size = known or (size_of(gt_store, gt_store.clips[name]) if name in gt_store.clips else None)
        if size is None:
            continue
        if min(size) // scale < gt_size // scale:
            findings.add(
                ('datasets', 'train', 'gt_size'),
                f'must be at most {min(size) // scale * scale}, because clip {name} of {gt_store.root} has frames of '
                f'{_show(size)}; got {gt_size}.',
            )
            return
        for lq_store in lq_stores:
            lq_size = size_of(lq_store, lq_store.clips[name]) if name in lq_store.clips else None
            if lq_size is not None and lq_size != (size[0] // scale, size[1] // scale):
                _add_scale(findings, 'train', name, size, lq_size, scale)
                return


def check_whole_frames(findings: Findings, phase: str, gt_store: ClipStore, lq_store: ClipStore | None) -> None:
    """Find clips of a validation or test set whose two sizes do not differ by the scale, and borders that take all.

    Args:
        findings: Where problems go.
        phase: Phase of the set.
        gt_store: Ground truth.
        lq_store: Low-quality frames, None where their sizes do not matter.
    """
    scale, sizes = findings.get('scale') or 1, {}
    for name, clip in gt_store.clips.items():
        size = size_of(gt_store, clip)
        if size is None:
            continue
        sizes[name] = size
        if lq_store is None or name not in lq_store.clips:
            continue
        lq_size = size_of(lq_store, lq_store.clips[name])
        measured = (findings.get('val') or {}).get('metrics')
        if (
            measured
            and findings.is_sound('scale')
            and lq_size is not None
            and (lq_size[0] * scale, lq_size[1] * scale) != size
        ):
            _add_scale(findings, phase, name, size, lq_size, scale)
            return
    needs_values = findings.get('val', 'nan') == 'error'
    for metric, border in _borders(findings):
        for name, size in sizes.items():
            if 2 * border >= min(size):
                findings.add(
                    ('val', 'metrics', metric, 'crop_border'),
                    f'must be below {-(-min(size) // 2)}, because clip {name} of datasets.{phase} has frames of '
                    f'{_show(size)}; got {border}.',
                )
                break
            check_size = _NEEDS.get(findings.get('val', 'metrics', metric, 'type'))
            if needs_values and check_size is not None:
                try:
                    check_size(size, border)
                except NoValueError as error:
                    where = f'clip {name} of datasets.{phase}, which val.nan: error refuses'
                    findings.add(('val', 'metrics', metric), f'has no value for {where}: {error}')


def check_window(findings: Findings, phase: str, lengths: Mapping[str, int]) -> None:
    """Find clips that are too short for the window of a test set and its way to pad them."""
    num_frame, padding = (findings.get('datasets', phase, name) for name in ('num_frame', 'padding'))
    if not isinstance(num_frame, int) or not padding or num_frame % 2 == 0:
        return
    for name, length in sorted(lengths.items(), key=lambda item: item[1]):
        ends = (*range(min(length, num_frame)), *range(max(length - num_frame, 0), length))
        reached = {index for end in ends for index in generate_frame_indices(end, length, num_frame, padding)}
        if reached and (min(reached) < 0 or max(reached) >= length):
            findings.add(
                ('datasets', phase, 'num_frame'),
                f'must be smaller for clip {name}, which has {length} frames: padding {padding} reaches beyond them; '
                f'got {num_frame}. Or set padding: replicate.',
            )
            return


def _borders(findings: Findings) -> Iterator[tuple[str, int]]:
    """Yield the metrics that leave out a border, and how many pixels that is."""
    metrics: Any = (findings.get('val') or {}).get('metrics') or {}
    for name in metrics:
        section = findings.get('val', 'metrics', name)
        function = METRIC_REGISTRY.get(section['type']) if section else None
        parameter = inspect.signature(function).parameters.get('crop_border') if function is not None else None
        border = section.get('crop_border', parameter.default) if parameter is not None else None
        if isinstance(border, int) and section.get('crop', 'border') == 'border':
            yield name, border


def _add_scale(findings: Findings, phase: str, clip: str, gt: Size, lq: Size, scale: int) -> None:
    findings.add(
        ('datasets', phase, 'dataroot_lq'),
        f'clip {clip} has frames of {_show(lq)}, and those of dataroot_gt have {_show(gt)}, which is not scale {scale} '
        'times as much.',
    )


def _show(size: Size) -> str:
    return f'{size[0]}x{size[1]} pixels (h x w)'


def open_store(root: str | Path, dataset: Mapping[str, Any]) -> ClipStore:
    """Open the clips of a data set as its ``io_backend`` says."""
    return ClipStore(root, is_lmdb=dataset['io_backend'].get('type') == 'lmdb')
