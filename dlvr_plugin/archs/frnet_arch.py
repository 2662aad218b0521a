"""FRNet: the generator of FRVSR and TecoGAN, optical flow (FNet) and super-resolution (SRNet) of one frame at a time.

Shape legend: B batch, T frames of a clip, C channels, s factor, h, w size of the low-quality frames, H = s * h and
W = s * w of the restored ones.
"""

from typing import Annotated, Literal, NamedTuple

import torch
import torch.nn.functional as F
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn

from dlvr_plugin.archs.frame_checks import check_frames, check_state
from dlvr_plugin.archs.memory_format import in_fast_format
from dlvr_plugin.archs.recurrence import restore_by_steps
from dlvr_plugin.archs.spec import ArchSpec
from dlvr_plugin.archs.upsampling import TopLeftBicubic, top_left_bilinear
from dlvr_plugin.core.declarations import BLOCKS, CHANNELS, check_arguments
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.warping import warp

_SMALLEST = 8  # FNet halves frames three times
_MAX_VELOCITY = 24  # pixels of low-quality frames


class FRNetState(NamedTuple):
    """What the next frame needs of the one before.

    Attributes:
        frame: The low-quality frame (B, C, h, w).
        restored: The restored one (B, C, H, W).
    """

    frame: Tensor
    restored: Tensor


class FRNetOutput(NamedTuple):
    """Restored frames and the flow between them.

    Attributes:
        frames: (B, T, C, H, W).
        lr_flow: (B, T - 1, 2, h, w) in low-quality pixels, dx to the right and dy down; it leads from each frame but
            the first to the one before, as ``core.warping.warp`` takes it.
        hr_flow: The same enlarged, (B, T - 1, 2, H, W), in restored pixels.
    """

    frames: Tensor
    lr_flow: Tensor
    hr_flow: Tensor


class _TopLeftDouble(nn.Module):
    """Doubles the sides, as TensorFlow 1 does."""

    def forward(self, features: Tensor) -> Tensor:
        return top_left_bilinear(features, 2)


class _SameConvTranspose(nn.ConvTranspose2d):
    """Doubles the sides by a transposed convolution of TensorFlow: it drops the last row and column of 2h + 1."""

    def forward(self, features: Tensor, output_size: list[int] | None = None) -> Tensor:
        return super().forward(features, output_size)[..., :-1, :-1]


class FNet(nn.Module):
    """Optical flow from a frame to the one before, in pixels, of sides that are multiples of 8 or cut down to them."""

    def __init__(self, num_in_ch: int, *, tf_semantics: bool) -> None:
        super().__init__()
        double = _TopLeftDouble if tf_semantics else lambda: nn.Upsample(scale_factor=2, mode='bilinear')
        self.encoder1 = _two_convs(2 * num_in_ch, 32, nn.MaxPool2d(2))
        self.encoder2 = _two_convs(32, 64, nn.MaxPool2d(2))
        self.encoder3 = _two_convs(64, 128, nn.MaxPool2d(2))
        self.decoder1 = _two_convs(128, 256, double())
        self.decoder2 = _two_convs(256, 128, double())
        self.decoder3 = _two_convs(128, 64, double())
        self.flow = nn.Sequential(nn.Conv2d(64, 32, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 2, 3, 1, 1))

    def forward(self, frames: Tensor, previous: Tensor) -> Tensor:
        """Return flow (B, 2, h // 8 * 8, w // 8 * 8) for frames (B, C, h, w)."""
        features = in_fast_format(torch.cat((frames, previous), dim=1))
        for block in (self.encoder1, self.encoder2, self.encoder3, self.decoder1, self.decoder2, self.decoder3):
            features = block(features)
        return torch.tanh(self.flow(features)) * _MAX_VELOCITY


