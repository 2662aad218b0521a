"""What the archs of BasicSR 1.4.2 take and give, as measured by running them."""

from collections.abc import Mapping
from typing import Any

from basicsr.archs.basicvsr_arch import BasicVSR, IconVSR
from basicsr.archs.basicvsrpp_arch import BasicVSRPlusPlus
from basicsr.archs.duf_arch import DUF
from basicsr.archs.ecbsr_arch import ECBSR
from basicsr.archs.edsr_arch import EDSR
from basicsr.archs.edvr_arch import EDVR
from basicsr.archs.rcan_arch import RCAN
from basicsr.archs.ridnet_arch import RIDNet
from basicsr.archs.rrdbnet_arch import RRDBNet
from basicsr.archs.srresnet_arch import MSRResNet
from basicsr.archs.srvgg_arch import SRVGGNetCompact
from basicsr.archs.swinir_arch import SwinIR
from basicsr.archs.tof_arch import TOFlow
from torch import nn

from dlvr_plugin.archs.edvr_parts import EDVR_PARTS
from dlvr_plugin.archs.spec import ArchSpec, Number, register_spec

Arguments = Mapping[str, Any]


def _window_of_swinir(arguments: Arguments) -> int:
    """SwinIR takes the image that it was built for as one window where that is smaller."""
    size = arguments['img_size']
    return min(arguments['window_size'], *(size if isinstance(size, (list, tuple)) else (size,)))


def _frame_arch(scale: Number, multiple: Number = 1) -> ArchSpec:
    return ArchSpec(takes='frame', gives='frame', scale=scale, multiple=multiple, channels_last=True)


def _clip_arch(smallest: Number, *, scale: Number = 4, multiple: Number = 1, min_frames: Number = 1) -> ArchSpec:
    return ArchSpec(
        takes='clip',
        gives='clip',
        scale=scale,
        multiple=multiple,
        smallest=smallest,
        min_frames=min_frames,
        is_recurrent=True,
    )


_SPECS: dict[type[nn.Module], ArchSpec] = {
    # SPyNet halves frames five times, after it has brought their sides to multiples of 32.
    BasicVSR: _clip_arch(33),
    # The features of key frames see two frames on each side, those beyond the ends mirrored.
    IconVSR: _clip_arch(33, min_frames=lambda arguments: 2 * arguments['temporal_padding'] + 1),
    BasicVSRPlusPlus: _clip_arch(
        lambda arguments: 64 if arguments['is_low_res_input'] else 256,
        scale=lambda arguments: 4 if arguments['is_low_res_input'] else 1,
        multiple=lambda arguments: 1 if arguments['is_low_res_input'] else 4,
    ),
    EDVR: ArchSpec(
        takes='window',
        gives='frame',
        scale=lambda arguments: 1 if arguments['hr_in'] else 4,
        num_frame='num_frame',
        multiple=lambda arguments: 16 if arguments['hr_in'] else 4,
        parts=EDVR_PARTS,
    ),
    DUF: ArchSpec(takes='window', gives='frame', scale='scale', num_frame=7),
    TOFlow: ArchSpec(takes='window', gives='frame', num_frame=7, multiple=16),
    EDSR: _frame_arch('upscale'),
    RCAN: _frame_arch('upscale'),
    MSRResNet: _frame_arch('upscale'),
    SRVGGNetCompact: _frame_arch('upscale'),
    ECBSR: _frame_arch('scale'),
    RIDNet: _frame_arch(1),
    # It folds pixels into channels for the scales 2 and 1, and enlarges four times whatever comes.
    RRDBNet: _frame_arch(
        lambda arguments: arguments['scale'] if arguments['scale'] in (1, 2) else 4,
        lambda arguments: {1: 4, 2: 2}.get(arguments['scale'], 1),
    ),
    SwinIR: _frame_arch(lambda arguments: arguments['upscale'] if arguments['upsampler'] else 1, _window_of_swinir),
}

for _arch, _spec in _SPECS.items():
    register_spec(_spec)(_arch)
