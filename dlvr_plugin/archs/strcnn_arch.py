"""STRCNN: online video deblurring by a recurrent network with dynamic temporal blending (OVD).

Shape legend: B batch, T frames of a clip, C channels, H, W size of a frame, h = H / 2, w = W / 2, f ``num_feat``.
"""

from typing import Annotated, Literal, NamedTuple

import torch
import torch.nn.functional as F
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn

from dlvr_plugin.archs.frame_checks import check_frames, check_state, pad_sides
from dlvr_plugin.archs.memory_format import in_fast_format
from dlvr_plugin.archs.recurrence import restore_by_steps
from dlvr_plugin.archs.spec import ArchSpec
from dlvr_plugin.core.declarations import BLOCKS, CHANNELS, check_arguments
from dlvr_plugin.core.errors import InvalidValueError

_RADIUS = 2  # frames on each side of the one to restore
_NUM_FRAME = 2 * _RADIUS + 1
_MULTIPLE = 2  # features are halved once
_SMALLEST = {'blended': 1, 'kept': 9}  # pixels of frames, by what becomes of their border


class STRCNNState(NamedTuple):
    """What the next frame needs of the one before.

    Attributes:
        features: Of the decoder, (B, f / 2, h, w), h and w rounded up.
        blended: Of the encoder, blended with those before, (B, f, h, w).
    """

    features: Tensor
    blended: Tensor


class _ResidualBlock(nn.Module):
    def __init__(self, num_feat: int, *, batch_norm: bool) -> None:
        super().__init__()
        norm = nn.BatchNorm2d if batch_norm else nn.Identity
        self.main_branch = nn.Sequential(
            nn.Conv2d(num_feat, num_feat, 3, 1, 1),
            norm(num_feat),
            nn.ReLU(inplace=True),
            nn.Conv2d(num_feat, num_feat, 3, 1, 1),
            norm(num_feat),
        )

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(features + self.main_branch(features))


def _residual_blocks(num_feat: int, num_block: int, *, batch_norm: bool) -> nn.Sequential:
    return nn.Sequential(*(_ResidualBlock(num_feat, batch_norm=batch_norm) for _ in range(num_block)))


