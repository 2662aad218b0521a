"""EDVR in two parts: features, which belong to a frame alone, and what is made of those of a window.

The frames of all windows are aligned at once, where the framework aligns one frame of each after the other.

B windows                                       C channels of the features
T frames of a window                            h, w size of the low-quality frames
N frames, B * T for whole windows               H, W size of the result

Features have three levels, (N, C, h, w), (N, C, h / 2, w / 2) and (N, C, h / 4, w / 4).
"""

import torch
import torch.nn.functional as F
from basicsr.archs.edvr_arch import EDVR
from torch import Tensor

from dlvr_plugin.archs.memory_format import in_fast_format
from dlvr_plugin.archs.spec import WindowParts

_MOST_PIXELS = 2**16  # of features that are aligned at once where no gradient is computed, which then bounds the memory


def extract_features(net: EDVR, frames: Tensor) -> tuple[Tensor, ...]:
    """Return the three levels of features of frames (N, C, h, w); with ``hr_in`` of their quarter size."""
    frames = in_fast_format(frames)
    level_1 = net.conv_1x1(net.predeblur(frames)) if net.with_predeblur else net.lrelu(net.conv_first(frames))
    level_1 = net.feature_extraction(level_1)
    level_2 = net.lrelu(net.conv_l2_2(net.lrelu(net.conv_l2_1(level_1))))
    level_3 = net.lrelu(net.conv_l3_2(net.lrelu(net.conv_l3_1(level_2))))
    return level_1, level_2, level_3


def restore_from_features(net: EDVR, features: tuple[Tensor, ...], windows: Tensor) -> Tensor:
    """Return the restored middle frames (B, 3, H, W).

    Args:
        net: The network.
        features: Three levels of the frames of the windows, (B * T, C, ...).
        windows: The frames themselves (B, T, 3, h, w).
    """
    batch, num_frame = windows.shape[:2]
    aligned = _align(net, features, num_frame)  # (B * T, C, h, w)
    aligned = aligned.contiguous().view(batch, num_frame, *aligned.shape[1:])
    out = net.fusion(aligned if net.with_tsa else aligned.flatten(1, 2))
    out = net.reconstruction(in_fast_format(out))
    out = net.lrelu(net.pixel_shuffle(net.upconv1(out)))
    out = net.lrelu(net.pixel_shuffle(net.upconv2(out)))
    out = net.conv_last(net.lrelu(net.conv_hr(out)))
    base = windows[:, net.center_frame_idx]
    return out + (base if net.hr_in else F.interpolate(base, scale_factor=4, mode='bilinear', align_corners=False))


def _align(net: EDVR, features: tuple[Tensor, ...], num_frame: int) -> Tensor:
    """Return the first level of features, each frame aligned with the middle one of its window."""
    num_frames = len(features[0])
    frames = torch.arange(num_frames, device=features[0].device).view(-1, num_frame)  # by window
    middle = frames[:, net.center_frame_idx].repeat_interleave(num_frame)
    at_once = num_frames
    if torch.onnx.is_in_onnx_export():  # a graph is for frames of any size
        at_once = 1
    elif not torch.is_grad_enabled():
        at_once = max(1, _MOST_PIXELS // features[0][0, 0].numel())
    parts = [
        net.pcd_align([level[start : start + at_once] for level in features], [level[indices] for level in features])
        for start, indices in zip(range(0, num_frames, at_once), middle.split(at_once), strict=True)
    ]
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def forward(net: EDVR, windows: Tensor) -> Tensor:
    """Return what ``EDVR.forward`` does, (B, 3, H, W), for windows (B, T, 3, h, w), up to rounding.

    Raises:
        AssertionError: Sides that are no multiples of 4, with ``hr_in`` of 16, as of the framework.
    """
    multiple = 16 if net.hr_in else 4
    assert not any(side % multiple for side in windows.shape[-2:]), f'Height and width must be multiples of {multiple}.'
    return restore_from_features(net, extract_features(net, windows.flatten(0, 1)), windows)


EDVR_PARTS = WindowParts(extract=extract_features, restore=restore_from_features)
