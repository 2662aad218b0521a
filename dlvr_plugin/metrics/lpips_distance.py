"""LPIPS with weights whose origin is known, and features that are computed once a frame."""

import functools
import inspect
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import lpips
import numpy as np
import torch
import torchvision
from basicsr.utils import get_root_logger
from torch import Tensor, nn

from dlvr_plugin.core.checkpoints import read_hashed_checkpoint, weights_in
from dlvr_plugin.core.choices import LpipsNet
from dlvr_plugin.core.errors import CheckpointError, InvalidValueError, UserError
from dlvr_plugin.core.published_weights import cached_path, published_digest, read_published

LPIPS_NETS: tuple[LpipsNet, ...] = get_args(LpipsNet)

# torchvision's weights of the trunks.
_TRUNKS = {
    'alex': torchvision.models.AlexNet_Weights.IMAGENET1K_V1,
    'vgg': torchvision.models.VGG16_Weights.IMAGENET1K_V1,
    'squeeze': torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1,
}
# SHA-256 of the linear layers in the package lpips, version 0.1 of the metric.
_LINEAR_DIGESTS = {
    'alex': 'df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0',
    'vgg': 'a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868',
    'squeeze': '4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76',
}
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
        if net not in LPIPS_NETS:
            raise InvalidValueError(f'The net of LPIPS must be one of {", ".join(LPIPS_NETS)}, got {net!r}.')
        if weights and random_weights:
            raise InvalidValueError('Give LPIPS a file of weights or ask for random ones, not both.')
        with torch.random.fork_rng(), warnings.catch_warnings():
            torch.manual_seed(0)
            # The package builds its trunk by a parameter that torchvision has renamed.
            warnings.filterwarnings('ignore', category=UserWarning, module='torchvision')
            self.model = lpips.LPIPS(net=net, version='0.1', pnet_rand=True, pretrained=False, verbose=False)
        _load_linear_layers(self.model, net)
        self.is_random, self.is_published = random_weights, not random_weights
        self.origin = 'random, seed 0: not LPIPS'
        if not random_weights:
            content, self.origin, self.is_published = _read_trunk(net, Path(weights) if weights else None)
            _load_trunk(self.model.net, content, self.origin)
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


@functools.cache
def load_lpips(
    net: LpipsNet = 'alex', weights: str | None = None, random_weights: bool = False, device: str | None = None
) -> LpipsDistance:
    """Return a distance, the same one for the same arguments, and warn once where its weights are not published.

    Args:
        net: As for ``LpipsDistance``, and so are weights, random_weights and what is raised.
        weights: See there.
        random_weights: See there.
        device: Where to compute; None for the GPU of this process, where it has one.
    """
    if device is None:
        # By its number, because validation measures in threads, whose current GPU is the first.
        device = f'cuda:{os.environ.get("LOCAL_RANK", 0)}' if torch.cuda.is_available() else 'cpu'
    distance = LpipsDistance(net, weights=weights, random_weights=random_weights, device=device)
    if not distance.is_published:
        get_root_logger().warning(f'LPIPS has weights that are not the published ones: {distance.origin}.')
    return distance


def check_lpips_weights(net: LpipsNet = 'alex', weights: str | None = None, random_weights: bool = False) -> str | None:
    """Check weights of LPIPS as far as that is possible without a network.

    Args:
        net: As for ``LpipsDistance``, and so are weights and random_weights.
        weights: See there.
        random_weights: See there.

    Returns:
        What will have to be downloaded, None for nothing.

    Raises:
        CheckpointError: Weights that are here cannot be used. InvalidValueError: Arguments that contradict one another.
    """
    if net in LPIPS_NETS and not weights and not random_weights:
        url, cached = _TRUNKS[net].url, cached_path(_TRUNKS[net].url)
        if not cached.exists():
            return f'LPIPS needs {url}, which is not in {cached.parent} yet; it is downloaded when it is first used.'
    load_lpips(net, weights, random_weights)
    return None


def _read_trunk(net: LpipsNet, path: Path | None) -> tuple[Mapping[str, Tensor], str, bool]:
    """Return a trunk's weights, where they come from, and whether they are the published ones."""
    url = _TRUNKS[net].url
    file_name = cached_path(url).name
    if path is None:
        try:
            return read_published(url), file_name, True
        except UserError as error:
            raise type(error)(
                f'LPIPS: {error} Or name a file of weights: --lpips-weights FILE, in an option file weights: FILE.'
            ) from error
    content, digest = read_hashed_checkpoint(path)
    is_published = digest.startswith(published_digest(url))
    origin = f'{path} (SHA-256 {digest[:8]})'
    if not is_published:
        origin += f', not the published {file_name}'
    return weights_in(content, path, None), origin, is_published


def _load_linear_layers(model: nn.Module, net: LpipsNet) -> None:
    """Load what the package has learned on top of the trunk: version 0.1, which comes with it."""
    path = Path(inspect.getfile(lpips)).parent / 'weights' / 'v0.1' / f'{net}.pth'
    content, _ = read_hashed_checkpoint(path, expected=_LINEAR_DIGESTS[net])
    model.load_state_dict(content, strict=False)


def _load_trunk(trunk: nn.Module, content: Mapping[str, Tensor], origin: str) -> None:
    """Load torchvision's ``features.N...`` into the trunk, whose slices name the layers ``sliceK.N...``."""
    state = {}
    for name, value in trunk.state_dict().items():
        source = 'features.' + name.split('.', 1)[1]
        if source not in content or content[source].shape != value.shape:
            raise CheckpointError(f'The weights of LPIPS, {origin}, lack {source} of shape {tuple(value.shape)}.')
        state[name] = content[source]
    trunk.load_state_dict(state)