class _Encoder(nn.Module):
    def __init__(self, num_in_ch: int, num_feat: int, num_block: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.m1 = nn.Sequential(
            nn.Conv2d(_NUM_FRAME * num_in_ch, num_feat, 5, 1, 2),
            nn.ReLU(inplace=True),
            nn.Conv2d(num_feat, num_feat // 2, 3, 2, 1),
            nn.ReLU(inplace=True),
        )
        self.m2 = _residual_blocks(num_feat, num_block, batch_norm=batch_norm)

    def forward(self, frames: Tensor, last_features: Tensor) -> Tensor:
        """Return features (B, f, h, w) of the frames of a window (B, 5 * C, H, W)."""
        return self.m2(torch.cat((self.m1(in_fast_format(frames)), last_features), dim=1))


class _DynamicTemporalBlending(nn.Module):
    beta: Tensor

    def __init__(self, num_feat: int, border: str) -> None:
        super().__init__()
        self.is_padded = border == 'blended'
        self.filter = nn.Conv2d(2 * num_feat, num_feat, 5, 1, _RADIUS if self.is_padded else 0)
        if self.is_padded:
            self.beta = nn.Parameter(torch.zeros(1))

    def forward(self, features: Tensor, blended: Tensor) -> Tensor:
        """Blend features (B, f, h, w) with those before."""
        found = self.filter(torch.cat((features, blended), dim=1))
        if self.is_padded:
            weight = (torch.tanh(found).abs() + self.beta).clamp(0, 1)
        else:
            weight = F.pad(torch.tanh(found / 2).abs(), (_RADIUS,) * 4)
        return blended + weight * (features - blended)


class _Decoder(nn.Module):
    def __init__(self, num_in_ch: int, num_feat: int, num_block: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.m1 = _residual_blocks(num_feat, num_block, batch_norm=batch_norm)
        self.m2 = nn.Sequential(
            nn.ConvTranspose2d(num_feat, num_feat, 4, 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(num_feat, num_in_ch, 3, 1, 1),
        )
        self.f = nn.Sequential(nn.Conv2d(num_feat, num_feat // 2, 3, 1, 1), nn.ReLU(inplace=True))

    def forward(self, blended: Tensor) -> tuple[Tensor, Tensor]:
        features = self.m1(blended)
        return self.m2(features), self.f(features)


@ARCH_REGISTRY.register()
class STRCNN(nn.Module):
    """Spatio-temporal recurrent network with dynamic temporal blending (OVD), 926,084 parameters with its defaults.

    Each frame is restored from itself and two neighbours on each side, and from what the frame before has left. Sides
    are brought to even numbers by their border, and cropped.

    The authors' code is not public. Layers and names of weights are those of ``model/STRCNN.py`` of ESTRNN, which
    another public implementation agrees with in the main; that the paper has batch norms is uncertain.

    Args:
        num_in_ch: Channels of a frame.
        num_feat: Channels f of the features, an even number.
        num_block: Residual blocks of the encoder, and of the decoder.
        batch_norm: Normalise inside the residual blocks, whose statistics are those of a frame and a batch.
        border: What becomes of features at the border: 'blended' as all others, with a bias of the weights that is
            learned; or 'kept', two columns and rows of those before, without that bias, as in ESTRNN, whose weights
            need it. ESTRNN also takes and gives frames in [-0.5, 0.5].

    Raises:
        InvalidValueError: A value out of range, or an odd ``num_feat``. InvalidTypeError: of the wrong type.

    Source: Kim, Lee, Schoelkopf, Hirsch, Online Video Deblurring via Dynamic Temporal Blending Network.
    """

    spec = ArchSpec(
        takes='clip',
        gives='clip',
        smallest=lambda arguments: _SMALLEST[arguments['border']],
        is_recurrent=True,
        step='step',
        step_frames=_NUM_FRAME,
    )

    def __init__(
        self,
        *,
        num_in_ch: Annotated[int, CHANNELS] = 3,
        num_feat: Annotated[int, CHANNELS] = 64,
        num_block: Annotated[int, BLOCKS] = 4,
        batch_norm: bool = True,
        border: Literal['blended', 'kept'] = 'blended',
    ) -> None:
        check_arguments(STRCNN, locals())
        if num_feat % 2:
            raise InvalidValueError(f'num_feat must be even, got {num_feat}.')
        super().__init__()
        self.num_in_ch = num_in_ch
        self.num_feat = num_feat
        self.smallest = _SMALLEST[border]
        self.encoder = _Encoder(num_in_ch, num_feat, num_block, batch_norm=batch_norm)
        self.dtb = _DynamicTemporalBlending(num_feat, border)
        self.decoder = _Decoder(num_in_ch, num_feat, num_block, batch_norm=batch_norm)

    def step(self, window: Tensor, state: STRCNNState | None = None) -> tuple[Tensor, STRCNNState]:
        """Restore the next frame of a clip.

        Args:
            window: It and two frames on each side, (B, 5, C, H, W), RGB in [0, 1]; beyond the ends of the clip, its
                first and last frame.
            state: What the step before returned; None for the first frame.

        Returns:
            The restored frame (B, C, H, W), about [0, 1], and the state for the next one.

        Raises:
            InvalidValueError: Wrong rank, channels, size or number of frames, or the state of frames of another size.
        """
        self._check(window, _NUM_FRAME)
        batch, _, _, height, width = window.shape
        size = (-(-height // _MULTIPLE), -(-width // _MULTIPLE))
        shapes = {'features': (batch, self.num_feat // 2, *size), 'blended': (batch, self.num_feat, *size)}
        if state is None:
            state = STRCNNState(*(window.new_zeros(shape) for shape in shapes.values()))
        else:
            check_state('STRCNN', state._asdict(), shapes)
        padded = pad_sides(window.flatten(1, 2), _MULTIPLE)  # (B, 5 * C, ...)
        blended = self.dtb(self.encoder(padded, state.features), state.blended)
        restored, features = self.decoder(blended)
        return restored[..., :height, :width], STRCNNState(features, blended)

    def forward(self, clip: Tensor) -> Tensor:
        """Restore a clip, step by step, its first and last frame repeated twice beyond its ends.

        Args:
            clip: Blurry frames (B, T, C, H, W), RGB in [0, 1].

        Returns:
            Restored frames (B, T, C, H, W), about [0, 1].

        Raises:
            InvalidValueError: Wrong rank, channels or size, or no frames.
        """
        self._check(clip)
        ends = clip[:, :1].expand(-1, _RADIUS, -1, -1, -1), clip[:, -1:].expand(-1, _RADIUS, -1, -1, -1)
        longer = torch.cat((ends[0], clip, ends[1]), dim=1)
        windows = (longer[:, index : index + _NUM_FRAME] for index in range(clip.shape[1]))
        return restore_by_steps(self.step, windows)

    def _check(self, clip: Tensor, num_frame: int | None = None) -> None:
        check_frames('STRCNN', clip, dims=5, channels=self.num_in_ch, smallest=self.smallest, num_frame=num_frame)
