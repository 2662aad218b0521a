"""Validate and test any of the host's models: metrics, pictures, the best checkpoint, and training left as it was."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch.distributed as dist
from basicsr.models.base_model import BaseModel
from basicsr.models.realesrgan_model import RealESRGANModel
from basicsr.models.realesrnet_model import RealESRNetModel
from basicsr.models.sr_model import SRModel
from basicsr.models.video_base_model import VideoBaseModel
from basicsr.models.video_recurrent_model import VideoRecurrentModel
from basicsr.utils.dist_util import get_dist_info
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.images import write_image
from dlvr_plugin.core.random_state import random_states_kept
from dlvr_plugin.evaluation.measuring import exact_convolutions, measure_clip, measure_frame
from dlvr_plugin.evaluation.validation_metrics import check_clip_lengths, load_metrics
from dlvr_plugin.evaluation.validation_options import ValidationOptions
from dlvr_plugin.evaluation.validation_pictures import ClipPictures
from dlvr_plugin.evaluation.validation_results import Values, log_results
from dlvr_plugin.metrics.frames import Frame
from dlvr_plugin.restoration.restored_frames import RestoredFrame, list_frames, restore_frames, share_samples

# The loops of Real-ESRGAN are those of SRModel, without its degradations of the training.
_FRAMEWORK_MODELS = (SRModel, VideoBaseModel, VideoRecurrentModel, RealESRGANModel, RealESRNetModel)
_LOOPS = ('dist_validation', 'nondist_validation')
_NUM_THREADS = min(4, os.cpu_count() or 1)


def validate(
    model: SRModel, dataloader: DataLoader, current_iter: int | str, tb_logger: Any, save_img: bool = False
) -> None:
    """Restore a set, measure it as ``dlvr evaluate`` does, log the results, and keep the best checkpoint.

    Reads beside the host's options of ``val`` those of ``ValidationOptions``.

    Args:
        model: The host's model.
        dataloader: Loader of the set.
        current_iter: Iteration, or the name of a test.
        tb_logger: TensorBoard's writer, None for none.
        save_img: Whether to save the restored frames.

    Raises:
        DataError: A frame cannot be read, or a metric cannot be computed; both are named.
    """
    if isinstance(current_iter, int) and model.opt['is_train']:
        last = int(model.opt['train'].get('total_iter', current_iter))
        current_iter = min(current_iter, last)  # the framework numbers the validation after the last one higher
    if not has_framework_loop(type(model)):
        model.validation(dataloader, current_iter, tb_logger, save_img)
        return
    with _training_unchanged(model):
        run = _Run(model, dataloader.dataset, current_iter, save_img)
        values, pictures = run.measure()
        if get_dist_info()[0] == 0:
            log_results(model, run.set_name, run.lengths, run.measurements, values, current_iter, tb_logger)
            if tb_logger:
                pictures.log(tb_logger, current_iter)


def has_framework_loop(model: type[BaseModel]) -> bool:
    """Tell whether models of a class validate by a loop of the framework that this module stands in for."""
    known = {getattr(each, loop) for each in _FRAMEWORK_MODELS for loop in _LOOPS}
    return all(getattr(model, loop) in known for loop in _LOOPS)


@contextmanager
def _training_unchanged(model: SRModel) -> Iterator[None]:
    """Give the random generators and the modes of the model and its networks back as they were.

    Inside, G is without its wrap: that of DDP would wait for processes that have fewer samples.
    """
    is_train, model.is_train = model.is_train, False
    wrapped, model.net_g = model.net_g, model.get_bare_model(model.net_g)
    networks = [value for value in vars(model).values() if isinstance(value, nn.Module)]
    modes = [(module, module.training) for network in networks for module in network.modules()]
    try:
        with random_states_kept():
            yield
    finally:
        model.is_train, model.net_g = is_train, wrapped
        for module, mode in modes:
            module.training = mode


class _Pair(NamedTuple):
    """A frame that counts, and its ground truth."""

    clip: str
    restored: Frame
    truth: Frame | None


class _Run:
    """One validation of one set."""

    def __init__(self, model: SRModel, dataset: Any, current_iter: int | str, save_img: bool) -> None:
        self.model, self.dataset, self.current_iter, self.save_img = model, dataset, current_iter, save_img
        self.opt, self.set_name = model.opt, dataset.opt['name']
        self.options = ValidationOptions.from_section(self.opt['val'])
        self.samples = list_frames(dataset)
        self.lengths = {clip: length for clip, _, length in self.samples}
        check_clip_lengths(self.lengths, self.set_name, self.opt['val'])
        self.measurements = load_metrics(self.opt['val'])
        for name, each in self.measurements.items():
            if each.spec.looks_at != 'frame' and not self.samples[0][0]:
                raise DataError(f'val.metrics.{name} compares frames of clips, but {self.set_name} has images.')
        self._is_temporal = any(each.spec.looks_at == 'previous' for each in self.measurements.values())
        self._of_clips = [each for each in self.measurements.values() if each.spec.looks_at == 'clip']
        self._on_device = [each for each in self.measurements.values() if each.is_on_device]
        self._on_cpu = [each for each in self.measurements.values() if not each.is_on_device]

    def measure(self) -> tuple[Values, ClipPictures]:
        """Restore and measure; return what all processes found."""
        rank, world_size = get_dist_info()
        indices = share_samples(self.samples, rank, world_size, by_clip=bool(self._of_clips))
        values: Values = {}
        pictures = ClipPictures(self.set_name, self.options.picture_clips or [])
        clip_frames: list[RestoredFrame] = []
        pending: deque[tuple[RestoredFrame, Future[dict[str, float]]]] = deque()
        last: _Pair | None = None
        with (
            ThreadPoolExecutor(_NUM_THREADS) as pool,
            tqdm(
                total=sum(self.lengths.values()), unit='frame', disable=rank != 0 or not self.options.pbar
            ) as progress,
        ):
            for frame in restore_frames(self.model, self.dataset, indices, with_previous=self._is_temporal):
                last = self._pair(frame, last)
                if frame.is_needed:
                    progress.set_description(f'Test {frame.clip or frame.name}')
                    progress.update(world_size)
                    self._save(frame)
                    pictures.add(frame)
                    if last is not None:
                        pending.append((frame, self._measure_frame(frame, last, pool)))
                    if self._of_clips:
                        clip_frames.append(frame)
                        if frame.index == frame.num_frames - 1:
                            self._measure_clip(clip_frames, values)
                            clip_frames = []
                while len(pending) > 2 * _NUM_THREADS:  # bounds the memory
                    _collect(pending, values)
            while pending:
                _collect(pending, values)
        if self.opt['dist']:
            values, pictures = _gather(values, pictures)
        return values, pictures

    def _save(self, frame: RestoredFrame) -> None:
        if self.save_img:
            path = _picture_path(self.opt, self.set_name, frame, self.current_iter)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, frame.result)

    def _is_kept(self, frame: RestoredFrame) -> bool:
        skipped = self.options.skip_frames
        return not frame.clip or skipped <= frame.index < frame.num_frames - skipped

    def _pair(self, frame: RestoredFrame, last: _Pair | None) -> _Pair | None:
        """Return a frame as the measuring core takes it, None where the protocol leaves it out."""
        if not self._is_kept(frame):
            return None
        before = last if self._is_temporal and last is not None and last.clip == frame.clip else None
        restored = Frame(frame.result, before.restored if before else None)
        truth = None if frame.truth is None else Frame(frame.truth, before.truth if before else None)
        return _Pair(frame.clip, restored, truth)

    def _measure_frame(self, frame: RestoredFrame, pair: _Pair, pool: ThreadPoolExecutor) -> Future[dict[str, float]]:
        """Measure a frame: here what a GPU computes, in a thread the rest."""
        named, nan = partial(self._name_value, frame), self.options.nan
        found: dict[str, float] = {}
        if self._on_device:
            with exact_convolutions():
                found = measure_frame(self._on_device, pair.restored, pair.truth, nan=nan, named=named)

        def measure_rest() -> dict[str, float]:
            found.update(measure_frame(self._on_cpu, pair.restored, pair.truth, nan=nan, named=named))
            for each in (pair.restored, pair.truth):
                if each is not None:
                    each.forget_previous()
            return found

        return pool.submit(measure_rest)

    def _measure_clip(self, frames: list[RestoredFrame], values: Values) -> None:
        kept = [frame for frame in frames if self._is_kept(frame)]
        truths = [frame.truth for frame in kept if frame.truth is not None]
        for each in self._of_clips if kept else ():
            named, nan = partial(self._name_value, kept[0]), self.options.nan
            images = [frame.result for frame in kept]
            found = measure_clip(each, images, truths if len(truths) == len(kept) else None, nan=nan, named=named)
            for frame, value in zip(kept, found, strict=True):
                values.setdefault(frame.clip, {}).setdefault(frame.index, {})[each.name] = value

    def _name_value(self, frame: RestoredFrame, metric: str) -> str:
        place = f'clip {frame.clip}, frame {frame.index}' if frame.clip else f'image {frame.name}'
        return f'val.metrics.{metric}, {self.set_name}, {place}'


def _collect(pending: deque[tuple[RestoredFrame, Future[dict[str, float]]]], values: Values) -> None:
    """Wait for the oldest frame."""
    frame, future = pending.popleft()
    values.setdefault(frame.clip, {}).setdefault(frame.index, {}).update(future.result())


def _gather(values: Values, pictures: ClipPictures) -> tuple[Values, ClipPictures]:
    """Put together what the processes found."""
    everything: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everything, (values, pictures))
    merged: Values = {}
    for part, part_pictures in everything:
        for clip, frames in part.items():
            merged.setdefault(clip, {}).update(frames)
        pictures.merge(part_pictures)
    return merged, pictures


def _picture_path(opt: dict[str, Any], set_name: str, frame: RestoredFrame, current_iter: int | str) -> Path:
    """Return where the host saves a frame; while training, clips go into a folder of the iteration.

    Raises:
        DataError: A list of clips has a name that leads out of there.
    """
    if Path(frame.clip).is_absolute() or '..' in Path(frame.clip).parts:
        raise DataError(f'{set_name}: clip {frame.clip} cannot be saved: its name leads out of the folder of pictures.')
    root, suffix = Path(opt['path']['visualization']), opt['val'].get('suffix') or opt['name']
    if opt['is_train']:
        if not frame.clip:
            return root / frame.name / f'{frame.name}_{current_iter}.png'
        return root / str(current_iter) / set_name / frame.clip / f'{frame.name}_{opt["name"]}_{current_iter}.png'
    return root / set_name / frame.clip / f'{frame.name}_{suffix}.png'