def _two_convs(num_in_ch: int, num_out_ch: int, resize: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(num_in_ch, num_out_ch, 3, 1, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(num_out_ch, num_out_ch, 3, 1, 1),
        nn.LeakyReLU(0.2),
        resize,
    )


class _ResidualBlock(nn.Module):
    def __init__(self, num_feat: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(num_feat, num_feat, 3, 1, 1), nn.ReLU(inplace=True), nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + self.conv(features)


class SRNet(nn.Module):
    """Super-resolution of a frame with the help of the restored one before, moved to where its content is now."""

    def __init__(
        self, num_in_ch: int, num_feat: int, num_block: int, upscale: int, degradation: str, *, tf_semantics: bool
    ) -> None:
        super().__init__()
        self.upscale = upscale
        self.conv_in = nn.Sequential(nn.Conv2d((1 + upscale**2) * num_in_ch, num_feat, 3, 1, 1), nn.ReLU(inplace=True))
        self.resblocks = nn.Sequential(*(_ResidualBlock(num_feat) for _ in range(num_block)))
        layers: list[nn.Module] = []
        for _ in range(upscale // 2):
            if tf_semantics:
                layers.append(_SameConvTranspose(num_feat, num_feat, 3, 2))
            else:
                layers.append(nn.ConvTranspose2d(num_feat, num_feat, 3, 2, 1, output_padding=1))
            layers.append(nn.ReLU(inplace=True))
        self.conv_up = nn.Sequential(*layers)
        self.conv_out = nn.Conv2d(num_feat, num_in_ch, 3, 1, 1)
        self.upsample_func = _frame_upsampling(upscale, degradation)

    def forward(self, frame: Tensor, warped: Tensor | None) -> Tensor:
        """Restore a frame: (B, C, h, w) and the warped one (B, C, H, W), None for zeros -> (B, C, H, W)."""
        if warped is None:
            folded = frame.new_zeros(len(frame), frame.shape[1] * self.upscale**2, *frame.shape[2:])
        else:
            folded = F.pixel_unshuffle(warped, self.upscale)  # (B, C * s * s, h, w)
            # Channels stand in the order of TensorFlow: (s * s, C).
            folded = folded.unflatten(1, (frame.shape[1], -1)).transpose(1, 2).flatten(1, 2)
        features = self.conv_in(in_fast_format(torch.cat((frame, folded), dim=1)))
        features = self.conv_up(self.resblocks(features))
        return self.conv_out(features) + self.upsample_func(frame)


def _frame_upsampling(upscale: int, degradation: str) -> nn.Module:
    if degradation == 'BD':
        return TopLeftBicubic(upscale)
    return nn.Upsample(scale_factor=upscale, mode='bilinear')


@ARCH_REGISTRY.register()
class FRNet(nn.Module):
    """Generator of FRVSR and TecoGAN, 2,589,093 parameters with its defaults, 3,032,229 with 16 blocks.

    Names of weights are those of TecoGAN-PyTorch. Frames of any size are taken: as there in tests, the flow is computed
    of sides cut down to multiples of 8, and mirrored beyond them.

    Args:
        num_in_ch: Channels of a frame.
        num_feat: Channels of the features of SRNet.
        num_block: Residual blocks of SRNet; FRVSR and TecoGAN-PyTorch have 10, TecoGAN has 16.
        upscale: Factor s between the sizes.
        degradation: How low-quality frames are made, which the enlargement inside follows: 'BD' (blurred and decimated:
            bicubic with pixels at the top left) or 'BI' (bicubic: bilinear with pixels in the middle).
        tf_semantics: Enlarge, transpose convolutions and pad as the TensorFlow original does, whose weights need it;
            with 'BD' alone.

    Raises:
        InvalidValueError: A value out of range, or ``tf_semantics`` with 'BI'. InvalidTypeError: of the wrong type.

    Source: Sajjadi, Vemulapalli, Brown, Frame-Recurrent Video Super-Resolution; Chu et al., Learning Temporal Coherence
        via Self-Supervision for GAN-based Video Generation; layers of their public implementations.
    """

    spec = ArchSpec(takes='clip', gives='clip', scale='upscale', smallest=_SMALLEST, is_recurrent=True, step='step')

    def __init__(
        self,
        *,
        num_in_ch: Annotated[int, CHANNELS] = 3,
        num_feat: Annotated[int, CHANNELS] = 64,
        num_block: Annotated[int, BLOCKS] = 10,
        upscale: Literal[2, 4] = 4,
        degradation: Literal['BD', 'BI'] = 'BD',
        tf_semantics: bool = False,
    ) -> None:
        check_arguments(FRNet, locals())
        if tf_semantics and degradation != 'BD':
            raise InvalidValueError(
                f"tf_semantics goes with degradation 'BD' alone, the one of the original; got {degradation!r}."
            )
        super().__init__()
        self.num_in_ch = num_in_ch
        self.upscale = upscale
        self.tf_semantics = tf_semantics
        self.fnet = FNet(num_in_ch, tf_semantics=tf_semantics)
        self.srnet = SRNet(num_in_ch, num_feat, num_block, upscale, degradation, tf_semantics=tf_semantics)
        if not tf_semantics:
            self.upsample_func = _frame_upsampling(upscale, degradation)

    def enlarge_flow(self, flow: Tensor) -> Tensor:
        """Return flow between restored frames (B, 2, H, W), in their pixels, of that between low-quality ones."""
        larger = top_left_bilinear(flow, self.upscale) if self.tf_semantics else self.upsample_func(flow)
        return larger * self.upscale

    def step(self, frame: Tensor, state: FRNetState | None = None) -> tuple[Tensor, FRNetState]:
        """Restore the next frame of a clip.

        Args:
            frame: The low-quality frame (B, C, h, w), RGB in [0, 1].
            state: What the step before returned; None for the first frame.

        Returns:
            The restored frame (B, C, H, W), about [0, 1], and the state for the next one.

        Raises:
            InvalidValueError: Wrong rank or channels, fewer than 8 pixels, or the state of frames of another size.
        """
        check_frames('FRNet', frame, dims=4, channels=self.num_in_ch, smallest=_SMALLEST)
        if state is None:
            restored = self.srnet(frame, None)
        else:
            batch, channels, height, width = frame.shape
            size = (batch, channels, self.upscale * height, self.upscale * width)
            check_state('FRNet', state._asdict(), {'frame': frame.shape, 'restored': size})
            flow = self.enlarge_flow(self._flow(frame, state.frame))
            restored = self.srnet(frame, warp(state.restored, flow))
        return restored, FRNetState(frame, restored)

    def forward(self, clip: Tensor, *, with_flow: bool = False) -> Tensor | FRNetOutput:
        """Restore a clip.

        Gradients pass through all of it. Where none is computed, frames are restored step by step, so that memory
        beyond the result does not grow with the clip.

        Args:
            clip: Low-quality frames (B, T, C, h, w), RGB in [0, 1].
            with_flow: Return the flow, too, which a warping loss needs.

        Returns:
            Restored frames (B, T, C, H, W), about [0, 1]; with ``with_flow`` an ``FRNetOutput``.

        Raises:
            InvalidValueError: Wrong rank or channels, no frames, or fewer than 8 pixels.
        """
        check_frames('FRNet', clip, dims=5, channels=self.num_in_ch, smallest=_SMALLEST)
        if not with_flow and not torch.is_grad_enabled():
            return restore_by_steps(self.step, clip.unbind(1))
        (batch, num_frames, _, *size), scale = clip.shape, self.upscale
        lr_flow, hr_flow = clip.new_zeros(0, 2, *size), clip.new_zeros(0, 2, *(scale * side for side in size))
        if num_frames > 1:
            lr_flow = self._flow(clip[:, 1:].flatten(0, 1), clip[:, :-1].flatten(0, 1))
            hr_flow = self.enlarge_flow(lr_flow)
        lr_flow, hr_flow = (flow.unflatten(0, (batch, num_frames - 1)) for flow in (lr_flow, hr_flow))
        restored = [self.srnet(clip[:, 0], None)]
        for frame, flow in zip(clip.unbind(1)[1:], hr_flow.unbind(1), strict=True):
            restored.append(self.srnet(frame, warp(restored[-1], flow)))
        frames = torch.stack(restored, dim=1)
        return FRNetOutput(frames, lr_flow, hr_flow) if with_flow else frames

    def _flow(self, frames: Tensor, previous: Tensor) -> Tensor:
        """Return flow (B, 2, h, w) of frames (B, C, h, w)."""
        flow = self.fnet(frames, previous)
        below, right = (side - there for side, there in zip(frames.shape[-2:], flow.shape[-2:], strict=True))
        if not below and not right:
            return flow
        if self.tf_semantics:  # mirrored with the border repeated
            flow = torch.cat((flow, flow[..., flow.shape[-2] - below :, :].flip(-2)), dim=-2)
            return torch.cat((flow, flow[..., flow.shape[-1] - right :].flip(-1)), dim=-1)
        return F.pad(flow, (0, right, 0, below), mode='reflect')
