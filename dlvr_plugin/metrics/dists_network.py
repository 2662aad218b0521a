"""The network of DISTS, and its weights."""

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torchvision.transforms.functional import resize

from dlvr_plugin.core.checkpoints import read_hashed_checkpoint
from dlvr_plugin.core.choices import DistsSize
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.published_weights import (
    load_weights,
    missing_published,
    published_digest,
    read_file_or_published,
    read_published,
)
from dlvr_plugin.metrics.weights import WeightsSpec

_TRUNK_URL = torchvision.models.VGG16_Weights.IMAGENET1K_V1.url
# The file of the package DISTS-pytorch, under a name that tells its SHA-256.
_LEARNED_URL = 'https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/DISTS_weights-f5e65c96.pth'
_PACKAGE, _FILE_IN_PACKAGE = 'DISTS-pytorch', 'DISTS_pytorch/weights.pt'

# Channels of the convolutions of VGG16, by stage, and where torchvision's ``features`` have the first of each stage.
_STAGES = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)
_FIRST_LAYERS = (0, 5, 10, 17, 24)
_CHANNELS = (3, *(channels[-1] for channels in _STAGES))  # of what is compared: the image, and the end of each stage
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_STABLE = 1e-6  # c1 and c2 of the paper
_MIN_SIDE = 32  # pixels; the last maps of smaller images are a single pixel, which has no structure
_SHORTER_SIDE = 256

Maps = list[Tensor]


