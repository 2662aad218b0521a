"""The loss network T: a feature extractor F, whose features are the discriminative space, and a sequence classifier C.

Shape legend: B batch, T frames of ground truth, K generated frames, N temporal radius, L = 2N + 1 frames of a window,
S = T - 2N sequences, C_j channels and h_j, w_j size of feature j (h_j = H / 2^j, rounded up).
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple, cast, get_args

import torch
import torch.nn.functional as F
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn

from dlvr_plugin.archs.temporal_conv import TemporalConv
from dlvr_plugin.core.declarations import CHANNELS, NOT_EMPTY, NOT_NEGATIVE, check_arguments
from dlvr_plugin.core.errors import InvalidValueError

Norm = Literal['batch', 'frozen', 'sync']
BNStatistics = Literal['joint', 'per_sequence']
Fake = Literal['mixed', 'generated']
Channels = Annotated[int, CHANNELS]


class JointPass(NamedTuple):
    """What one pass of T gives to both updates.

    Attributes:
        gt_features: Features of the ground truth, J tensors (B, T, C_j, h_j, w_j).
        gen_features: Features of the generated frames, J tensors (B, K, C_j, h_j, w_j). Generated frame k stands for
            ground-truth frame k + (T - K) / 2.
        real_logits: Logits of the real sequences, (B * S, 1, L, h, w).
        fake_logits: Logits of the fake sequences, (B * S, 1, L, h, w).
    """

    gt_features: tuple[Tensor, ...]
    gen_features: tuple[Tensor, ...]
    real_logits: Tensor
    fake_logits: Tensor


class SpatialBlock(nn.Module):
    """[LeakyReLU] -> conv (1, k, k), stride (1, 2, 2) -> norm, computed on frames.

    The kernel never touches the time axis, so the convolution runs in 2-D on all frames: the same numbers, faster. The
    weight keeps its 5-D shape. The convolution has no bias, because the norm after it would remove it.
    """

    def __init__(
        self, num_in_ch: int, num_out_ch: int, kernel_size: int, negative_slope: float | None, norm: Norm
    ) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        padding = kernel_size // 2
        self.conv = nn.Conv3d(
            num_in_ch, num_out_ch, (1, kernel_size, kernel_size), (1, 2, 2), (0, padding, padding), bias=False
        )
        self.norm = nn.SyncBatchNorm(num_out_ch) if norm == 'sync' else nn.BatchNorm3d(num_out_ch)

    def forward(self, *clips: Tensor) -> Tensor:
        """Map frames (B, T_i, C_in, H, W) to features (B, T, C_out, H/2, W/2), T the sum of T_i, normalised together.

        Clips apart are for gradients: none is computed with respect to one that needs none.
        """
        parts = [self._convolve(clip) for clip in clips]
        features = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        # The statistics of (B*T, C, 1, h, w) are those of (B, C, T, h, w).
        normalised = self.norm(features.flatten(0, 1).unsqueeze(2)).squeeze(2)
        return normalised.unflatten(0, features.shape[:2])

    def _convolve(self, clip: Tensor) -> Tensor:
        if self.negative_slope is not None:
            clip = F.leaky_relu(clip, self.negative_slope)
        weight = self.conv.weight.squeeze(2)  # (C_out, C_in, 1, k, k) -> (C_out, C_in, k, k)
        frames = clip.flatten(0, 1)  # (B, T, C, H, W) -> (B*T, C, H, W)
        features = F.conv2d(frames, weight, stride=self.conv.stride[1:], padding=self.conv.padding[1:])
        return features.unflatten(0, clip.shape[:2])


@ARCH_REGISTRY.register()
class LossNetT(nn.Module):
    """Loss network T = feature extractor F + sequence classifier C, 5,099,073 parameters.

    F keeps the frames apart: its kernels never touch the time axis, but its norms take their statistics over batch,
    time, height and width. C is a fully convolutional (patch) classifier of a sequence of F's deepest features.

    Args:
        num_in_ch: Channels of a frame.
        num_feat: Channels of the J features.
        num_feat_classifier: Channels inside C.
        negative_slope: Slope of every LeakyReLU below 0.
        norm: 'batch'; 'frozen' to normalise by the running statistics in training, too; 'sync' for statistics over
            all processes (on GPUs only).

    Raises:
        InvalidValueError: Unknown ``norm``, or a value out of range. InvalidTypeError: of the wrong type.

    Source: Table 1 of the paper.
    """

    def __init__(
        self,
        *,
        num_in_ch: Channels = 3,
        num_feat: Annotated[Sequence[Channels], NOT_EMPTY] = (64, 128, 256, 512),
        num_feat_classifier: Channels = 256,
        negative_slope: Annotated[float, NOT_NEGATIVE] = 0.1,
        norm: Norm = 'batch',
    ) -> None:
        check_arguments(LossNetT, locals())
        super().__init__()
        self.num_in_ch = num_in_ch
        self.norm = norm
        blocks = []
        for index, num_out_ch in enumerate(num_feat):
            first = index == 0
            blocks.append(
                SpatialBlock(
                    num_in_ch if first else num_feat[index - 1],
                    num_out_ch,
                    kernel_size=7 if first else 3,
                    negative_slope=None if first else negative_slope,
                    norm=norm,
                )
            )
        self.extractor = nn.ModuleList(blocks)
        self.classifier = nn.Sequential(
            nn.LeakyReLU(negative_slope),
            TemporalConv(num_feat[-1], num_feat_classifier, kernel_size=3, stride=2, padding=1),
            nn.LeakyReLU(negative_slope),
            nn.Conv3d(num_feat_classifier, 1, 1),
        )

    @property
    def num_layers(self) -> int:
        """Number J of features."""
        return len(self.extractor)

    def train(self, mode: bool = True) -> 'LossNetT':
        """Set training mode; frozen norms stay in evaluation mode."""
        super().train(mode)
        if self.norm == 'frozen':
            for module in self.modules():
                if isinstance(module, nn.BatchNorm3d):
                    module.eval()
        return self

    def extract(self, *clips: Tensor) -> tuple[Tensor, ...]:
        """Compute F.

        Args:
            clips: Frames (B, T_i, C, H, W) in [0, 1]. Those of several clips follow one another; a gradient is computed
                with respect to the clips that need one.

        Returns:
            J features (B, T, C_j, h_j, w_j), T the sum of T_i, each taken after its norm and before the next LeakyReLU.

        Raises:
            InvalidValueError: Wrong rank or channel count, or frames too small to be halved J times.
        """
        for clip in clips:
            self._check(clip)
        features: list[Tensor] = []
        for block in self.extractor:
            features.append(block(features[-1]) if features else block(*clips))
        return tuple(features)

    def _check(self, clip: Tensor) -> None:
        if clip.dim() != 5:
            raise InvalidValueError(
                f'LossNetT takes clips (B, T, C, H, W), got {clip.dim()} dimensions: {tuple(clip.shape)}.'
            )
        channels, height, width = clip.shape[2:]
        if channels != self.num_in_ch:
            raise InvalidValueError(
                f'LossNetT takes frames of {self.num_in_ch} channels, got {channels}: {tuple(clip.shape)}.'
            )
        smallest = 2**self.num_layers
        if min(height, width) < smallest:
            raise InvalidValueError(
                f'LossNetT halves frames {self.num_layers} times and needs at least {smallest}x{smallest} pixels, got '
                f'{height}x{width}. Raise gt_size.'
            )
        if self.norm == 'sync' and not clip.is_cuda:
            raise InvalidValueError('norm: sync works on GPUs only. On a CPU use norm: batch or frozen.')

    def classify(self, deepest: Tensor) -> Tensor:
        """Compute C.

        Args:
            deepest: Sequences of F's deepest feature, (B, T, C_J, h_J, w_J).

        Returns:
            Map of logits (B, 1, T, h, w); above 0 means real.

        Raises:
            InvalidValueError: The feature is too small to be halved once more.
        """
        return self._logits(self._taps(deepest))

    def _taps(self, deepest: Tensor) -> Tensor:
        """Return the taps (B, T, 3, C, h, w) of C's first convolution, of frames (B, T, C_J, h_J, w_J)."""
        if min(deepest.shape[-2:]) < 2:
            raise InvalidValueError(
                f'The classifier halves features once more and needs at least 2x2 of them, got '
                f'{deepest.shape[-2]}x{deepest.shape[-1]}. Use frames of more than {2**self.num_layers} pixels.'
            )
        activation, conv, *_ = self.classifier
        return cast(TemporalConv, conv).taps(activation(deepest))

    def _logits(self, taps: Tensor) -> Tensor:
        """Return the logits (B, 1, T, h, w) of sequences of taps (B, T, 3, C, h, w)."""
        _, conv, activation, last = self.classifier
        features = activation(cast(TemporalConv, conv).add_up(taps))
        return last(features.transpose(1, 2))  # (B, T, C, h, w) -> (B, C, T, h, w)

    def forward(
        self,
        ground_truth: Tensor,
        generated: Tensor,
        *,
        radius: int = 1,
        bn_statistics: BNStatistics = 'joint',
        fake: Fake | None = None,
    ) -> JointPass:
        """Compute all that the updates of G and of T need.

        Every ground-truth frame with a full window gives one real and one fake sequence. A mixed fake is the window
        with its middle frame generated. The first and last N generated frames are then in no sequence; where they are
        given, too, they have features, and a part in the joint statistics.

        Args:
            ground_truth: Ground-truth frames (B, T, C, H, W) in [0, 1].
            generated: Generated frames (B, K, C, H, W), K = T - 2N or T; the middle ones of the T frames.
            radius: Temporal radius N, at least 0.
            bn_statistics: 'joint' runs F once on all frames, so that both sequences are normalised by the same
                statistics and no frame is computed twice; 'per_sequence' runs it on the real and on the fake
                sequences apart. The latter returns S as part of the batch: features (B*S, L, ...) and (B*S, 1, ...).
            fake: 'mixed' or 'generated', which takes K = T; None for generated where K = T, mixed otherwise.

        Returns:
            Features and logits.

        Raises:
            InvalidValueError: Unknown ``fake`` or ``bn_statistics``, numbers of frames that do not fit together,
                'per_sequence' with generated frames that are in no sequence, or as in ``extract`` and ``classify``.

        Source: Section 3.1 of the paper.
        """
        num_gt, num_gen = ground_truth.shape[1], generated.shape[1]
        fake = fake or ('generated' if num_gen == num_gt else 'mixed')
        if fake not in get_args(Fake):
            raise InvalidValueError(f'fake must be {" or ".join(get_args(Fake))}, got {fake!r}.')
        num_fake = num_gt if fake == 'generated' else num_gt - 2 * radius  # generated frames that are in a sequence
        if radius < 0 or num_gt < 2 * radius + 1 or num_gen not in (num_gt, num_fake):
            raise InvalidValueError(
                f'With radius {radius}, {num_gt} ground-truth frames need {num_gt - 2 * radius} (mixed) or {num_gt} '
                f'generated frames and a full window of {2 * radius + 1}, got {num_gen} generated frames '
                f'(fake: {fake}).'
            )
        if bn_statistics == 'per_sequence':
            if num_gen > num_fake:
                raise InvalidValueError(
                    f'bn_statistics: per_sequence normalises sequences, and {num_gen - num_fake} of the {num_gen} '
                    'generated frames are in none. Use joint.'
                )
            real = self.extract(windows(ground_truth, radius))
            faked = self.extract(fake_windows(ground_truth, generated, radius))
            middle = tuple(feature[:, radius : radius + 1] for feature in faked)
            return JointPass(real, middle, self.classify(real[-1]), self.classify(faked[-1]))
        if bn_statistics != 'joint':
            raise InvalidValueError(f'bn_statistics must be joint or per_sequence, got {bn_statistics!r}.')
        features = self.extract(ground_truth, generated)
        gt_features = tuple(feature[:, :num_gt] for feature in features)
        gen_features = tuple(feature[:, num_gt:] for feature in features)
        # Sequences share frames; C's first convolution looks at each once.
        gt_taps, gen_taps = self._taps(features[-1]).split((num_gt, num_gen), dim=1)
        skipped = (num_gen - num_fake) // 2
        gen_taps = gen_taps[:, skipped : skipped + num_fake]
        sequences = torch.cat((windows(gt_taps, radius), fake_windows(gt_taps, gen_taps, radius)))
        return JointPass(gt_features, gen_features, *self._logits(sequences).chunk(2))


def windows(clip: Tensor, radius: int) -> Tensor:
    """Return the full windows of a clip of frames or features, (B, T, ...) -> (B*S, 2N+1, ...)."""
    length = 2 * radius + 1
    parts = [clip[:, start : start + length] for start in range(clip.shape[1] - length + 1)]
    return torch.stack(parts, dim=1).flatten(0, 1)  # (B, S, L, ...) -> (B*S, L, ...)


def fake_windows(ground_truth: Tensor, generated: Tensor, radius: int) -> Tensor:
    """Return the fake windows, (B, T, ...) and (B, K, ...) -> (B*S, 2N+1, ...).

    With K = T all frames of a window are generated, with K = T - 2N the middle one.
    """
    if generated.shape[1] == ground_truth.shape[1]:
        return windows(generated, radius)
    around = windows(ground_truth, radius)
    middle = generated.flatten(0, 1).unsqueeze(1)  # (B, S, ...) -> (B*S, 1, ...)
    return torch.cat((around[:, :radius], middle, around[:, radius + 1 :]), dim=1)
