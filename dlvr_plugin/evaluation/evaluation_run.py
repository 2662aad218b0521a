"""Evaluate the results of any number of methods against the ground truth, or without one."""

import os
import platform
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import torch
from basicsr.utils import get_root_logger
from tqdm import tqdm

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.workers import load_items
from dlvr_plugin.evaluation.bootstrap import bootstrap_intervals, mean_over_clips
from dlvr_plugin.evaluation.clip_matching import Match, Reference, match_clips
from dlvr_plugin.evaluation.evaluation_file import (
    FORMAT,
    ClipEntry,
    ClipResult,
    Evaluation,
    FileHashes,
    InputEntry,
    MethodEntry,
    MetricEntry,
    check_method_names,
)
from dlvr_plugin.evaluation.journal import Journal, digest_of, value_key, versions_of_metric, versions_of_packages
from dlvr_plugin.evaluation.measuring import exact_convolutions, measurements_of
from dlvr_plugin.evaluation.parts import Part, PartMeasures, measure_on_device, plan_parts
from dlvr_plugin.evaluation.protocol import Protocol
from dlvr_plugin.metrics import METRICS
from dlvr_plugin.metrics.consistency import scale_between
from dlvr_plugin.metrics.spec import check_metrics, check_references
from dlvr_plugin.metrics.weights import MetricNetwork

_READING = 2  # how frames become pixels; raised whenever that changes, as a metric's version is
_PACKAGES = ('dlvr_plugin', 'basicsr', 'lpips', 'numpy', 'opencv-python', 'torch')

Hashes = dict[str, dict[str, str]]  # of the files of each clip, by clip
ValuesByClip = dict[str, dict[str, list[float | None]]]  # of all frames, by clip and metric
ValueKeys = dict[tuple[str, str, str, range], str]  # of the journal, by method, metric, clip and frames


