"""Optical flow of frames of a clip by named estimators: OpenCV's DIS, and RAFT of torchvision."""

import threading
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.optical_flow import Raft_Large_Weights, raft_large

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.published_weights import load_weights, missing_published, read_file_or_published
from dlvr_plugin.metrics.frames import to_grey
from dlvr_plugin.metrics.weights import WeightsSpec

_RAFT_URL = Raft_Large_Weights.C_T_SKHT_V2.url
_RAFT_STRIDE, _RAFT_MIN_SIDE = 8, 128  # pixels; what its pyramid of correlations needs
_DIS_MIN_SIDE = 16  # pixels; its smallest level must hold a patch


class _Dis(threading.local):
    """OpenCV's DIS, one a thread, because it keeps buffers."""

    def __init__(self) -> None:
        self.flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


_dis = _Dis()


def dis_flow(image: np.ndarray, image2: np.ndarray) -> np.ndarray:
    """Return the flow (h, w, 2), x and y, in pixels, float32: where a pixel of the first image is in the second.

    Args:
        image: Image (h, w, 3), BGR, uint8.
        image2: Image of the same size.

    Raises:
        InvalidValueError: The images are too small.

    Source: Kroeger et al., Fast optical flow using dense inverse search; OpenCV's, with its preset medium.
    """
    _check_size(image, _DIS_MIN_SIDE, 'DIS')
    flow = _dis.flow.calc(to_grey(image), to_grey(image2), None)  # type: ignore[call-overload]  # no first guess
    return np.asarray(flow)


class RaftFlow:
    """RAFT-large of torchvision, 12 updates.

    Args:
        weights: File of its weights, a state dict as torchvision publishes it. None loads torchvision's own, those that
            were trained on the most data sets of its benchmark (C_T_SKHT_V2), from its cache or by download.
        random_weights: Take random weights, seeded. The result is no flow.
        device: Where to compute.

    Attributes:
        model: The network.
        origin: Where its weights come from, for people.
        is_published: Whether they are the published ones.
        is_random: Whether they are random.

    Raises:
        DataError: The weights cannot be downloaded. CheckpointError: They are missing, damaged, or those of another
            network.

    Source: Teed and Deng, RAFT: recurrent all-pairs field transforms for optical flow.
    """

    def __init__(
        self, *, weights: str | Path | None = None, random_weights: bool = False, device: str | torch.device = 'cpu'
    ) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.model: nn.Module = raft_large(weights=None)
        self.is_random, self.device = random_weights, torch.device(device)
        self.origin, self.is_published = 'random, seed 0: not RAFT', False
        if not random_weights:
            found = read_file_or_published(weights, _RAFT_URL, label='RAFT', argument='--raft-weights')
            load_weights(self.model, found, 'RAFT')
            self.origin, self.is_published = found.origin, found.is_published
        self.model.to(self.device).requires_grad_(False).eval()

    @torch.no_grad()
    def __call__(self, image: np.ndarray, image2: np.ndarray) -> np.ndarray:
        """Return the flow (h, w, 2), as ``dis_flow`` does.

        Raises:
            InvalidValueError: The images are too small.
        """
        _check_size(image, _RAFT_MIN_SIDE, 'RAFT')
        height, width = image.shape[:2]
        flow = self.model(*(self._prepare(each) for each in (image, image2)))[-1]
        top, left = (self._missing(side) // 2 for side in (height, width))
        return flow[0, :, top : top + height, left : left + width].permute(1, 2, 0).cpu().numpy()  # -> (h, w, 2)

    def _prepare(self, image: np.ndarray) -> Tensor:
        """Return an image (h, w, 3) as (1, 3, H, W), RGB in [-1, 1], grown at all sides to multiples of the stride."""
        rgb = torch.from_numpy(np.ascontiguousarray(image[..., ::-1])).to(self.device)
        frame = rgb.permute(2, 0, 1)[None].float() / 127.5 - 1
        down, across = (self._missing(side) for side in image.shape[:2])
        return F.pad(frame, (across // 2, across - across // 2, down // 2, down - down // 2), mode='replicate')

    @staticmethod
    def _missing(side: int) -> int:
        return -side % _RAFT_STRIDE


def _check_size(image: np.ndarray, smallest: int, label: str) -> None:
    if min(image.shape[:2]) < smallest:
        raise InvalidValueError(f'{label} needs at least {smallest}x{smallest} pixels, got {image.shape[:2]} (h, w).')


def _missing() -> str | None:
    return missing_published(_RAFT_URL, 'RAFT')


RAFT_WEIGHTS = WeightsSpec(name='raft', label='RAFT', build=RaftFlow, missing=_missing)
