"""STFAN: deblurring of one frame at a time, by filters that are predicted for each element of the features.

Shape legend: B batch, T frames of a clip, C channels, H, W size of a frame, h = H / 4, w = W / 4, f ``num_feat``.
"""

from typing import Annotated, NamedTuple

import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn

from dlvr_plugin.archs.filter_adaptive_conv import filter_adaptive_conv
from dlvr_plugin.archs.frame_checks import check_frames, check_state, pad_sides
from dlvr_plugin.archs.recurrence import restore_by_steps
from dlvr_plugin.archs.spec import ArchSpec
from dlvr_plugin.core.declarations import CHANNELS, check_arguments

_MULTIPLE = 4  # features are halved twice
_FILTER_SIZE = 5
_SLOPE = 0.1


class STFANState(NamedTuple):
    """What the next frame needs of the one before.

    Attributes:
        frame: The blurry frame (B, C, H, W).
        restored: The restored one, clamped to [0, 1], (B, C, H, W).
        features: What was decoded, (B, 8 * f, h, w), h and w rounded up.
    """

    frame: Tensor
    restored: Tensor
    features: Tensor


class _ResidualBlock(nn.Module):
    def __init__(self, num_feat: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(num_feat, num_feat, 3, 1, 1), nn.LeakyReLU(_SLOPE), nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + self.stem(features)


def _conv(num_in_ch: int, num_out_ch: int, kernel_size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(num_in_ch, num_out_ch, kernel_size, stride, kernel_size // 2), nn.LeakyReLU(_SLOPE, inplace=True)
    )


def _double(num_in_ch: int, num_out_ch: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(num_in_ch, num_out_ch, 4, 2, 1), nn.LeakyReLU(_SLOPE, inplace=True))


def _kernel_prediction(num_in_ch: int, num_feat: int) -> nn.Sequential:
    """Return layers that predict a filter for each of ``num_feat`` channels."""
    return nn.Sequential(
        _conv(num_in_ch, num_feat),
        _ResidualBlock(num_feat),
        _ResidualBlock(num_feat),
        _conv(num_feat, num_feat * _FILTER_SIZE**2, kernel_size=1),
    )


@ARCH_REGISTRY.register()
class STFAN(nn.Module):
    """Spatio-temporal filter adaptive network for video deblurring, 5,372,547 parameters with its defaults.

    Names of weights are those of the public implementation, which takes and gives BGR: ``dlvr convert`` turns its
    weights around. It takes sides that are multiples of 4; others are padded here by their border, and cropped. It also
    begins anew every 20 frames, in tests, too, where this class goes on to the end of the clip.

    Args:
        num_in_ch: Channels of a frame.
        num_feat: Channels f of the features at full size; 2 * f and 4 * f at half and at quarter size.
        detach: Let gradients end at the frame that they come from, as in the published training. Otherwise they pass
            through the whole clip.

    Raises:
        InvalidValueError: A value out of range. InvalidTypeError: of the wrong type.

    Source: Zhou et al., Spatio-Temporal Filter Adaptive Network for Video Deblurring; layers of its public
        implementation.
    """

    spec = ArchSpec(takes='clip', gives='clip', is_recurrent=True, step='step', first_state='first_state')

    def __init__(
        self, *, num_in_ch: Annotated[int, CHANNELS] = 3, num_feat: Annotated[int, CHANNELS] = 32, detach: bool = True
    ) -> None:
        check_arguments(STFAN, locals())
        super().__init__()
        self.num_in_ch = num_in_ch
        self.num_feat = num_feat
        self.detach = detach
        widths = (num_feat, 2 * num_feat, 4 * num_feat)
        for prefix, channels in (('kconv', 3 * num_in_ch), ('conv', num_in_ch)):
            for level, width in enumerate(widths, 1):
                self.add_module(f'{prefix}{level}_1', _conv(channels, width, stride=1 if level == 1 else 2))
                self.add_module(f'{prefix}{level}_2', _ResidualBlock(width))
                self.add_module(f'{prefix}{level}_3', _ResidualBlock(width))
                channels = width
        self.fac_warp = _kernel_prediction(channels, channels)
        self.kconv4 = _conv(channels * _FILTER_SIZE**2, channels, kernel_size=1)
        self.fac_deblur = _kernel_prediction(2 * channels, channels)
        self.fea = _conv(2 * channels, channels)
        self.upconv2_u = _double(2 * channels, widths[1])
        self.upconv2_2, self.upconv2_1 = _ResidualBlock(widths[1]), _ResidualBlock(widths[1])
        self.upconv1_u = _double(widths[1], widths[0])
        self.upconv1_2, self.upconv1_1 = _ResidualBlock(widths[0]), _ResidualBlock(widths[0])
        self.img_prd = _conv(widths[0], num_in_ch)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # none is without

    def step(self, frame: Tensor, state: STFANState | None = None) -> tuple[Tensor, STFANState]:
        """Restore the next frame of a clip.

        Args:
            frame: The blurry frame (B, C, H, W), RGB in [0, 1].
            state: What the step before returned; None for the first frame, which then stands for the one before, too.

        Returns:
            The restored frame (B, C, H, W), about [0, 1], and the state for the next one.

        Raises:
            InvalidValueError: Wrong rank or channels, or the state of frames of another size.
        """
        check_frames('STFAN', frame, dims=4, channels=self.num_in_ch)
        height, width = frame.shape[-2:]
        if state is None:
            state = self.first_state(frame)
        else:
            size = (len(frame), 8 * self.num_feat, -(-height // _MULTIPLE), -(-width // _MULTIPLE))
            shapes = {'frame': frame.shape, 'restored': frame.shape, 'features': size}
            check_state('STFAN', state._asdict(), shapes)
        padded = pad_sides(torch.cat((frame, state.frame, state.restored), dim=1), _MULTIPLE)
        features = self._features(padded, state.features)
        restored = (self._decode(features) + padded[:, : self.num_in_ch])[..., :height, :width]
        state = STFANState(frame, restored.clamp(0, 1), features)
        return restored, STFANState(*(each.detach() for each in state)) if self.detach else state

    def first_state(self, frame: Tensor) -> STFANState:
        """Return the state before the first frame (B, C, H, W), made of that frame."""
        encoded = self._encode('conv', pad_sides(frame, _MULTIPLE))
        return STFANState(frame, frame, torch.cat((encoded, encoded), dim=1))

    def forward(self, clip: Tensor) -> Tensor:
        """Restore a clip, step by step.

        Args:
            clip: Blurry frames (B, T, C, H, W), RGB in [0, 1].

        Returns:
            Restored frames (B, T, C, H, W), about [0, 1].

        Raises:
            InvalidValueError: Wrong rank or channels, or no frames.
        """
        check_frames('STFAN', clip, dims=5, channels=self.num_in_ch)
        return restore_by_steps(self.step, clip.unbind(1))

    def _features(self, frames: Tensor, last_features: Tensor) -> Tensor:
        """Return features (B, 8 * f, h, w) of the frame, the one before and that restored, (B, 3 * C, H, W).

        Half of them are of the frame, deblurred, the others those of the frame before, moved to this one.
        """
        encoded = self._encode('conv', frames[:, : self.num_in_ch])
        fused = self._encode('kconv', frames)
        before = self.fea(last_features)
        kernels = self.fac_warp(fused)
        moved = filter_adaptive_conv(before, kernels, _FILTER_SIZE)
        fused = torch.cat((fused, self.kconv4(kernels)), dim=1)
        del kernels  # 25 times the features; those for deblurring come next
        deblurred = filter_adaptive_conv(encoded, self.fac_deblur(fused), _FILTER_SIZE)
        return torch.cat((deblurred, moved), dim=1)

    def _encode(self, prefix: str, frames: Tensor) -> Tensor:
        """Return features (B, 4 * f, h, w) of frames (B, n, H, W)."""
        for level in (1, 2, 3):
            for part in (1, 2, 3):
                frames = self.get_submodule(f'{prefix}{level}_{part}')(frames)
        return frames

    def _decode(self, features: Tensor) -> Tensor:
        """Return what is added to the frame, (B, C, H, W)."""
        features = self.upconv2_1(self.upconv2_2(self.upconv2_u(features)))
        features = self.upconv1_1(self.upconv1_2(self.upconv1_u(features)))
        return self.img_prd(features)
