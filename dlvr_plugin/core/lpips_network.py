"""The network of LPIPS with weights whose origin is known."""

import hashlib
import inspect
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, get_args

import lpips
import torch
import torchvision
from torch import Tensor, nn

from dlvr_plugin.core.checkpoints import read_hashed_checkpoint
from dlvr_plugin.core.choices import LpipsNet
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.published_weights import (
    NamedWeights,
    check_one_source,
    load_weights,
    missing_published,
    read_file_or_published,
)

LPIPS_NETS: tuple[LpipsNet, ...] = get_args(LpipsNet)

# torchvision's weights of the trunks.
_TRUNKS = {
    'alex': torchvision.models.AlexNet_Weights.IMAGENET1K_V1,
    'vgg': torchvision.models.VGG16_Weights.IMAGENET1K_V1,
    'squeeze': torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1,
}
# SHA-256 of the values of torchvision's trunks, which other files may hold, too; of VGG it is not known to us.
_TRUNK_DIGESTS = {
    'alex': '276812cc7430109e87ad2847e4409809bf867956c8a5e9621ae88a1bfcb08e76',
    'squeeze': '484b045b3823f9900484f8b4314b505fca65e3bb5fdd840c0add8848e1fccd7b',
}
# SHA-256 of the linear layers in the package lpips, version 0.1 of the metric.
_LINEAR_DIGESTS = {
    'alex': 'df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0',
    'vgg': 'a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868',
    'squeeze': '4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76',
}


class LpipsNetwork(NamedTuple):
    """The network, and what its weights are.

    Attributes:
        model: Network of the package lpips, in evaluation mode, without gradients of its weights.
        origin: Where the weights of its trunk come from, for people.
        is_published: Whether they are the published ones.
        is_random: Whether they are random.
    """

    model: lpips.LPIPS
    origin: str
    is_published: bool
    is_random: bool


def load_lpips_network(
    net: LpipsNet = 'alex', *, weights: str | Path | None = None, random_weights: bool = False
) -> LpipsNetwork:
    """Build the network of LPIPS version 0.1.

    Args:
        net: Trunk.
        weights: File of the trunk's weights, a state dict as torchvision publishes it. None loads torchvision's own,
            from its cache or by download.
        random_weights: Take random weights, seeded, instead of published ones. The result is not LPIPS.

    Raises:
        DataError: The weights cannot be downloaded. CheckpointError: They are missing, damaged, or in the cache under
            the name of the published ones without being these. InvalidValueError: Arguments that contradict one
            another, or an unknown trunk.

    Source: Zhang et al., The unreasonable effectiveness of deep features as a perceptual metric; the package lpips.
    """
    if net not in LPIPS_NETS:
        raise InvalidValueError(f'The net of LPIPS must be one of {", ".join(LPIPS_NETS)}, got {net!r}.')
    check_one_source('LPIPS', weights, random_weights)
    with torch.random.fork_rng(), warnings.catch_warnings():
        torch.manual_seed(0)
        # The package builds its trunk by a parameter that torchvision has renamed.
        warnings.filterwarnings('ignore', category=UserWarning, module='torchvision')
        model = lpips.LPIPS(net=net, version='0.1', pnet_rand=True, pretrained=False, verbose=False)
    _load_linear_layers(model, net)
    origin, is_published = 'random, seed 0: not LPIPS', False
    if not random_weights:
        found = _read_trunk(net, weights or None)
        # torchvision's features.N...; slices of the trunk name its layers sliceK.N...
        load_weights(model.net, found, 'LPIPS', lambda name: 'features.' + name.split('.', 1)[1])
        origin, is_published = found.origin, found.is_published
    return LpipsNetwork(model.requires_grad_(False).eval(), origin, is_published, random_weights)


def missing_lpips_weights(net: LpipsNet = 'alex') -> str | None:
    """Return what has to be downloaded for a trunk, None where its weights are in the cache."""
    return missing_published(_TRUNKS[net].url, 'LPIPS') if net in LPIPS_NETS else None


def _read_trunk(net: LpipsNet, path: str | Path | None) -> NamedWeights:
    """Return a trunk's weights, and what they are."""
    return read_file_or_published(
        path,
        _TRUNKS[net].url,
        label='LPIPS',
        argument='--lpips-weights',
        is_known=lambda weights: _digest_of(weights) == _TRUNK_DIGESTS.get(net),
    )


def _digest_of(weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the values of a trunk's convolutions, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(name for name in weights if name.startswith('features.')):
        digest.update(weights[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _load_linear_layers(model: nn.Module, net: LpipsNet) -> None:
    """Load what the package has learned on top of the trunk: version 0.1, which comes with it."""
    path = Path(inspect.getfile(lpips)).parent / 'weights' / 'v0.1' / f'{net}.pth'
    content, _ = read_hashed_checkpoint(path, expected=_LINEAR_DIGESTS[net])
    model.load_state_dict(content, strict=False)
