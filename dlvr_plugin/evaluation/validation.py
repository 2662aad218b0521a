"""Validate and test any of the host's models: metrics, pictures, the best checkpoint, and training left as it was."""

import json
import math
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from basicsr.models.base_model import BaseModel
from basicsr.models.realesrgan_model import RealESRGANModel
from basicsr.models.realesrnet_model import RealESRNetModel
from basicsr.models.sr_model import SRModel
from basicsr.models.video_base_model import VideoBaseModel
from basicsr.models.video_recurrent_model import VideoRecurrentModel
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import get_dist_info
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.files import write_atomic
from dlvr_plugin.core.images import write_image
from dlvr_plugin.core.random_state import random_states_kept
from dlvr_plugin.evaluation.validation_metrics import Metric, check_clip_lengths
from dlvr_plugin.evaluation.validation_pictures import ClipPictures
from dlvr_plugin.restoration.restored_frames import RestoredFrame, list_frames, restore_frames, share_samples

_BEST = 'best'  # in the file name, where another checkpoint has its iteration
# The loops of Real-ESRGAN are those of SRModel, without its degradations of the training.
_FRAMEWORK_MODELS = (SRModel, VideoBaseModel, VideoRecurrentModel, RealESRGANModel, RealESRNetModel)
_LOOPS = ('dist_validation', 'nondist_validation')
_NUM_THREADS = min(4, os.cpu_count() or 1)

Values = dict[str, dict[int, dict[str, float]]]  # by clip, number of the frame and metric


