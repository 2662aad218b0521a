"""Restore the frames of a validation or test set, whatever its kind, in parts for several processes."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from basicsr.models.sr_model import SRModel
from basicsr.utils import tensor2img
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from dlvr_plugin.archs import spec_of
from dlvr_plugin.restoration.fit_frames import crop_result, fit_frames
from dlvr_plugin.restoration.window_cache import cached_windows


@dataclass(frozen=True)
class RestoredFrame:
    """A frame of a set.

    Attributes:
        clip: Name of its clip; empty in a set of single images.
        index: Number in the clip, or in the set of images.
        num_frames: Frames of the clip, or images of the set.
        name: Name of its file without extension; its number where the set names no file of it.
        result: Restored image (h, w, 3), BGR, uint8.
        truth: Ground truth, None where the set has none.
        lq: Low-quality image.
        is_needed: False for a frame that is only there for the next one's temporal metrics.
    """

    clip: str
    index: int
    num_frames: int
    name: str
    result: np.ndarray
    truth: np.ndarray | None
    lq: np.ndarray
    is_needed: bool = True


def list_frames(dataset: Dataset[Any]) -> list[tuple[str, int, int]]:
    """Return the clip, the number of the frame (0 for a whole clip) and of its clip's frames for each sample."""
    info = getattr(dataset, 'data_info', None)
    length = len(dataset)  # type: ignore[arg-type]
    if not info:
        return [('', index, length) for index in range(length)]
    if length == len(info['idx']):
        counts = [text.split('/') for text in info['idx']]
        return [(clip, int(i), int(n)) for clip, (i, n) in zip(info['folder'], counts, strict=True)]
    return [(clip, 0, info['folder'].count(clip)) for clip in dataset.folders]  # type: ignore[attr-defined]


def share_samples(samples: list[tuple[str, int, int]], rank: int, world_size: int, *, by_clip: bool) -> list[int]:
    """Return the samples of a process: neighbours, so that temporal metrics find the frame before.

    Args:
        samples: What ``list_frames`` returned.
        rank: Number of the process.
        world_size: Number of processes.
        by_clip: Leave clips whole.
    """
    if by_clip:
        clips = [list(group) for _, group in groupby(range(len(samples)), key=lambda index: samples[index][0])]
        return [index for number, clip in enumerate(clips) if number % world_size == rank for index in clip]
    total = len(samples)
    return list(range(total * rank // world_size, total * (rank + 1) // world_size))


def restore_frames(
    model: SRModel, dataset: Dataset[Any], indices: list[int], *, with_previous: bool
) -> Iterator[RestoredFrame]:
    """Restore samples of a set.

    Args:
        model: Any of the host's models that restore frames or clips.
        dataset: The set.
        indices: Samples to restore, in order.
        with_previous: Also restore the frame in front of one that does not follow the last.

    Yields:
        Frames in the order of time, clip by clip.
    """
    samples, last = list_frames(dataset), None
    with cached_windows(model, spec_of(model.opt.get('network_g'))):
        for index in indices:
            clip, number, _ = samples[index]
            if with_previous and clip and number > 0 and last != index - 1:
                yield from _restore(model, dataset, index - 1, samples[index - 1], is_needed=False)
            yield from _restore(model, dataset, index, samples[index], is_needed=True)
            last = index


def _restore(
    model: SRModel, dataset: Dataset[Any], index: int, place: tuple[str, int, int], *, is_needed: bool
) -> Iterator[RestoredFrame]:
    clip, first, num_frames = place
    batch = default_collate([dataset[index]])
    results, truths, inputs = _run_model(model, batch, where=f'Clip {clip}' if clip else f'Image {index}')
    names = _texts(batch.get('lq_path'))
    for offset, result in enumerate(results):
        # A recurrent model that gives its middle frame alone has as many inputs as a sliding window.
        lq = inputs[offset] if len(inputs) == len(results) else inputs[len(inputs) // 2]
        name = f'{first + offset:08d}'
        if len(names) == len(results) or (names and len(results) == 1):
            name = Path(names[offset] if len(names) == len(results) else names[len(names) // 2]).stem
        truth = None if truths is None else tensor2img(truths[offset])
        number, count = (first + offset, num_frames) if clip else (index, num_frames)
        yield RestoredFrame(clip, number, count, name, tensor2img(result), truth, tensor2img(lq), is_needed)


def _run_model(
    model: SRModel, batch: dict[str, Any], *, where: str
) -> tuple[list[Tensor], list[Tensor] | None, list[Tensor]]:
    """Restore a sample; return the frames of the result, of the ground truth and of the input."""
    original = batch['lq'].shape[-2:]
    spec = spec_of(model.opt.get('network_g'))
    if spec is not None:
        batch = {**batch, 'lq': fit_frames(batch['lq'], spec, where=where)}
    padded = batch['lq'].shape[-2:]
    model.feed_data(batch)
    model.test()
    visuals = model.get_current_visuals()
    for name in ('lq', 'output', 'gt'):  # what a step of training may find must be of its own
        if hasattr(model, name):
            delattr(model, name)
    result = crop_result(visuals['result'], padded=padded, original=original)
    inputs = visuals['lq'][..., : original[0], : original[1]]
    return _to_frames(result), _to_frames(visuals['gt']) if 'gt' in visuals else None, _to_frames(inputs)


def _to_frames(visual: Tensor) -> list[Tensor]:
    """Return frames (1, C, h, w) of (1, C, h, w) or (1, T, C, h, w)."""
    return [visual] if visual.dim() == 4 else list(visual.transpose(0, 1))


def _texts(value: Any) -> list[str]:
    """Return the texts in what the collation made of one text or of several."""
    if isinstance(value, (list, tuple)):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []
