"""Measure restored frames one after the other, computing what they share once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from basicsr.metrics import calculate_niqe

from dlvr_plugin.core.choices import ColorSpace
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.evaluation.protocol import Protocol
from dlvr_plugin.metrics.lpips_distance import Features, LpipsDistance
from dlvr_plugin.metrics.optical_flow import FlowTracker
from dlvr_plugin.metrics.psnr_ssim import check_images, psnr, psnr_of_batch, ssim, ssim_of_batch
from dlvr_plugin.metrics.tof import crop_slices, flow_distance, to_grey

_NIQE_BLOCK = 96

Values = dict[str, dict[str, float]]


class FrameMeasures:
    """Measures that look at one frame, or at it and the one before.

    Args:
        protocol: How to measure.
        lpips: Distance for LPIPS and tLP, None where neither is asked for.
        device: Computes PSNR and SSIM as tensors; None, the fastest on a CPU, as arrays. LPIPS has its own.
    """

    def __init__(
        self, protocol: Protocol, lpips: LpipsDistance | None = None, device: torch.device | None = None
    ) -> None:
        self.protocol, self.lpips, self.device = protocol, lpips, device

    def measure(
        self,
        truth: Iterable[np.ndarray],
        restored: Mapping[str, Iterable[np.ndarray]],
        metrics: Mapping[str, Sequence[str]],
        num_before: int = 0,
    ) -> Iterator[Values]:
        """Measure methods against one ground truth.

        Args:
            truth: Frames (h, w, 3), BGR, uint8, in the order of time.
            restored: As many of each method, of the same size.
            metrics: What to measure of each method, all but 'vmaf'.
            num_before: Frames at the start that are only there for the temporal metrics of the next one.

        Yields:
            For every other frame the value of each metric by method; temporal ones where there is a frame before.

        Raises:
            InvalidValueError: A restored frame is of another size than its ground truth.
        """
        wanted = {metric for names in metrics.values() for metric in names}
        sequences = {name: _Sequence(self, set(names)) for name, names in metrics.items()}
        truth_sequence = _Sequence(self, wanted)
        for index, (truth_image, *images) in enumerate(zip(truth, *(restored[name] for name in metrics), strict=True)):
            truth_sequence.push(truth_image)
            values: Values = {}
            for (name, sequence), image in zip(sequences.items(), images, strict=True):
                _check_pair(name, image, truth_image)
                sequence.push(image)
                if index >= num_before:
                    pairs = ((metric, self._measure(metric, sequence, truth_sequence)) for metric in metrics[name])
                    values[name] = {metric: value for metric, value in pairs if value is not None}
            if index >= num_before:
                yield values

    def _measure(self, metric: str, restored: '_Sequence', truth: '_Sequence') -> float | None:
        """Return the value of the current frame, None for a temporal metric of the first."""
        protocol = self.protocol
        if metric == 'tof':
            if restored.flow is None or truth.flow is None:
                return None
            return flow_distance(
                restored.flow,
                truth.flow,
                norm=protocol.tof_norm,
                crop=protocol.tof_crop,
                crop_border=protocol.crop_border,
            )
        if metric == 'lpips':
            assert self.lpips is not None
            return self.lpips.distance(restored.features, truth.features)
        if metric == 'tlp':
            return None if restored.change is None or truth.change is None else abs(restored.change - truth.change)
        if metric == 'niqe':
            return _niqe(restored.image, protocol.crop_border)
        color_space: ColorSpace = 'y' if metric.endswith('_y') else protocol.color_space
        return self._fidelity(metric.removesuffix('_y'), restored.image, truth.image, color_space)

    def _fidelity(self, metric: str, image: np.ndarray, truth: np.ndarray, color_space: ColorSpace) -> float:
        border = self.protocol.crop_border
        if self.device is None:
            function = psnr if metric == 'psnr' else ssim
            return function(image, truth, crop_border=border, color_space=color_space)
        of_batch = psnr_of_batch if metric == 'psnr' else ssim_of_batch
        # (h, w, 3) -> (1, 3, h, w)
        batches = (torch.from_numpy(each).to(self.device).permute(2, 0, 1).unsqueeze(0) for each in (image, truth))
        return float(of_batch(*batches, crop_border=border, color_space=color_space))


def _check_pair(name: str, image: np.ndarray, truth: np.ndarray) -> None:
    try:
        check_images(image, truth)
    except ValueError as error:
        raise InvalidValueError(f'{name} and its ground truth do not fit: {error}') from error


def _niqe(image: np.ndarray, crop_border: int) -> float:
    height, width = (side - 2 * crop_border for side in image.shape[:2])
    if (height // _NIQE_BLOCK) * (width // _NIQE_BLOCK) < 2:
        raise InvalidValueError(
            f'NIQE compares blocks of {_NIQE_BLOCK}x{_NIQE_BLOCK} pixels and needs two; without its border of '
            f'{crop_border} the frame is {height}x{width}.'
        )
    return float(calculate_niqe(image, crop_border))


class _Sequence:
    """A sequence of frames, as far as the current one and its predecessor are concerned.

    Attributes:
        image: The current frame.
        flow: From the one before, (h, w, 2); None for the first, or where no metric needs it.
        features: What LPIPS compares.
        change: LPIPS to the one before, None as for ``flow``.
    """

    def __init__(self, measures: FrameMeasures, metrics: set[str]) -> None:
        self._measures, self._metrics = measures, metrics
        self._flow_tracker = FlowTracker()
        self.flow: np.ndarray | None = None
        self.features: Features = []
        self.change: float | None = None

    def push(self, image: np.ndarray) -> None:
        """Go on to the next frame."""
        self.image = image
        if 'tof' in self._metrics:
            self.flow = self._flow_tracker.push(to_grey(image))
        if {'lpips', 'tlp'} & self._metrics:
            lpips, protocol = self._measures.lpips, self._measures.protocol
            assert lpips is not None
            last_features = self.features
            self.features = lpips.features(image[crop_slices(image.shape, protocol.lpips_crop, protocol.crop_border)])
            if 'tlp' in self._metrics and last_features:
                self.change = lpips.distance(last_features, self.features)