def validate(
    model: SRModel, dataloader: DataLoader, current_iter: int | str, tb_logger: Any, save_img: bool = False
) -> None:
    """Restore a set, measure it, log the results as the host does, and keep the best checkpoint.

    Reads beside the host's options of ``val``: ``skip_frames`` (0), frames at each end of a clip that no metric
    counts; ``picture_clips``, clips that go to TensorBoard as pictures, or ``all``; ``keep_best``, the metric, or
    ``SET/METRIC``, whose best checkpoint is kept as ``net_g_best.pth``.

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
    if not _has_framework_loop(model):
        model.validation(dataloader, current_iter, tb_logger, save_img)
        return
    with _training_unchanged(model):
        run = _Run(model, dataloader.dataset, current_iter, save_img)
        values, pictures = run.measure()
        if get_dist_info()[0] == 0:
            run.log(values, tb_logger)
            if tb_logger:
                pictures.log(tb_logger, current_iter)


def _has_framework_loop(model: BaseModel) -> bool:
    """Tell whether a model validates by a loop of the framework that this module stands in for, not by its own."""
    known = {getattr(each, loop) for each in _FRAMEWORK_MODELS for loop in _LOOPS}
    return all(getattr(type(model), loop) in known for loop in _LOOPS)


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


class _Run:
    """One validation of one set."""

    def __init__(self, model: SRModel, dataset: Any, current_iter: int | str, save_img: bool) -> None:
        self.model, self.dataset, self.current_iter, self.save_img = model, dataset, current_iter, save_img
        self.opt, self.options, self.set_name = model.opt, model.opt['val'], dataset.opt['name']
        self.metrics = [Metric(name, opt) for name, opt in (self.options.get('metrics') or {}).items()]
        self.samples = list_frames(dataset)
        self.skip_frames = self.options.get('skip_frames', 0)
        self.lengths = {clip: length for clip, _, length in self.samples}
        check_clip_lengths(self.lengths, self.set_name, self.options)
        for metric in self.metrics:
            if (metric.is_temporal or metric.takes_clip) and not self.samples[0][0]:
                raise DataError(f'val.metrics.{metric.name} compares frames of clips, but {self.set_name} has images.')

    def measure(self) -> tuple[Values, ClipPictures]:
        """Restore and measure; return what all processes found."""
        rank, world_size = get_dist_info()
        by_clip = any(metric.takes_clip for metric in self.metrics)
        indices = share_samples(self.samples, rank, world_size, by_clip=by_clip)
        is_temporal = any(metric.is_temporal for metric in self.metrics)
        values: Values = {}
        pictures = ClipPictures(self.set_name, self.options.get('picture_clips') or [])
        clip_frames: list[RestoredFrame] = []
        pending: deque[tuple[RestoredFrame, Future[dict[str, float]]]] = deque()
        previous: RestoredFrame | None = None
        with (
            ThreadPoolExecutor(_NUM_THREADS) as pool,
            tqdm(total=sum(self.lengths.values()), unit='frame', disable=rank != 0) as progress,
        ):
            for frame in restore_frames(self.model, self.dataset, indices, with_previous=is_temporal):
                if previous is not None and previous.clip != frame.clip:
                    previous = None
                if frame.is_needed:
                    progress.set_description(f'Test {frame.clip or frame.name}')
                    progress.update(world_size)
                    self._save(frame)
                    pictures.add(frame)
                    pending.append((frame, pool.submit(self._measure_frame, frame, previous)))
                    if by_clip:
                        clip_frames.append(frame)
                        if frame.index == frame.num_frames - 1:
                            self._measure_clip(clip_frames, values)
                            clip_frames = []
                while len(pending) > 2 * _NUM_THREADS:  # bounds the memory
                    _collect(pending, values)
                previous = frame
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
        return not frame.clip or self.skip_frames <= frame.index < frame.num_frames - self.skip_frames

    def _measure_frame(self, frame: RestoredFrame, previous: RestoredFrame | None) -> dict[str, float]:
        """Return the metrics of a frame; none where the protocol leaves it out."""
        found: dict[str, float] = {}
        if not self._is_kept(frame):
            return found
        images = {'img': frame.result, 'img2': frame.truth}
        has_previous = previous is not None and self._is_kept(previous)
        if previous is not None:
            before = {'previous_img': previous.result, 'previous_img2': previous.truth}
        for metric in self.metrics:
            if metric.takes_clip or (metric.is_temporal and not has_previous):
                continue
            with self._named(metric, frame):
                found[metric.name] = float(metric(**images, **(before if metric.is_temporal else {})))
        return found

    def _measure_clip(self, frames: list[RestoredFrame], values: Values) -> None:
        kept = [frame for frame in frames if self._is_kept(frame)]
        for metric in self.metrics:
            if metric.takes_clip and kept:
                with self._named(metric, kept[0]):
                    found = metric(img=[frame.result for frame in kept], img2=[frame.truth for frame in kept])
                for frame, value in zip(kept, found, strict=True):
                    values.setdefault(frame.clip, {}).setdefault(frame.index, {})[metric.name] = value

    @contextmanager
    def _named(self, metric: Metric, frame: RestoredFrame) -> Iterator[None]:
        """Say in an error which metric of which frame it concerns."""
        try:
            yield
        except (ValueError, TypeError) as error:
            place = f'clip {frame.clip}, frame {frame.index}' if frame.clip else f'image {frame.name}'
            raise DataError(f'val.metrics.{metric.name}, {self.set_name}, {place}: {error}') from error

    def log(self, values: Values, tb_logger: Any) -> None:
        """Log the means in the host's format, and keep the best checkpoint."""
        if not self.metrics:
            return
        names = [metric.name for metric in self.metrics]
        self.model.metric_results = {
            clip: torch.tensor(
                [[values[clip].get(index, {}).get(name, math.nan) for name in names] for index in range(length)],
                dtype=torch.float64,
            )
            for clip, length in self.lengths.items()
        }
        means = {clip: table.nanmean(dim=0) for clip, table in self.model.metric_results.items()}
        self._warn_of_nan(values)
        total = torch.stack(list(means.values())).mean(dim=0)
        original, model = self.opt, self.model
        metrics = {metric.name: {'better': metric.better} for metric in self.metrics}
        results = model.metric_results
        model.opt = {**original, 'val': {**self.options, 'metrics': metrics}}
        try:
            model._initialize_best_metric_results(self.set_name)
            if '' in means:  # images: the host's mean is a number
                model.metric_results = {name: total[i].item() for i, name in enumerate(names)}
                for name, value in model.metric_results.items():
                    model._update_best_metric_result(self.set_name, name, value, self.current_iter)
                SRModel._log_validation_metric_values(model, self.current_iter, self.set_name, None)
            else:
                model.metric_results = {clip: mean.unsqueeze(0) for clip, mean in means.items()}
                VideoBaseModel._log_validation_metric_values(model, self.current_iter, self.set_name, None)
                model.metric_results = results
        finally:
            model.opt = original
        for i, name in enumerate(names if tb_logger else []):
            tag = f'metrics/{self.set_name}/{name}'
            tb_logger.add_scalar(tag, total[i].item(), self.current_iter)
            for clip in filter(None, means):
                tb_logger.add_scalar(f'{tag}/{clip}', means[clip][i].item(), self.current_iter)
        self._keep_best({name: total[i].item() for i, name in enumerate(names)})

    def _warn_of_nan(self, values: Values) -> None:
        places: dict[str, list[str]] = {}
        for clip, frames in values.items():
            for index, found in frames.items():
                for name, value in found.items():
                    if math.isnan(value):
                        places.setdefault(name, []).append(f'clip {clip}, frame {index}' if clip else f'image {index}')
        for name, where in places.items():
            get_root_logger().warning(
                f'{name} of {self.set_name} is not a number for {len(where)} frames, which are left out; the first is '
                f'{where[0]}.'
            )

    def _keep_best(self, means: dict[str, float]) -> None:
        """Save G where the metric of ``keep_best`` is better than ever, over all runs of the experiment."""
        wanted = self.options.get('keep_best')
        if not wanted or not self.opt['is_train']:
            return
        set_name, _, name = wanted.rpartition('/')
        first_set = next(each['name'] for phase, each in self.opt['datasets'].items() if phase.startswith('val'))
        if self.set_name != (set_name or first_set) or math.isnan(means[name]):
            return
        folder = Path(self.opt['path']['models'])
        record = folder / f'net_g_{_BEST}.json'
        higher = next(metric.better for metric in self.metrics if metric.name == name) == 'higher'
        value = means[name]
        if record.is_file():
            best = json.loads(record.read_text())
            if best['metric'] == wanted and (best['value'] >= value if higher else best['value'] <= value):
                return
        nets: list[nn.Module] = [self.model.net_g]
        keys = ['params']
        if hasattr(self.model, 'net_g_ema'):
            nets.append(self.model.net_g_ema)
            keys.append('params_ema')
        self.model.save_network(nets, 'net_g', _BEST, param_key=keys)
        content = {'metric': wanted, 'set': self.set_name, 'value': value, 'iter': self.current_iter}
        write_atomic(record, (json.dumps(content) + '\n').encode())
        get_root_logger().info(
            f'Best checkpoint by {wanted}: {value:.4f} @ {self.current_iter} iter, net_g_{_BEST}.pth.'
        )


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
    """Return where the host saves a frame; while training, clips go into a folder of the iteration."""
    root, suffix = Path(opt['path']['visualization']), opt['val'].get('suffix') or opt['name']
    if opt['is_train']:
        if not frame.clip:
            return root / frame.name / f'{frame.name}_{current_iter}.png'
        return root / str(current_iter) / set_name / frame.clip / f'{frame.name}_{opt["name"]}_{current_iter}.png'
    return root / set_name / frame.clip / f'{frame.name}_{suffix}.png'
