"""LPIPS with weights whose origin is known, and features that are computed once a frame."""

from pathlib import Path

import lpips
import numpy as np
import torch
from torch import Tensor

from dlvr_plugin.core.choices import LpipsNet
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.lpips_network import load_lpips_network, missing_lpips_weights
from dlvr_plugin.metrics.weights import WeightsSpec

Features = list[Tensor]

_MIN_SIDE = 32


class LpipsDistance:
    """LPIPS version 0.1 between frames.

    Args:
        net: Trunk.
        weights: File of the trunk's weights, a state dict as torchvision publishes it. None loads torchvision's own,
            from its cache or by download.
        random_weights: Take random weights, seeded, instead of published ones. The result is not LPIPS.
        device: Where to compute.

    Attributes:
        model: The network of the package lpips.
        origin: Where the weights come from, for people.
        is_published: Whether they are the published ones.
        is_random: Whether they are random.

    Raises:
        DataError: The weights cannot be downloaded. CheckpointError: They are missing, damaged, or in the cache under
            the name of the published ones without being these.

    Source: Zhang et al., The unreasonable effectiveness of deep features as a perceptual metric; the package lpips.
    """

    def __init__(
        self,
        net: LpipsNet = 'alex',
        *,
        weights: str | Path | None = None,
        random_weights: bool = False,
        device: str | torch.device = 'cpu',
    ) -> None:
        network = load_lpips_network(net, weights=weights, random_weights=random_weights)
        self.model, self.origin, self.is_published, self.is_random = network
        self.device = torch.device(device)
        self.model.to(self.device)

    @torch.no_grad()
    def features(self, image: np.ndarray) -> Features:
        """Return what the distance compares.

        Args:
            image: Image (h, w, 3), BGR, uint8.

        Returns:
            Normalised feature maps (1, C, h_layer, w_layer) of each layer.

        Raises:
            InvalidValueError: The image is smaller than the trunk can see.
        """
        if min(image.shape[:2]) < _MIN_SIDE:
            raise InvalidValueError(
                f'LPIPS needs at least {_MIN_SIDE}x{_MIN_SIDE} pixels, got {image.shape[:2]} (h, w).'
            )
        rgb = torch.from_numpy(np.ascontiguousarray(image[..., ::-1])).to(self.device)
        # (h, w, 3), 0 to 255 -> (1, 3, h, w), -1 to 1
        frame = rgb.permute(2, 0, 1).unsqueeze(0).float() / 127.5 - 1
        layers = self.model.net(self.model.scaling_layer(frame))
        return [lpips.normalize_tensor(layer) for layer in layers]

    @torch.no_grad()
    def distance(self, features: Features, features2: Features) -> float:
        """Return LPIPS between two images by their ``features``; 0 for equal ones, lower is better."""
        layers = zip(self.model.lins, features, features2, strict=True)
        return sum(float(lin((first - second).square()).mean()) for lin, first, second in layers)

    def __call__(self, img: np.ndarray, img2: np.ndarray) -> float:
        """Return LPIPS between two images (h, w, 3), BGR, uint8."""
        return self.distance(self.features(img), self.features(img2))


LPIPS_WEIGHTS = WeightsSpec(
    name='lpips', label='LPIPS', build=LpipsDistance, missing=missing_lpips_weights, settings=('net',)
)
