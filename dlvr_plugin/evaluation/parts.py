"""The work of an evaluation in parts that are done in parallel and written down, so that none is done twice."""

import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.evaluation.measuring import Measurement, measure_clip, measure_methods
from dlvr_plugin.evaluation.protocol import NanPolicy
from dlvr_plugin.metrics import METRICS

_PART_FRAMES = 10  # at most, of a part; the frame before it is read once more

PartValues = dict[str, dict[str, list[float | None]]]


@dataclass(frozen=True)
class Part:
    """Some consecutive frames of a clip, and what to measure of them.

    Attributes:
        clip: Name of the clip.
        start: First frame.
        stop: The frame after the last one.
        first: The first frame of the clip that the protocol keeps.
        metrics: What to measure of each method.
        size: Of the restored frames, (h, w).
    """

    clip: str
    start: int
    stop: int
    first: int
    metrics: Mapping[str, Sequence[str]]
    size: tuple[int, ...]

    @property
    def read_from(self) -> int:
        """The first frame to read: where temporal metrics are measured, the one before the part."""
        wanted = {metric for metrics in self.metrics.values() for metric in metrics}
        is_temporal = any(METRICS[metric].looks_at == 'previous' for metric in wanted)
        return max(self.start - is_temporal, self.first)

    def metrics_that(self, applies: Callable[[str], bool]) -> dict[str, list[str]]:
        """Return the metrics of each method that a condition applies to, without methods that have none."""
        found = {method: [metric for metric in metrics if applies(metric)] for method, metrics in self.metrics.items()}
        return {method: metrics for method, metrics in found.items() if metrics}

    @property
    def num_values(self) -> int:
        """How many frames of how many methods it measures."""
        return (self.stop - self.start) * len(self.metrics)


@dataclass(frozen=True)
class MeasuredPart:
    """A part and what was measured of it.

    Attributes:
        part: The part.
        values: Values of its frames by method and metric.
        frames: Frames (T, h, w, 3), BGR, uint8, of each method and, under None, of the ground truth where there is
            one, for the metrics that another device still has to compute; they begin with the one before the part.
    """

    part: Part
    values: PartValues
    frames: Mapping[str | None, Tensor]


class PartMeasures(Dataset[MeasuredPart]):
    """Measures parts, one an item.

    Args:
        gt: Ground truth, None where there is none.
        results: Clips of each method.
        parts: What to do.
        measurements: How each metric is measured, by its name.
        lq: Low-quality clips that were restored, None where there are none.
        device_metrics: Metrics that are left to another device.
        nan: As for ``measure_frame``.
    """

    def __init__(
        self,
        gt: ClipReader | None,
        results: Mapping[str, ClipReader],
        parts: Sequence[Part],
        measurements: Mapping[str, Measurement],
        *,
        lq: ClipReader | None = None,
        device_metrics: Container[str] = (),
        nan: NanPolicy = 'error',
    ) -> None:
        self.gt, self.lq, self.results, self.parts, self.measurements = gt, lq, results, parts, measurements
        self.device_metrics, self.nan = device_metrics, nan

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> MeasuredPart:
        """Measure a part.

        Raises:
            DataError: A frame cannot be used, or a value is not a number; it is named.
        """
        part = self.parts[index]
        values: PartValues = {
            method: {metric: [None] * (part.stop - part.start) for metric in metrics}
            for method, metrics in part.metrics.items()
        }
        here = part.metrics_that(lambda metric: not _looks_at_clip(metric) and metric not in self.device_metrics)
        elsewhere = part.metrics_that(lambda metric: metric in self.device_metrics)
        if elsewhere:
            sources: dict[str | None, ClipReader] = {method: self.results[method] for method in part.metrics}
            if self.gt:
                sources[None] = self.gt
            arrays = {name: np.stack(list(self._read(source, part))) for name, source in sources.items()}
            frames = {name: torch.from_numpy(array) for name, array in arrays.items()}
            truth: Iterable[np.ndarray] | None = arrays.get(None)
            restored: Mapping[str, Iterable[np.ndarray]] = {method: arrays[method] for method in here}
        else:
            frames = {}
            truth = self._read(self.gt, part) if self.gt else None
            restored = {method: self._read(self.results[method], part) for method in here}
        if here:
            lq = self._read(self.lq, part) if self.lq and _need_input(here) else None
            measure_frames(self.measurements, part, here, (truth, lq), restored, values, self.nan)
        for method, metrics in part.metrics_that(_looks_at_clip).items():
            for metric in metrics:
                values[method][metric] = self._measure_clip(method, metric, part)
        return MeasuredPart(part, values, frames)

    def _measure_clip(self, method: str, metric: str, part: Part) -> list[float | None]:
        restored, truth = (
            clips.read_frames(part.clip, part.start, part.stop) if clips else None
            for clips in (self.results[method], self.gt)
        )
        assert restored is not None
        found = measure_clip(
            self.measurements[metric],
            restored,
            truth,
            nan=self.nan,
            named=lambda name: f'{method}: {name} of clip {part.clip}',
        )
        return [_none_for_nan(value) for value in found]

    def _read(self, clips: ClipReader, part: Part) -> Iterator[np.ndarray]:
        for image in clips.read_frames(part.clip, part.read_from, part.stop):
            yield np.require(image, requirements='W')  # raw stores give read-only views, of which PyTorch warns


