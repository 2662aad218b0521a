"""The measuring core: values of frames and clips, as evaluations and validation take them.

What several metrics need of a frame, its flow, its features, is computed once: see ``metrics.frames.Frame``.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from dlvr_plugin.core.choices import NanPolicy
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.evaluation.protocol import Protocol
from dlvr_plugin.metrics import METRICS, MetricSpec
from dlvr_plugin.metrics.frames import Frame, check_images
from dlvr_plugin.metrics.spec import How, NoValueError
from dlvr_plugin.metrics.weights import MetricNetwork

Named = Callable[[str], str]  # what an error calls the value of a metric, by the metric's name


@dataclass(frozen=True)
class Measurement:
    """A metric and how it is measured.

    Attributes:
        name: Its name in tables and logs.
        spec: What it is.
        how: How it is measured.
    """

    name: str
    spec: MetricSpec
    how: How

    @property
    def is_on_device(self) -> bool:
        """Whether it is computed on a GPU."""
        network = self.how.network
        return self.how.device is not None or (network is not None and network.device.type != 'cpu')


def measurements_of(
    metrics: Iterable[str],
    protocol: Protocol,
    *,
    networks: Mapping[str, MetricNetwork] | None = None,
    device: torch.device | None = None,
) -> dict[str, Measurement]:
    """Return metrics by name, as a protocol has them measured.

    Args:
        metrics: Names in ``METRICS``.
        protocol: How.
        networks: Networks for those that need one, by the names of their ``WeightsSpec``.
        device: GPU for those that may use one, None for the CPU. Networks have their own.
    """
    found = {}
    for name in metrics:
        spec = protocol.specify(METRICS[name])
        network = (networks or {}).get(spec.weights.name) if spec.weights else None
        how = How(protocol.settings_of(spec), network, device)
        found[name] = Measurement(name, spec, how)
    return found


def exact_convolutions() -> AbstractContextManager[None]:
    """Return a context in which GPUs do not round convolutions to TF32, which costs the last digits of LPIPS.

    It holds for all threads, so it belongs into the main one.
    """
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)


def measure_frame(
    measurements: Iterable[Measurement],
    restored: Frame,
    truth: Frame | None,
    lq: Frame | None = None,
    *,
    nan: NanPolicy,
    named: Named,
) -> dict[str, float]:
    """Measure a frame.

    Args:
        measurements: What to measure; those of whole clips are left to ``measure_clip``.
        restored: Restored frame.
        truth: Ground truth, None where there is none.
        lq: Low-quality frame that was restored, None where no metric needs it.
        nan: What becomes of a value that is not a number: an error, or it is returned as NaN.
        named: What an error calls a value.

    Returns:
        Values by metric. Those that compare with the frame before have none where there is no such frame.

    Raises:
        DataError: A metric cannot be computed, or its value is not a number.
    """
    values = {}
    for each in measurements:
        if each.spec.looks_at == 'clip' or (each.spec.looks_at == 'previous' and restored.previous is None):
            continue
        _check_truth(each, truth, named)
        try:
            value = float(each.spec.measure(restored, lq if each.spec.needs_input else truth, each.how))
        except NoValueError as error:
            if nan == 'error':
                raise DataError(f'{named(each.name)}: {error}') from error
            value = math.nan
        except DataError:
            raise
        except ValueError as error:
            raise DataError(f'{named(each.name)}: {error}') from error
        values[each.name] = _judge(value, each.name, nan, named)
    return values


def measure_clip(
    measurement: Measurement,
    restored: Iterable[np.ndarray],
    truth: Iterable[np.ndarray] | None,
    *,
    nan: NanPolicy,
    named: Named,
) -> list[float]:
    """Return the value of each frame of a clip, of a metric that looks at the whole of it.

    Args:
        measurement: The metric.
        restored: Restored images (h, w, 3), BGR, uint8.
        truth: As many true ones, None where there are none.
        nan: As for ``measure_frame``.
        named: As for ``measure_frame``.

    Raises:
        DataError: As ``measure_frame``.
    """
    _check_truth(measurement, truth, named)
    try:
        values = measurement.spec.measure(restored, truth, measurement.how)
    except DataError:
        raise
    except ValueError as error:
        raise DataError(f'{named(measurement.name)}: {error}') from error
    return [_judge(float(value), measurement.name, nan, named) for value in values]


def _check_truth(measurement: Measurement, truth: object, named: Named) -> None:
    if truth is None and measurement.spec.needs_ground_truth:
        name = measurement.name
        raise DataError(f'{named(name)}: {name} needs ground truth, and the set has none.')


def _judge(value: float, name: str, nan: NanPolicy, named: Named) -> float:
    if math.isnan(value) and nan == 'error':
        raise DataError(f'{named(name)}, is not a number (NaN).')
    return value


def measure_methods(
    truth: Iterable[np.ndarray] | None,
    restored: Mapping[str, Iterable[np.ndarray]],
    measurements: Mapping[str, Sequence[Measurement]],
    *,
    lq: Iterable[np.ndarray] | None = None,
    clip: str,
    size: tuple[int, ...],
    first: int,
    num_before: int = 0,
    nan: NanPolicy = 'error',
) -> Iterator[tuple[int, dict[str, dict[str, float]]]]:
    """Measure consecutive frames of several methods, against one ground truth where there is one.

    Args:
        truth: True images (h, w, 3), BGR, uint8, in the order of time; None where there are none.
        restored: As many of each method, of the same size.
        measurements: What to measure of each method.
        lq: Low-quality images that were restored, None where no metric needs them.
        clip: Name of the clip, for errors.
        size: Of the restored images, (h, w).
        first: Number of the first of these frames.
        num_before: Frames at the start that are only there for the temporal metrics of the next one.
        nan: As for ``measure_frame``.

    Yields:
        For every other frame its number, and the value of each metric by method.

    Raises:
        DataError: As ``measure_frame``; or a restored frame is of another size than its ground truth, or than the
            first one of its clip.
    """
    last_truth: Frame | None = None
    last: dict[str, Frame] = {}
    references = [images for images in (truth, lq) if images is not None]
    all_images = zip(*references, *(restored[method] for method in measurements), strict=True)
    for index, images in enumerate(all_images, first):
        found, values = iter(images), {}
        truth_frame = None if truth is None else Frame(next(found), last_truth)
        lq_frame = None if lq is None else Frame(next(found))
        for method, image in zip(measurements, found, strict=True):
            _check_fit(image, truth_frame, size, f'Clip {clip}, frame {index}: {method}')
            frame = Frame(image, last.get(method))
            if index >= first + num_before:
                named = partial(_name_value, method, clip, index)
                values[method] = measure_frame(measurements[method], frame, truth_frame, lq_frame, nan=nan, named=named)
            frame.forget_previous()
            last[method] = frame
        if truth_frame:
            truth_frame.forget_previous()
        last_truth = truth_frame
        if index >= first + num_before:
            yield index, values


def _check_fit(image: np.ndarray, truth: Frame | None, size: tuple[int, ...], named: str) -> None:
    """Demand an image that can be compared with the others of its clip."""
    if truth is None:
        if image.shape[:2] != size:
            raise DataError(f'{named} is of another size than the first frame: {image.shape[:2]} and {size} (h, w).')
        return
    try:
        check_images(image, truth.image)
    except InvalidValueError as error:
        raise DataError(f'{named} and its ground truth do not fit: {error}') from error


def _name_value(method: str, clip: str, index: int, metric: str) -> str:
    return f'{method}: {metric} of clip {clip}, frame {index}'
