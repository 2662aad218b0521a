"""Evaluate the results of any number of methods against the ground truth."""

import importlib.metadata
import os
import platform
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import torch
from tqdm import tqdm

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.workers import load_items
from dlvr_plugin.evaluation.bootstrap import bootstrap_intervals, mean_over_clips
from dlvr_plugin.evaluation.clip_matching import match_clips
from dlvr_plugin.evaluation.evaluation_file import FORMAT, ClipEntry, ClipResult, Evaluation, MethodEntry, MetricEntry
from dlvr_plugin.evaluation.measuring import FrameMeasures
from dlvr_plugin.evaluation.parts import (
    Journal,
    Part,
    PartMeasures,
    measure_on_device,
    plan_parts,
    value_key,
)
from dlvr_plugin.evaluation.protocol import Protocol
from dlvr_plugin.metrics.catalogue import LPIPS_METRICS, METRICS, check_metrics
from dlvr_plugin.metrics.lpips_distance import LpipsDistance
from dlvr_plugin.metrics.vmaf import ffmpeg_version, find_ffmpeg

_DEVICE_METRICS = ('psnr', 'ssim', 'psnr_y', 'ssim_y', *LPIPS_METRICS)
_PACKAGES = ('dlvr_plugin', 'basicsr', 'lpips', 'numpy', 'opencv-python', 'torch')

Hashes = dict[str, dict[str, str]]  # of the files of each clip, by clip
ValuesByClip = dict[str, dict[str, list[float | None]]]  # of all frames, by clip and metric


