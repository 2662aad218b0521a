"""The work of an evaluation in parts that are done in parallel and written down, so that none is done twice."""

import hashlib
import json
import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.evaluation.measuring import FrameMeasures
from dlvr_plugin.metrics.catalogue import METRICS
from dlvr_plugin.metrics.vmaf import vmaf

_PART_FRAMES = 10  # at most, of a part; the frame in front of it is read once more

PartValues = dict[str, dict[str, list[float | None]]]


@dataclass(frozen=True)
class Part:
    """Some consecutive frames of a clip, and what to measure of them.

    Attributes:
        clip: Name of the clip.
        start: First frame.
        stop: The frame behind the last one.
        first: The first frame of the clip that the protocol keeps.
        metrics: What to measure of each method.
    """

    clip: str
    start: int
    stop: int
    first: int
    metrics: Mapping[str, Sequence[str]]

    @property
    def read_from(self) -> int:
        """The first frame to read: where temporal metrics are measured, the one in front of the part."""
        is_temporal = any(METRICS[metric].is_temporal for metrics in self.metrics.values() for metric in metrics)
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
        frames: Frames (T, h, w, 3), BGR, uint8, of each method and, under None, of the ground truth, for the metrics
            that another device still has to compute; they begin with the one in front of the part.
    """

    part: Part
    values: PartValues
    frames: Mapping[str | None, Tensor]


class PartMeasures(Dataset[MeasuredPart]):
    """Measures parts, one an item.

    Args:
        gt: Ground truth.
        results: Clips of each method.
        parts: What to do.
        measures: How to measure.
        device_metrics: Metrics that are left to another device.
        num_threads: Threads for VMAF.
    """

    def __init__(
        self,
        gt: ClipReader,
        results: Mapping[str, ClipReader],
        parts: Sequence[Part],
        measures: FrameMeasures,
        *,
        device_metrics: Container[str] = (),
        num_threads: int = 1,
    ) -> None:
        self.gt, self.results, self.parts, self.measures = gt, results, parts, measures
        self.device_metrics, self.num_threads = device_metrics, num_threads

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
        here = part.metrics_that(lambda metric: metric != 'vmaf' and metric not in self.device_metrics)
        elsewhere = part.metrics_that(lambda metric: metric in self.device_metrics)
        if elsewhere:
            sources: dict[str | None, ClipReader] = {
                None: self.gt,
                **{method: self.results[method] for method in part.metrics},
            }
            arrays = {name: np.stack(list(self._read(source, part))) for name, source in sources.items()}
            frames = {name: torch.from_numpy(array) for name, array in arrays.items()}
            truth: Iterable[np.ndarray] = arrays[None]
            restored: Mapping[str, Iterable[np.ndarray]] = {method: arrays[method] for method in here}
        else:
            frames = {}
            truth = self._read(self.gt, part)
            restored = {method: self._read(self.results[method], part) for method in here}
        if here:
            measure_frames(self.measures, part, here, truth, restored, values)
        for method, metrics in part.metrics.items():
            if 'vmaf' in metrics:
                sides = (
                    clips.read_frames(part.clip, part.start, part.stop) for clips in (self.results[method], self.gt)
                )
                values[method]['vmaf'] = list(vmaf(*sides, num_threads=self.num_threads))
        return MeasuredPart(part, values, frames)

    def _read(self, clips: ClipReader, part: Part) -> Iterator[np.ndarray]:
        return clips.read_frames(part.clip, part.read_from, part.stop)


def measure_on_device(measured: MeasuredPart, measures: FrameMeasures, device_metrics: Container[str]) -> None:
    """Measure what a part still lacks, and add it to its values.

    Raises:
        DataError: As for the items of ``PartMeasures``.
    """
    part = measured.part
    metrics = part.metrics_that(lambda metric: metric in device_metrics)
    if metrics:
        restored = {method: measured.frames[method].numpy() for method in metrics}
        measure_frames(measures, part, metrics, measured.frames[None].numpy(), restored, measured.values)


def measure_frames(
    measures: FrameMeasures,
    part: Part,
    metrics: Mapping[str, Sequence[str]],
    truth: Iterable[np.ndarray],
    restored: Mapping[str, Iterable[np.ndarray]],
    values: PartValues,
) -> None:
    """Measure the frames of a part, which are given from ``read_from`` on, into its values.

    Raises:
        DataError: As for the items of ``PartMeasures``.
    """
    measured = measures.measure(truth, restored, metrics, num_before=part.start - part.read_from)
    for index in range(part.start, part.stop):
        try:
            found = next(measured)
        except DataError:
            raise
        except ValueError as error:
            raise DataError(f'Clip {part.clip}, frame {index}: {error}') from error
        for method, of_method in found.items():
            for metric, value in of_method.items():
                if math.isnan(value):
                    raise DataError(f'{method}: {metric} of clip {part.clip}, frame {index}, is not a number (NaN).')
                values[method][metric][index - part.start] = value


def plan_parts(kept: range, *, whole: bool) -> Iterator[range]:
    """Divide the kept frames of a clip; a video, which can be read from its beginning only, and VMAF take the whole."""
    if whole:
        yield kept
        return
    # Parts of one size and, unless they became too short, a multiple of four, because the processes take turns.
    num_parts = min(4 * math.ceil(len(kept) / (4 * _PART_FRAMES)), math.ceil(2 * len(kept) / _PART_FRAMES))
    bounds = np.linspace(kept.start, kept.stop, num_parts + 1).round().astype(int).tolist()
    for start, stop in pairwise(bounds):
        yield range(start, stop)


class Journal:
    """Values that earlier runs measured, in a file that grows by a line for each part.

    Args:
        path: The file, None to remember nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._values: dict[str, list[float | None]] = {}
        for line in path.read_text().splitlines() if path and path.is_file() else ():
            try:
                self._values.update(json.loads(line))
            except ValueError:
                pass  # the last line of a run that was killed

    def find(self, key: str) -> list[float | None] | None:
        """Return the values of a key, None where there are none."""
        return self._values.get(key)

    def add(self, values: Mapping[str, list[float | None]]) -> None:
        """Remember values by key.

        Raises:
            OSError: The file cannot be written.
        """
        self._values.update(values)
        if self.path:
            try:
                with self.path.open('a') as file:
                    # On a line of its own, whatever a killed run has left in front of it.
                    file.write('\n' + json.dumps(dict(values)) + '\n')
            except OSError as error:
                raise OSError(f'{self.path} cannot be written: {error.strerror}.') from error


def value_key(method: str, metric: str, frames: range, *inputs: Any) -> str:
    """Return the key of a method's values; ``inputs`` is all that they depend on."""
    digest = hashlib.sha256(json.dumps([frames.start, frames.stop, *inputs], sort_keys=True).encode()).hexdigest()
    return f'{method} {metric} {digest[:32]}'
