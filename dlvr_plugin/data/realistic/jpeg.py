"""Compression of single frames by JPEG."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor


def compress_jpeg(frames: Tensor, qualities: Sequence[int]) -> Tensor:
    """Code each frame as JPEG with half the resolution of colours (4:2:0), and decode it.

    Args:
        frames: Frames (T, 3, H, W), float32; they are clamped to [0, 1].
        qualities: Quality of each frame, 1 to 100.

    Returns:
        Frames (T, 3, H, W) in [0, 1], multiples of 1/255.
    """
    images = (frames.clamp(0, 1).mul_(255).round_().byte().permute(0, 2, 3, 1)).contiguous().numpy()
    result = np.empty(frames.shape, np.uint8)
    for image, quality, (red, green, blue) in zip(images, qualities, result, strict=True):
        is_coded, data = cv2.imencode('.jpg', image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert is_coded
        assert decoded is not None
        cv2.split(decoded, (blue, green, red))  # (H, W, 3) -> 3 x (H, W)
    return torch.from_numpy(result).float().div_(255)
