"""The loss network T: a feature extractor F, whose features are the discriminative space, and a sequence classifier C.

Shape legend: B batch, T frames of ground truth, K generated frames, N temporal radius, L = 2N + 1 frames of a window,
S = T - 2N sequences, C_j channels and h_j, w_j size of feature j (h_j = H / 2^j, rounded up).
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import torch
import torch.nn.functional as F
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn

from dlvr_plugin.core.declarations import NOT_EMPTY, NOT_NEGATIVE, Range, check_arguments
from dlvr_plugin.core.errors import InvalidValueError

Norm = Literal['batch', 'frozen', 'sync']
BNStatistics = Literal['joint', 'per_sequence']
Channels = Annotated[int, Range(minimum=1, maximum=65536)]


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

    def forward(self, frames: Tensor) -> Tensor:
        """Map frames (B*T, C_in, H, W) to features (B*T, C_out, H/2, W/2)."""
        if self.negative_slope is not None:
            frames = F.leaky_relu(frames, self.negative_slope)
        weight = self.conv.weight.squeeze(2)  # (C_out, C_in, 1, k, k) -> (C_out, C_in, k, k)
        features = F.conv2d(frames, weight, stride=self.conv.stride[1:], padding=self.conv.padding[1:])
        # The statistics of (B*T, C, 1, h, w) are those of (B, C, T, h, w).
        return self.norm(features.unsqueeze(2)).squeeze(2)


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
            nn.Conv3d(num_feat[-1], num_feat_classifier, 3, (1, 2, 2), 1),
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

    def extract(self, clip: Tensor) -> tuple[Tensor, ...]:
        """Compute F.

        Args:
            clip: Frames (B, T, C, H, W) in [0, 1].

        Returns:
            J features (B, T, C_j, h_j, w_j), each taken after its norm and before the next LeakyReLU.

        Raises:
            InvalidValueError: Wrong rank or channel count, or frames too small to be halved J times.
        """
        if clip.dim() != 5:
            raise InvalidValueError(
                f'LossNetT takes clips (B, T, C, H, W), got {clip.dim()} dimensions: {tuple(clip.shape)}.'
            )
        batch, time, channels, height, width = clip.shape
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
        features = []
        frames = clip.flatten(0, 1)  # (B, T, C, H, W) -> (B*T, C, H, W)
        for block in self.extractor:
            frames = block(frames)
            features.append(frames.unflatten(0, (batch, time)))
        return tuple(features)

    def classify(self, deepest: Tensor) -> Tensor:
        """Compute C.

        Args:
            deepest: Sequences of F's deepest feature, (B, T, C_J, h_J, w_J).

        Returns:
            Map of logits (B, 1, T, h, w); above 0 means real.

        Raises:
            InvalidValueError: The feature is too small to be halved once more.
        """
        if min(deepest.shape[-2:]) < 2:
            raise InvalidValueError(
                f'The classifier halves features once more and needs at least 2x2 of them, got '
                f'{deepest.shape[-2]}x{deepest.shape[-1]}. Use frames of more than {2**self.num_layers} pixels.'
            )
        return self.classifier(deepest.transpose(1, 2))  # (B, T, C, h, w) -> (B, C, T, h, w)

    def forward(
        self, ground_truth: Tensor, generated: Tensor, *, radius: int = 1, bn_statistics: BNStatistics = 'joint'
    ) -> JointPass:
        """Compute all that the updates of G and of T need.

        Every ground-truth frame with a full window gives one real and one fake sequence. With K = T - 2N generated
        frames the fake is mixed: the window with its middle frame generated. With K = T it is all generated.

        Args:
            ground_truth: Ground-truth frames (B, T, C, H, W) in [0, 1].
            generated: Generated frames (B, K, C, H, W), K = T - 2N or T; the middle ones of the T frames.
            radius: Temporal radius N, at least 0.
            bn_statistics: 'joint' runs F once on all frames, so that both sequences are normalised by the same
                statistics and no frame is computed twice; 'per_sequence' runs it on the real and on the fake
                sequences apart. The latter returns S as part of the batch: features (B*S, L, ...) and (B*S, 1, ...).

        Returns:
            Features and logits.

        Raises:
            InvalidValueError: The numbers of frames do not fit together, or as in ``extract`` and ``classify``.

        Source: Section 3.1 of the paper.
        """
        num_gt, num_gen = ground_truth.shape[1], generated.shape[1]
        if radius < 0 or num_gt < 2 * radius + 1 or num_gen not in (num_gt, num_gt - 2 * radius):
            raise InvalidValueError(
                f'With radius {radius}, {num_gt} ground-truth frames need {num_gt - 2 * radius} (mixed) or {num_gt} '
                f'generated frames and a full window of {2 * radius + 1}, got {num_gen} generated frames.'
            )
        if bn_statistics == 'per_sequence':
            real = self.extract(windows(ground_truth, radius))
            fake = self.extract(fake_windows(ground_truth, generated, radius))
            middle = tuple(feature[:, radius : radius + 1] for feature in fake)
            return JointPass(real, middle, *self._classify_pair(real[-1], fake[-1]))
        if bn_statistics != 'joint':
            raise InvalidValueError(f'bn_statistics must be joint or per_sequence, got {bn_statistics!r}.')
        features = self.extract(torch.cat((ground_truth, generated), dim=1))
        gt_features = tuple(feature[:, :num_gt] for feature in features)
        gen_features = tuple(feature[:, num_gt:] for feature in features)
        real_windows = windows(gt_features[-1], radius)
        fake_windows_ = fake_windows(gt_features[-1], gen_features[-1], radius)
        return JointPass(gt_features, gen_features, *self._classify_pair(real_windows, fake_windows_))

    def _classify_pair(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        # C has no norm, so real and fake sequences can share one call.
        real_logits, fake_logits = self.classify(torch.cat((real, fake))).chunk(2)
        return real_logits, fake_logits


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
