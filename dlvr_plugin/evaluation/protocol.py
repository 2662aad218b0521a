"""The protocol of an evaluation: what is compared, and how it is averaged."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

from dlvr_plugin.core.choices import (
    Average,
    ColorSpace,
    Crop,
    DistsSize,
    FlowNorm,
    LpipsNet,
    NanPolicy,
    WarpingFlow,
    WarpingFrames,
    WarpingMask,
)
from dlvr_plugin.core.declarations import NOT_NEGATIVE, check_fields

if TYPE_CHECKING:  # the protocol alone is loaded at once, for help pages
    from dlvr_plugin.metrics import MetricSpec


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How clips are compared; the defaults are those of the paper.

    Attributes:
        skip_frames: Frames left out at each end of a clip, for all metrics.
        average: 'clip': frames are averaged over a clip, then clips; 'frame': all frames count the same.
        crop_border: Pixels left out at each border for PSNR, SSIM, NIQE, sharpness and grid, and where a crop says
            'border'.
        color_space: Of PSNR and SSIM: 'rgb', or 'y', the luma of BT.601.
        tof_norm: Norm of the difference of two flow vectors.
        tof_crop: Part of the flow that counts; 'none' is the whole frame, 'tecogan' that of TecoGAN's script.
        lpips_net: Trunk of LPIPS 0.1.
        lpips_crop: Part of a frame that LPIPS and tLP see; as for tOF.
        dists_size: What DISTS sees: the 'frame', or with 'shorter-256' the frame whose shorter side is brought down to
            256 pixels.
        warping_flow: Optical flow of the warping error and the flicker: 'dis', OpenCV's with its preset medium, or
            'raft', RAFT-large of torchvision.
        warping_frames: Whose motion the warping error follows: 'gt', that of the ground truth, or 'result', that of the
            restored frames.
        warping_mask: Which pixels of both count: 'consistency', where the flows forward and backward agree, or 'ruder',
            of these those off motion boundaries.
        warping_crop: Part of a frame that both see; as for tOF.
        nan: A value that is not a number is an 'error', or 'leave-out' leaves its frame out of the means of the metric.

    Raises:
        InvalidValueError: A value out of range. InvalidTypeError: of the wrong type.

    Source: Section 4 of the paper.
    """

    skip_frames: Annotated[int, NOT_NEGATIVE] = 2
    average: Average = 'clip'
    crop_border: Annotated[int, NOT_NEGATIVE] = 8
    color_space: ColorSpace = 'rgb'
    tof_norm: FlowNorm = 'euclidean'
    tof_crop: Crop = 'none'
    lpips_net: LpipsNet = 'alex'
    lpips_crop: Crop = 'none'
    dists_size: DistsSize = 'frame'
    warping_flow: WarpingFlow = 'dis'
    warping_frames: WarpingFrames = 'gt'
    warping_mask: WarpingMask = 'consistency'
    warping_crop: Crop = 'none'
    nan: NanPolicy = 'error'

    def __post_init__(self) -> None:
        check_fields(self)

    def settings_of(self, spec: 'MetricSpec') -> dict[str, Any]:
        """Return the settings of a metric."""
        return {name: getattr(self, key) for name, key in spec.settings.items()}

    def specify(self, spec: 'MetricSpec') -> 'MetricSpec':
        """Return the spec of a metric with its settings."""
        return spec.under(self.settings_of(spec))

    def effective_keys(self, spec: 'MetricSpec') -> set[str]:
        """Return the keys that the values of a metric depend on."""
        return {spec.settings[name] for name in spec.effective(self.settings_of(spec))}

    def describe(self, specs: 'Iterable[MetricSpec]') -> dict[str, Any]:
        """Return the parts that concern some metrics, for a file."""
        shown = {'skip_frames', 'average'}.union(*(self.effective_keys(spec) for spec in specs))
        if self.nan != 'error':
            shown.add('nan')
        return {name: value for name, value in asdict(self).items() if name in shown}


def format_protocol(protocol: Mapping[str, Any]) -> str:
    """Return a protocol in one line."""
    return 'Protocol: ' + ', '.join(f'{name} {value}' for name, value in protocol.items()) + '.'