class EvaluationRun:
    """One evaluation.

    Args:
        gt: Ground truth, None where there is none: then only metrics that do without are measured.
        results: Clips of each method.
        metrics: What to measure, names in ``METRICS``.
        lq: Low-quality clips that the results were made of, None where they are of no interest.
        protocol: How.
        networks: Networks of the metrics that need one, on a CPU or a GPU, by the names of their ``WeightsSpec``.
        clips: Names of the clips to compare, None for all.
        device: GPU for the other metrics that are computed on tensors, None for the CPU.
        num_workers: Processes that decode and measure; 0 does it in this one.
        journal: File that remembers what is measured, None for none.
        not_measured: Metrics that were asked for and cannot be measured, and why; the protocol says so.
        match: Whether frames of results belong to those of the ground truth by 'name' or by their 'order'.

    Raises:
        InvalidValueError: Metrics that cannot be computed. DataError: Clips or frames that do not belong together.
    """

    def __init__(
        self,
        gt: ClipReader | None,
        results: Mapping[str, ClipReader],
        *,
        metrics: Sequence[str],
        lq: ClipReader | None = None,
        protocol: Protocol | None = None,
        networks: Mapping[str, MetricNetwork] | None = None,
        clips: Sequence[str] | None = None,
        device: torch.device | None = None,
        num_workers: int = os.cpu_count() or 1,
        journal: Path | None = None,
        not_measured: Mapping[str, str] | None = None,
        match: Match = 'name',
    ) -> None:
        check_metrics(metrics)
        self.protocol, self.networks, self.device = protocol or Protocol(), dict(networks or {}), device
        self.specs = {name: self.protocol.specify(METRICS[name]) for name in metrics}
        check_references(self.specs.values(), has_truth=gt is not None, has_input=lq is not None)
        for spec in self.specs.values():
            if spec.weights is not None and spec.weights.name not in self.networks:
                raise InvalidValueError(f'{spec.name} needs the network {spec.weights.name} in networks.')
            if spec.check_tools is not None:
                spec.check_tools()
        self.gt, self.lq, self.results, self.metrics = gt, lq, results, list(metrics)
        self.num_workers, self.journal = num_workers, Journal(journal)
        self._all_clips = [each for each in (gt, lq, *results.values()) if each]
        self._has_videos = any(each.kind == 'videos' for each in self._all_clips)
        self.not_measured, self.match = dict(not_measured or {}), match
        self.reference = Reference.choose(gt, lq, results)
        self.clips = match_clips(self.reference, results, clips, match=match)
        if lq:
            check_method_names(results)
        if gt and lq:
            match_clips(self.reference, {'input': lq}, self.clips, match=match)
        self.kept = {clip: self._kept_frames(clip) for clip in self.clips}
        self._sizes = {clip: self._check_sizes(clip) for clip in self.clips}
        self._scale = _find_scale(lq, self._sizes) if lq else 1
        self._cut_videos = [problem for each in self._all_clips for problem in each.cut_videos.values()]
        for problem in self._cut_videos:
            get_root_logger().warning(f'{problem}. What can be read is compared.')

    def _kept_frames(self, clip: str) -> range:
        num_frames, skipped = self.reference.clips.num_frames(clip), self.protocol.skip_frames
        kept = range(skipped, num_frames - skipped)
        if len(kept) < 1 + any(spec.looks_at != 'frame' for spec in self.specs.values()):
            raise DataError(
                f'Clip {clip} of {self.reference.clips.root} has {num_frames} frames, too few where {skipped} are left '
                'out at each end. Lower --skip-frames, or leave the clip out.'
            )
        return kept

    def _check_sizes(self, clip: str) -> list[int]:
        """Compare the first frames, so that most of what does not fit is found at once; return the size (h, w)."""
        reference = Reference.choose(self.gt, None, self.results)
        height, width = _size_of(reference.clips, clip)
        for method, result in self.results.items():
            size = _size_of(result, clip)
            if size != (height, width):
                raise DataError(
                    f'{method}: {result.where(clip, 0)} is {size[0]}x{size[1]} pixels (h x w), its {reference.noun} '
                    f'{height}x{width}.'
                )
        return [height, width]

    def run(self) -> Evaluation:
        """Measure what is not in the journal, and sum up.

        Raises:
            DataError: A frame cannot be used, or a value is not a number; it is named.
        """
        gt_hashes = self._hash_files(self.gt, 'ground truth') if self.gt else None
        lq_hashes = self._hash_files(self.lq, 'input') if self.lq else None
        hashes = {method: self._hash_files(result, method) for method, result in self.results.items()}
        keys = self._value_keys(gt_hashes, lq_hashes, hashes)
        self._measure(keys)
        evaluation: Evaluation = {
            'format': FORMAT,
            'protocol': self._describe_protocol(),
            'versions': self._versions(),
            'metrics': {metric: self._metric_entry(metric) for metric in self.metrics},
            'clips': {clip: self._clip_entry(clip) for clip in self.clips},
            'methods': {method: self._method_entry(method, keys, hashes[method]) for method in self.results},
        }
        if self.gt and gt_hashes:
            evaluation['gt_root'] = str(self.gt.root.resolve())
            for clip in self.clips:
                evaluation['clips'][clip]['sha256'] = gt_hashes[clip]
        if self.lq and lq_hashes:
            evaluation['input'] = self._input_entry(self.lq, lq_hashes)
        return evaluation

    def _hash_files(self, clips: ClipReader, name: str) -> Hashes:
        progress = tqdm(self.clips, desc=f'Hashing {name}', unit='clip', leave=False, disable=None)
        return {clip: clips.hash_files(clip) for clip in progress}

    def _value_keys(
        self, gt_hashes: Hashes | None, lq_hashes: Hashes | None, hashes: Mapping[str, Hashes]
    ) -> ValueKeys:
        keys: ValueKeys = {}
        of_gt, of_lq = (
            {clip: digest_of(found[clip]) if found else None for clip in self.clips} for found in (gt_hashes, lq_hashes)
        )
        of_results = {(name, clip): digest_of(hashes[name][clip]) for name, clip in product(self.results, self.clips)}
        for metric, spec in self.specs.items():
            how = {
                'settings': spec.effective(self.protocol.settings_of(spec)),
                'nan': self.protocol.nan,
                'versions': versions_of_metric(spec),
                'reading': _READING,
                'weights': self.networks[spec.weights.name].origin if spec.weights else None,
            }
            for clip, method in product(self.clips, self.results):
                kept = self.kept[clip]
                compared = of_lq[clip] if spec.needs_input else of_gt[clip]
                inputs = (clip, how, kept.start, compared, of_results[method, clip])
                # A video can be read from its beginning only.
                for frames in plan_parts(kept, whole=self._has_videos or spec.looks_at == 'clip'):
                    keys[method, metric, clip, frames] = value_key(method, metric, frames, *inputs)
        return keys

    def _measure(self, keys: ValueKeys) -> None:
        """Fill the journal."""
        todo: dict[tuple[str, range], dict[str, list[str]]] = {}
        for (method, metric, clip, frames), key in keys.items():
            if len(self.journal.find(key) or ()) != len(frames):  # none, or of a journal that was edited
                todo.setdefault((clip, frames), {}).setdefault(method, []).append(metric)
        parts = [
            Part(clip, frames.start, frames.stop, self.kept[clip].start, metrics, tuple(self._sizes[clip]))
            for (clip, frames), metrics in todo.items()
        ]
        nan = self.protocol.nan
        on_device = measurements_of(self.metrics, self.protocol, networks=self.networks, device=self.device)
        shares_work = self.device is not None and not self._has_videos
        device_metrics = [name for name, spec in self.specs.items() if shares_work and spec.may_use_device]
        here = measurements_of(self.metrics, self.protocol) if shares_work else on_device
        dataset = PartMeasures(self.gt, self.results, parts, here, lq=self.lq, device_metrics=device_metrics, nan=nan)
        # Frames of a video that wait for a GPU might not fit into the memory: this process takes them one by one.
        num_workers = 0 if self.device is not None and self._has_videos else min(self.num_workers, len(parts))
        num_values = sum(part.num_values for part in parts)
        with tqdm(total=num_values, desc='Measuring', unit='frame', disable=None) as progress:
            for measured in load_items(dataset, num_workers) if parts else ():
                with exact_convolutions():
                    measure_on_device(measured, on_device, device_metrics, nan)
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

    def _method_entry(self, method: str, keys: ValueKeys, hashes: Hashes) -> MethodEntry:
        frames: ValuesByClip = {}
        for clip in self.clips:
            num_frames = self.reference.clips.num_frames(clip)
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
        self._check_left_out(method, frames)
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

    def _check_left_out(self, method: str, frames: ValuesByClip) -> None:
        """Tell which values are left out because they are not numbers, and demand that a clip has some left."""
        for clip, (metric, spec) in product(self.clips, self.specs.items()):
            expected = len(self.kept[clip]) - (spec.looks_at == 'previous')
            found = sum(value is not None for value in frames[clip][metric])
            if found == 0:
                raise DataError(f'{method}: {metric} of clip {clip} is not a number (NaN) for any of its frames.')
            if found < expected:
                get_root_logger().warning(
                    f'{method}: {metric} of clip {clip} is not a number for {expected - found} of {expected} frames, '
                    'which are left out.'
                )

    def _metric_entry(self, metric: str) -> MetricEntry:
        spec = self.specs[metric]
        label = spec.label
        if spec.weights and not (network := self.networks[spec.weights.name]).is_published:
            label += ' (random weights)' if network.is_random else ' (weights not published)'
        return {'label': label, 'direction': spec.direction, 'decimals': spec.decimals, 'unit': spec.unit}

    def _clip_entry(self, clip: str) -> ClipEntry:
        num_frames = self.reference.clips.num_frames(clip)
        names = self.reference.frame_names(clip) or [f'{index:08d}' for index in range(num_frames)]
        rates = [clips.frame_rate(clip) for clips in self._all_clips]
        rate = next((rate for rate in rates if rate), None)
        return {'size': self._sizes[clip], 'frames': names, 'frame_rate': rate}

    def _input_entry(self, lq: ClipReader, hashes: Hashes) -> InputEntry:
        clips: dict[str, FileHashes] = {clip: {'sha256': hashes[clip]} for clip in self.clips}
        return {'root': str(lq.root.resolve()), 'scale': self._scale, 'clips': clips}

    def _describe_protocol(self) -> dict[str, str | int]:
        described = self.protocol.describe(self.specs.values())
        if not self.gt:
            described['ground_truth'] = 'none'
        if self.lq:
            described['input_scale'] = self._scale
        for spec in self.specs.values():
            if spec.weights is not None:
                described[f'{spec.weights.name}_weights'] = self.networks[spec.weights.name].origin
        if self.match != 'name':
            described['match'] = self.match
        if self.not_measured:
            labels = ', '.join(METRICS[name].label for name in self.not_measured)
            described['not_measured'] = f'{labels} ({" ".join(dict.fromkeys(self.not_measured.values()))})'
        if self._cut_videos:
            described['cut_videos'] = '; '.join(self._cut_videos)
        return described

    def _versions(self) -> dict[str, str]:
        tools = {name: version() for spec in self.specs.values() for name, version in spec.tool_versions.items()}
        return {'python': platform.python_version(), **versions_of_packages(_PACKAGES), **tools}


def _size_of(clips: ClipReader, clip: str) -> tuple[int, ...]:
    """Return the size (h, w) of a clip's first frame."""
    return next(clips.read_frames(clip, 0, 1)).shape[:2]


def _find_scale(lq: ClipReader, sizes: Mapping[str, Sequence[int]]) -> int:
    """Return the whole factor between the sizes of the input and those of the results.

    Raises:
        DataError: There is none, or not the same for all clips.
    """
    scales: dict[str, int] = {}
    for clip, size in sizes.items():
        small = _size_of(lq, clip)
        scale = scale_between(small, tuple(size))
        if scale is None:
            raise DataError(
                f'{lq.where(clip, 0)} of the input is {small[0]}x{small[1]} pixels (h x w), the results '
                f'{size[0]}x{size[1]}; expected a whole multiple, the same for height and width.'
            )
        scales[clip] = scale
    first = next(iter(scales))
    for clip, scale in scales.items():
        if scale != scales[first]:
            raise DataError(
                f'The results of clip {clip} are {scale} times as large as the input {lq.root}, those of clip {first} '
                f'{scales[first]} times; expected one factor for all. Choose clips by --clips.'
            )
    return scales[first]
