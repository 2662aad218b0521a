"""The protocol of an evaluation: what is compared, and how it is averaged."""

from dataclasses import asdict, dataclass
from typing import Any

from dlvr_plugin.core.arguments import check_choice, check_integer
from dlvr_plugin.core.choices import Average, ColorSpace, Crop, FlowNorm, LpipsNet


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How clips are compared; the defaults are those of the paper.

    Attributes:
        skip_frames: Frames left out at each end of a clip, for all metrics.
        average: 'clip': frames are averaged over a clip, then clips; 'frame': all frames count the same.
        crop_border: Pixels left out at each border for PSNR, SSIM and NIQE, and where a crop says 'border'.
        color_space: Of PSNR and SSIM: 'rgb', or 'y', the luma of BT.601.
        tof_norm: Norm of the difference of two flow vectors.
        tof_crop: Part of the flow that counts; 'none' is the whole frame, 'tecogan' that of TecoGAN's script.
        lpips_net: Trunk of LPIPS 0.1.
        lpips_crop: Part of a frame that LPIPS and tLP see, as ``tof_crop``.

    Raises:
        ValueError: A value out of range. TypeError: of the wrong type.

    Source: Section 4 of the paper.
    """

    skip_frames: int = 2
    average: Average = 'clip'
    crop_border: int = 8
    color_space: ColorSpace = 'rgb'
    tof_norm: FlowNorm = 'euclidean'
    tof_crop: Crop = 'none'
    lpips_net: LpipsNet = 'alex'
    lpips_crop: Crop = 'none'

    def __post_init__(self) -> None:
        for name in ('skip_frames', 'crop_border'):
            check_integer(name, getattr(self, name), minimum=0)
        for name, choices in (
            ('average', Average),
            ('color_space', ColorSpace),
            ('tof_norm', FlowNorm),
            ('tof_crop', Crop),
            ('lpips_net', LpipsNet),
            ('lpips_crop', Crop),
        ):
            check_choice(name, getattr(self, name), choices)

    def describe(self, metrics: list[str]) -> dict[str, Any]:
        """Return the parts that concern some metrics, for a file."""
        concerned = {'skip_frames', 'average'}
        for metric in metrics:
            concerned |= _CONCERNED.get(metric, set())
        if 'border' in (self.tof_crop, self.lpips_crop):
            concerned.add('crop_border')
        return {name: value for name, value in asdict(self).items() if name in concerned}


_CONCERNED = {
    'psnr': {'crop_border', 'color_space'},
    'ssim': {'crop_border', 'color_space'},
    'psnr_y': {'crop_border'},
    'ssim_y': {'crop_border'},
    'niqe': {'crop_border'},
    'tof': {'tof_norm', 'tof_crop'},
    'lpips': {'lpips_net', 'lpips_crop'},
    'tlp': {'lpips_net', 'lpips_crop'},
}