class EvaluationRun:
    """One evaluation.

    Args:
        gt: Ground truth.
        results: Clips of each method.
        metrics: What to measure, names in ``METRICS``.
        protocol: How.
        lpips: Distance for LPIPS and tLP, on a CPU or a GPU.
        clips: Names of the clips to compare, None for all.
        device: GPU for the other metrics that are computed on tensors, None for the CPU.
        num_workers: Processes that decode and measure; 0 does it in this one.
        journal: File that remembers what is measured, None for none.

    Raises:
        InvalidValueError: Metrics that cannot be computed. DataError: Clips or frames that do not belong together.
    """

    def __init__(
        self,
        gt: ClipReader,
        results: Mapping[str, ClipReader],
        *,
        metrics: Sequence[str],
        protocol: Protocol | None = None,
        lpips: LpipsDistance | None = None,
        clips: Sequence[str] | None = None,
        device: torch.device | None = None,
        num_workers: int = os.cpu_count() or 1,
        journal: Path | None = None,
    ) -> None:
        check_metrics(metrics)
        if lpips is None and set(metrics) & set(LPIPS_METRICS):
            raise InvalidValueError('lpips and tlp need an LpipsDistance.')
        if 'vmaf' in metrics:
            find_ffmpeg()
        self.gt, self.results, self.metrics = gt, results, list(metrics)
        self.protocol, self.lpips, self.device = protocol or Protocol(), lpips, device
        self.num_workers, self.journal = num_workers, Journal(journal)
        self._has_videos = 'videos' in (gt.kind, *(result.kind for result in results.values()))
        self.clips = match_clips(gt, results, clips)
        self.kept = {clip: self._kept_frames(clip) for clip in self.clips}
        self._sizes = {clip: self._check_sizes(clip) for clip in self.clips}

    def _kept_frames(self, clip: str) -> range:
        num_frames, skipped = self.gt.num_frames(clip), self.protocol.skip_frames
        kept = range(skipped, num_frames - skipped)
        is_temporal = any(METRICS[metric].is_temporal or metric == 'vmaf' for metric in self.metrics)
        if len(kept) < 1 + is_temporal:
            raise DataError(
                f'Clip {clip} of {self.gt.root} has {num_frames} frames, too few where {skipped} are left out at each '
                'end. Lower --skip-frames, or leave the clip out.'
            )
        return kept

    def _check_sizes(self, clip: str) -> list[int]:
        """Compare the first frames, so that most of what does not fit is found at once; return the size (h, w)."""
        height, width = next(self.gt.read_frames(clip, 0, 1)).shape[:2]
        for method, result in self.results.items():
            size = next(result.read_frames(clip, 0, 1)).shape[:2]
            if size != (height, width):
                raise DataError(
                    f'{method}: {result.where(clip, 0)} is {size[0]}x{size[1]} pixels (h x w), its ground truth '
                    f'{height}x{width}.'
                )
        return [height, width]

    def run(self) -> Evaluation:
        """Measure what is not in the journal, and sum up.

        Raises:
            DataError: A frame cannot be used, or a value is not a number; it is named.
        """
        gt_hashes = self._hash_files(self.gt, 'ground truth')
        hashes = {method: self._hash_files(result, method) for method, result in self.results.items()}
        keys = self._value_keys(gt_hashes, hashes)
        self._measure(keys)
        return {
            'format': FORMAT,
            'protocol': self._describe_protocol(),
            'versions': self._versions(),
            'metrics': {metric: self._metric_entry(metric) for metric in self.metrics},
            'gt_root': str(self.gt.root.resolve()),
            'clips': {clip: self._clip_entry(clip, gt_hashes[clip]) for clip in self.clips},
            'methods': {method: self._method_entry(method, keys, hashes[method]) for method in self.results},
        }

    def _hash_files(self, clips: ClipReader, name: str) -> Hashes:
        progress = tqdm(self.clips, desc=f'Hashing {name}', unit='clip', leave=False, disable=None)
        return {clip: clips.hash_files(clip) for clip in progress}

    def _value_keys(self, gt_hashes: Hashes, hashes: Mapping[str, Hashes]) -> dict[tuple[str, str, str, range], str]:
        """Return the journal's key of each method, metric, clip and range of frames."""
        keys, versions = {}, self._versions()
        weights = {'lpips_weights': self.lpips.origin} if self.lpips else {}
        for clip, metric in product(self.clips, self.metrics):
            how = {**self.protocol.describe([metric]), **(weights if metric in LPIPS_METRICS else {})}
            for frames in plan_parts(self.kept[clip], whole=self._has_videos or metric == 'vmaf'):
                for method in self.results:
                    inputs = (clip, how, versions, gt_hashes[clip], hashes[method][clip])
                    keys[method, metric, clip, frames] = value_key(method, metric, frames, *inputs)
        return keys

    def _measure(self, keys: Mapping[tuple[str, str, str, range], str]) -> None:
        """Fill the journal."""
        todo: dict[tuple[str, range], dict[str, list[str]]] = {}
        for (method, metric, clip, frames), key in keys.items():
            if self.journal.find(key) is None:
                todo.setdefault((clip, frames), {}).setdefault(method, []).append(metric)
        parts = [
            Part(clip, frames.start, frames.stop, self.kept[clip].start, metrics)
            for (clip, frames), metrics in todo.items()
        ]
        on_device = FrameMeasures(self.protocol, self.lpips, self.device)
        shares_work = self.device is not None and not self._has_videos
        device_metrics = _DEVICE_METRICS if shares_work else ()
        here = FrameMeasures(self.protocol) if shares_work else on_device
        dataset = PartMeasures(self.gt, self.results, parts, here, device_metrics=device_metrics)
        # Frames of a video that wait for a GPU might not fit into the memory: this process takes them one by one.
        num_workers = 0 if self.device is not None and self._has_videos else min(self.num_workers, len(parts))
        with tqdm(
            total=sum(part.num_values for part in parts), desc='Measuring', unit='frame', disable=None
        ) as progress:
            for measured in load_items(dataset, num_workers) if parts else ():
                with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # TF32 costs the last digits
                    measure_on_device(measured, on_device, device_metrics)
                part = measured.part
                frames = range(part.start, part.stop)
                self.journal.add(
                    {
                        keys[method, metric, part.clip, frames]: values
                        for method, by_metric in measured.values.items()
                        for metric, values in by_metric.items()
                    }
                )
                progress.update(part.num_values)

    def _method_entry(
        self, method: str, keys: Mapping[tuple[str, str, str, range], str], hashes: Hashes
    ) -> MethodEntry:
        frames: ValuesByClip = {}
        for clip in self.clips:
            num_frames = self.gt.num_frames(clip)
            frames[clip] = {metric: [None] * num_frames for metric in self.metrics}
        for (of_method, metric, clip, part), key in keys.items():
            if of_method == method:
                found = self.journal.find(key)
                assert found is not None
                frames[clip][metric][part.start : part.stop] = found
        measured = {
            metric: [[value for value in frames[clip][metric] if value is not None] for clip in self.clips]
            for metric in self.metrics
        }
        average = self.protocol.average
        results: dict[str, ClipResult] = {}
        for index, clip in enumerate(self.clips):
            means = {metric: mean_over_clips([values[index]], average) for metric, values in measured.items()}
            results[clip] = {'mean': means, 'frames': frames[clip], 'sha256': hashes[clip]}
        return {
            'root': str(self.results[method].root.resolve()),
            'mean': {metric: mean_over_clips(values, average) for metric, values in measured.items()},
            'intervals': {metric: bootstrap_intervals(values, average) for metric, values in measured.items()},
            'clips': results,
        }

    def _metric_entry(self, metric: str) -> MetricEntry:
        declared = METRICS[metric]
        label = declared.label
        if metric in LPIPS_METRICS and self.lpips and not self.lpips.is_published:
            label += ' (random weights)' if self.lpips.is_random else ' (weights not published)'
        return {
            'label': label,
            'direction': declared.direction,
            'decimals': declared.decimals,
            'unit': declared.unit,
        }

    def _clip_entry(self, clip: str, hashes: dict[str, str]) -> ClipEntry:
        names = self.gt.frame_names(clip) or [f'{index:08d}' for index in range(self.gt.num_frames(clip))]
        rates = [clips.frame_rate(clip) for clips in (self.gt, *self.results.values())]
        rate = next((rate for rate in rates if rate), None)
        return {'size': self._sizes[clip], 'frames': names, 'frame_rate': rate, 'sha256': hashes}

    def _describe_protocol(self) -> dict[str, str | int]:
        described = self.protocol.describe(self.metrics)
        if self.lpips and set(self.metrics) & set(LPIPS_METRICS):
            described['lpips_weights'] = self.lpips.origin
        return described

    def _versions(self) -> dict[str, str]:
        versions = {'python': platform.python_version()}
        for package in _PACKAGES:
            try:
                versions[package] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:  # opencv has several packages
                versions[package] = 'unknown'
        if 'vmaf' in self.metrics:
            versions['ffmpeg'] = ffmpeg_version()
        return versions
