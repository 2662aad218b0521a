"""A convolution of sequences in two parts, so that frames that several sequences share are convolved once.

B batch, T frames, C channels, h, w size of the input, h', w' of the output.
"""

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn


class TemporalConv(nn.Conv3d):
    """A convolution with a kernel (3, k, k), stride (1, s, s) and padding (1, p, p).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: k.
        stride: s.
        padding: p.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int, padding: int) -> None:
        super().__init__(
            in_channels, out_channels, (3, kernel_size, kernel_size), (1, stride, stride), (1, padding, padding)
        )

    def forward(self, clip: Tensor) -> Tensor:
        """Convolve sequences (B, C_in, T, h, w) to (B, C_out, T, h', w')."""
        return self.add_up(self.taps(clip.transpose(1, 2))).transpose(1, 2)

    def taps(self, frames: Tensor) -> Tensor:
        """Convolve frames (B, T, C_in, h, w) with the kernel's three parts, (B, T, 3, C_out, h', w').

        They are what a frame gives to the output at the next frame, at its own, and at the previous one.
        """
        weight = self.weight.transpose(1, 2).transpose(0, 1).flatten(0, 1)  # (C_out, C_in, 3, k, k) -> (3*C_out, ...)
        taps = _convolve(frames.flatten(0, 1), weight, stride=self.stride[1], padding=cast(int, self.padding[1]))
        return taps.unflatten(1, (3, -1)).unflatten(0, frames.shape[:2])

    def add_up(self, taps: Tensor) -> Tensor:
        """Return the output (B, T, C_out, h', w') of sequences, of the taps of their frames."""
        before, here, after = taps.unbind(2)
        no_padding = (0, 0) * 3  # of width, height and channels
        total = F.pad(before[:, :-1], (*no_padding, 1, 0)) + here + F.pad(after[:, 1:], (*no_padding, 0, 1))
        return total if self.bias is None else total + self.bias.view(-1, 1, 1)


def _convolve(frames: Tensor, weight: Tensor, *, stride: int, padding: int) -> Tensor:
    """Convolve frames (N, C, h, w) of few pixels; on a CPU by one product, which takes half the time."""
    if frames.is_cuda:
        return F.conv2d(frames, weight, stride=stride, padding=padding)
    size = weight.shape[-1]
    height, width = ((side + 2 * padding - size) // stride + 1 for side in frames.shape[2:])
    columns = F.unfold(frames, size, padding=padding, stride=stride)  # (N, C*k*k, h'*w')
    product = weight.flatten(1) @ columns.transpose(0, 1).flatten(1)  # (C_out, N*h'*w')
    return product.view(len(weight), len(frames), height, width).transpose(0, 1)
