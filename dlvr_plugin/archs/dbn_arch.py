"""DBN: deblurring of the middle frame of a window by an encoder and decoder with connections across.

Shape legend: B batch, C channels, H, W size of a frame.
"""

from typing import Annotated

import torch
import torch.nn.functional as F
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn

from dlvr_plugin.archs.frame_checks import check_frames, pad_sides
from dlvr_plugin.archs.spec import ArchSpec
from dlvr_plugin.core.declarations import CHANNELS, Range, check_arguments

_NUM_FRAME = 5
_MULTIPLE = 8  # features are halved three times

# Layers in the order in which they run: name, kind, and channels as multiples of ``num_feat``.
_CONV, _DOWN, _UP = 'conv', 'down', 'up'
_BODY = (
    ('D1', _DOWN, 1, 1), ('F1_1', _CONV, 1, 2), ('F1_2', _CONV, 2, 2),
    ('D2', _DOWN, 2, 4), ('F2_1', _CONV, 4, 4), ('F2_2', _CONV, 4, 4), ('F2_3', _CONV, 4, 4),
    ('D3', _DOWN, 4, 8), ('F3_1', _CONV, 8, 8), ('F3_2', _CONV, 8, 8), ('F3_3', _CONV, 8, 8),
    ('U1', _UP, 8, 4), ('F4_1', _CONV, 4, 4), ('F4_2', _CONV, 4, 4), ('F4_3', _CONV, 4, 4),
    ('U2', _UP, 4, 2), ('F5_1', _CONV, 2, 2), ('F5_2', _CONV, 2, 1),
    ('U3', _UP, 1, 1),
)  # fmt: skip
# What is added to the output of a layer: that of an earlier one of the same size.
_ACROSS = {'U1': 'F2_3', 'U2': 'F1_2', 'U3': 'F0'}


@ARCH_REGISTRY.register()
class DBN(nn.Module):
    """Deep video deblurring network, 15,305,291 parameters with its defaults.

    Names of weights are those of ESTRNN's ``model/DBN.py``, which has no sigmoid and ``norm_eps`` 1e-5. Frames are
    taken as they come; the original can align them first. Sides are brought to multiples of 8 by zeros, as there, and
    cropped.

    Args:
        num_in_ch: Channels of a frame.
        num_feat: Channels of the features at full size.
        sigmoid: Whether a sigmoid brings the output into (0, 1), as in the original.
        norm_eps: What batch norms add to the variance.

    Raises:
        InvalidValueError: A value out of range. InvalidTypeError: of the wrong type.

    Source: Su et al., Deep Video Deblurring for Hand-held Cameras; layers of its public implementation.
    """

    spec = ArchSpec(takes='window', gives='frame', num_frame=_NUM_FRAME)

    def __init__(
        self,
        *,
        num_in_ch: Annotated[int, CHANNELS] = 3,
        num_feat: Annotated[int, CHANNELS] = 64,
        sigmoid: bool = True,
        norm_eps: Annotated[float, Range(above=0)] = 1e-3,
    ) -> None:
        check_arguments(DBN, locals())
        super().__init__()
        self.num_in_ch = num_in_ch
        self.sigmoid = sigmoid

        def add(name: str, conv: nn.Module, num_out_ch: int) -> None:
            self.add_module(name, nn.Sequential(conv, nn.BatchNorm2d(num_out_ch, eps=norm_eps)))

        add('F0', nn.Conv2d(_NUM_FRAME * num_in_ch, num_feat, 5, 1, 2), num_feat)
        for name, kind, times_in, times_out in _BODY:
            channels = times_in * num_feat, times_out * num_feat
            if kind == _UP:
                add(name, nn.ConvTranspose2d(*channels, 4, 2, 1), channels[1])
            else:
                add(name, nn.Conv2d(*channels, 3, 2 if kind == _DOWN else 1, 1), channels[1])
        add('F6_1', nn.Conv2d(num_feat, _NUM_FRAME * num_in_ch, 3, 1, 1), _NUM_FRAME * num_in_ch)
        add('F6_2', nn.Conv2d(_NUM_FRAME * num_in_ch, num_in_ch, 3, 1, 1), num_in_ch)

    def forward(self, window: Tensor) -> Tensor:
        """Restore the middle frame of a window.

        Args:
            window: Blurry frames (B, 5, C, H, W), RGB in [0, 1].

        Returns:
            The restored frame (B, C, H, W), in (0, 1) with ``sigmoid``, else about that.

        Raises:
            InvalidValueError: Wrong rank, channels or number of frames.
        """
        check_frames('DBN', window, dims=5, channels=self.num_in_ch, num_frame=_NUM_FRAME)
        height, width = window.shape[-2:]
        padded = pad_sides(window.flatten(1, 2), _MULTIPLE, mode='constant')  # (B, 5 * C, ...)
        features = F.relu(self.get_submodule('F0')(padded), inplace=True)
        kept = {'F0': features}
        for name, *_ in _BODY:
            features = self.get_submodule(name)(features)
            if name in _ACROSS:
                features = features + kept.pop(_ACROSS[name])
            features = F.relu(features, inplace=True)
            if name in _ACROSS.values():
                kept[name] = features
        features = F.relu(self.get_submodule('F6_1')(features), inplace=True)
        middle = padded.unflatten(1, (_NUM_FRAME, -1))[:, _NUM_FRAME // 2]
        restored = (self.get_submodule('F6_2')(features) + middle)[..., :height, :width]
        return torch.sigmoid(restored) if self.sigmoid else restored