class DistsNetwork(nn.Module):
    """The trunk of DISTS, VGG16 whose pooling keeps the energy, and the weights of what it compares.

    Shape legend: h_k, w_k size of the maps of stage k; C_k their channels, 3 to 512, 1475 of all.

    Attributes:
        alpha: Weights (1475,) of texture, those of all maps one after the other.
        beta: Weights (1475,) of structure. Both together have the sum 1.
    """

    window: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers, before = {}, 3
        for first, stage in zip(_FIRST_LAYERS, _STAGES, strict=True):
            for index, channels in enumerate(stage):
                layers[str(first + 2 * index)] = nn.Conv2d(before, channels, 3, padding=1)  # a ReLU after each
                before = channels
        self.features = nn.ModuleDict(layers)  # by the names of torchvision
        line = torch.hann_window(5, periodic=False)[1:-1]
        window = torch.outer(line, line)
        self.register_buffer('window', (window / window.sum())[None, None], persistent=False)
        self.register_buffer('mean', torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer('std', torch.tensor(_STD)[:, None, None], persistent=False)
        self.register_buffer('alpha', torch.zeros(sum(_CHANNELS)), persistent=False)
        self.register_buffer('beta', torch.zeros(sum(_CHANNELS)), persistent=False)

    def weigh(self, alpha: Tensor, beta: Tensor) -> None:
        """Take weights of texture and of structure, of any sum."""
        total = alpha.sum() + beta.sum()
        self.alpha, self.beta = alpha.flatten() / total, beta.flatten() / total

    def forward(self, x: Tensor) -> Maps:
        """Return what is compared of an image (1, 3, H, W), RGB in [0, 1]: that, and maps (1, C_k, h_k, w_k)."""
        maps = [x]
        x = (x - self.mean) / self.std
        for stage, (first, channels) in enumerate(zip(_FIRST_LAYERS, _STAGES, strict=True)):
            if stage:
                x = self._pool(x)
            for index in range(len(channels)):
                x = F.relu(self.features[str(first + 2 * index)](x), inplace=True)
            maps.append(x)
        return maps

    def _pool(self, x: Tensor) -> Tensor:
        """Halve the size by the root of the mean square under a Hann window."""
        window = self.window.expand(x.shape[1], -1, -1, -1)
        return (F.conv2d(x.square(), window, stride=2, padding=1, groups=x.shape[1]) + 1e-12).sqrt()

    def distance(self, first: Maps, second: Maps) -> Tensor:
        """Return DISTS between two images by what ``forward`` returned of them, a scalar."""
        similarity = torch.zeros((), device=self.alpha.device)
        weights = zip(self.alpha.split(_CHANNELS), self.beta.split(_CHANNELS), strict=True)
        for x, y, (alpha, beta) in zip(first, second, weights, strict=True):
            x_mean, y_mean = x.mean((2, 3), keepdim=True), y.mean((2, 3), keepdim=True)
            x_apart, y_apart = x - x_mean, y - y_mean
            variances = (each.square().mean((2, 3)) for each in (x_apart, y_apart))
            texture = (2 * x_mean * y_mean + _STABLE) / (x_mean.square() + y_mean.square() + _STABLE)
            structure = (2 * (x_apart * y_apart).mean((2, 3)) + _STABLE) / (sum(variances) + _STABLE)
            similarity = similarity + (alpha * texture.flatten()).sum() + (beta * structure.flatten()).sum()
        return 1 - similarity


class DistsDistance:
    """DISTS between frames.

    Args:
        weights: File of the weights of VGG16, a state dict as torchvision publishes it. None loads torchvision's own,
            from its cache or by download. What DISTS has learned is that of the package DISTS-pytorch, by the package
            where it is installed, else from the cache or by download.
        random_weights: Take random weights throughout, seeded. The result is not DISTS.
        device: Where to compute.

    Attributes:
        model: The network.
        origin: Where the weights of the trunk come from, for people.
        is_published: Whether they are the published ones.
        is_random: Whether they are random.

    Raises:
        DataError: Weights cannot be downloaded. CheckpointError: They are missing, damaged, or those of another
            network.

    Source: Ding et al., Image quality assessment: unifying structure and texture similarity (2020).
    """

    def __init__(
        self, *, weights: str | Path | None = None, random_weights: bool = False, device: str | torch.device = 'cpu'
    ) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.model = DistsNetwork()
            _fill_randomly(self.model)
        self.is_random, self.device = random_weights, torch.device(device)
        self.origin, self.is_published = 'random, seed 0: not DISTS', False
        if not random_weights:
            found = read_file_or_published(weights, _TRUNK_URL, label='DISTS', argument='--dists-weights')
            load_weights(self.model, found, 'DISTS')
            self.model.weigh(*_read_learned())
            self.origin, self.is_published = found.origin, found.is_published
        self.model.to(self.device).requires_grad_(False).eval()

    @torch.no_grad()
    def maps(self, image: np.ndarray, *, size: DistsSize = 'frame') -> Maps:
        """Return what the distance compares of an image (h, w, 3), BGR, uint8.

        Raises:
            InvalidValueError: The image is too small.
        """
        if min(image.shape[:2]) < _MIN_SIDE:
            raise InvalidValueError(
                f'DISTS needs at least {_MIN_SIDE}x{_MIN_SIDE} pixels, got {image.shape[:2]} (h, w).'
            )
        rgb = torch.from_numpy(np.ascontiguousarray(image[..., ::-1])).permute(2, 0, 1)  # (h, w, 3) -> (3, h, w)
        if size == 'shorter-256' and min(image.shape[:2]) > _SHORTER_SIDE:
            rgb = resize(rgb, [_SHORTER_SIDE], antialias=True)
        return self.model(rgb[None].to(self.device).float() / 255)

    @torch.no_grad()
    def distance(self, maps: Maps, maps2: Maps) -> float:
        """Return DISTS between two images by their ``maps``; 0 for equal ones, lower is better."""
        return float(self.model.distance(maps, maps2))


def _fill_randomly(model: DistsNetwork) -> None:
    """Fill a network with random weights that keep the size of what goes through."""
    for parameter in model.parameters():
        if parameter.ndim == 1:
            nn.init.zeros_(parameter)
        else:
            nn.init.kaiming_normal_(parameter, nonlinearity='relu')
    model.weigh(*torch.rand(2, sum(_CHANNELS)))


def _read_learned() -> tuple[Tensor, Tensor]:
    """Return alpha and beta as they were published."""
    path = _file_of_package()
    if path is not None:
        content, _ = read_hashed_checkpoint(path, expected=published_digest(_LEARNED_URL))
        return content['alpha'], content['beta']
    try:
        weights = read_published(_LEARNED_URL)
    except DataError as error:
        raise DataError(f'DISTS: {error} Or pip install {_PACKAGE}, which brings them.') from error
    return weights['alpha'], weights['beta']


def _file_of_package() -> Path | None:
    """Return the file of the package, None where that is not installed."""
    try:
        path = Path(str(importlib.metadata.distribution(_PACKAGE).locate_file(_FILE_IN_PACKAGE)))
    except importlib.metadata.PackageNotFoundError:
        return None
    return path if path.is_file() else None


def _missing() -> str | None:
    """Return what has to be downloaded, None for nothing."""
    return ' '.join(_find_missing()) or None


def _find_missing() -> Iterator[str]:
    learned = None if _file_of_package() else missing_published(_LEARNED_URL, 'DISTS')
    yield from filter(None, (missing_published(_TRUNK_URL, 'DISTS'), learned))


DISTS_WEIGHTS = WeightsSpec(name='dists', label='DISTS', build=DistsDistance, missing=_missing)