def measure_on_device(
    measured: MeasuredPart,
    measurements: Mapping[str, Measurement],
    device_metrics: Container[str],
    nan: NanPolicy = 'error',
) -> None:
    """Measure what a part still lacks, and add it to its values.

    Raises:
        DataError: As for the items of ``PartMeasures``.
    """
    part = measured.part
    metrics = part.metrics_that(lambda metric: metric in device_metrics)
    if metrics:
        restored = {method: measured.frames[method].numpy() for method in metrics}
        truth = measured.frames[None].numpy() if None in measured.frames else None
        measure_frames(measurements, part, metrics, (truth, None), restored, measured.values, nan)


def measure_frames(
    measurements: Mapping[str, Measurement],
    part: Part,
    metrics: Mapping[str, Sequence[str]],
    references: tuple[Iterable[np.ndarray] | None, Iterable[np.ndarray] | None],
    restored: Mapping[str, Iterable[np.ndarray]],
    values: PartValues,
    nan: NanPolicy,
) -> None:
    """Measure the frames of a part, which are given from ``read_from`` on, into its values.

    ``references`` are those of the ground truth and of the low-quality input, each None where there is none.

    Raises:
        DataError: As for the items of ``PartMeasures``.
    """
    wanted = {method: [measurements[name] for name in names] for method, names in metrics.items()}
    truth, lq = references
    num_before = part.start - part.read_from
    for index, found in measure_methods(
        truth,
        restored,
        wanted,
        lq=lq,
        clip=part.clip,
        size=part.size,
        first=part.read_from,
        num_before=num_before,
        nan=nan,
    ):
        for method, of_method in found.items():
            for metric, value in of_method.items():
                values[method][metric][index - part.start] = _none_for_nan(value)


def _none_for_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def _looks_at_clip(metric: str) -> bool:
    return METRICS[metric].looks_at == 'clip'


def _need_input(metrics: Mapping[str, Sequence[str]]) -> bool:
    return any(METRICS[metric].needs_input for names in metrics.values() for metric in names)


def plan_parts(kept: range, *, whole: bool) -> Iterator[range]:
    """Divide the kept frames of a clip, unless they are measured as a whole."""
    if whole:
        yield kept
        return
    # Parts of one size and, unless they became too short, a multiple of four, because the processes take turns.
    num_parts = min(4 * math.ceil(len(kept) / (4 * _PART_FRAMES)), math.ceil(2 * len(kept) / _PART_FRAMES))
    bounds = np.linspace(kept.start, kept.stop, num_parts + 1).round().astype(int).tolist()
    for start, stop in pairwise(bounds):
        yield range(start, stop)
