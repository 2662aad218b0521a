"""Published weights of networks for images, in the cache of torch.hub: known by their hash, never executed."""

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from dlvr_plugin.core.checkpoints import read_hashed_checkpoint, weights_in
from dlvr_plugin.core.errors import CheckpointError, DataError, InvalidValueError, UserError

# SHA-256 of files of torchvision and of DISTS. Of others the eight digits in their names must do, which somebody with
# time can forge; nothing in a file is executed all the same.
_DIGESTS = {
    'alexnet-owt-7be5be79.pth': '7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02',
    'vgg16-397923af.pth': '397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0',
    'squeezenet1_1-b8a52dc0.pth': 'b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b',
    'DISTS_weights-f5e65c96.pth': 'f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218',
}

_LONGEST_SILENCE = 30.0  # seconds without a byte, of a download


def cached_path(url: str) -> Path:
    """Return where torch.hub keeps a file that it has downloaded."""
    return Path(torch.hub.get_dir()) / 'checkpoints' / Path(urlparse(url).path).name


def published_digest(url: str) -> str:
    """Return what the SHA-256 of a published file begins with: all of it where it is known, else eight digits.

    >>> published_digest('https://download.pytorch.org/models/vgg19-dcbb9e9d.pth')
    'dcbb9e9d'
    """
    name = Path(urlparse(url).path)
    return _DIGESTS.get(name.name, name.stem.rsplit('-', 1)[-1])


def read_published(url: str) -> Mapping[str, Tensor]:
    """Read published weights from the cache, where they are downloaded to if they are not there.

    Raises:
        DataError: They cannot be downloaded. CheckpointError: The cached file cannot be read, or is another one.
    """
    path, digest = cached_path(url), published_digest(url)
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _waiting_at_most(_LONGEST_SILENCE):
                torch.hub.download_url_to_file(url, str(path), hash_prefix=digest)
        except (URLError, OSError, RuntimeError) as error:
            raise DataError(
                f'The weights {path.name} cannot be downloaded ({error}). Where there is a network, fetch {url}, then '
                f'put the file into {path.parent}.'
            ) from error
    try:
        content, _ = read_hashed_checkpoint(path, expected=digest)
    except CheckpointError as error:
        raise CheckpointError(
            f'{error} It is not the published {path.name}, or damaged: remove it, and it is downloaded anew from {url}.'
        ) from error
    return weights_in(content, path, None)


class NamedWeights(NamedTuple):
    """Weights, and what they are.

    Attributes:
        weights: By the names in the published file.
        origin: Where they come from, for people.
        is_published: Whether they are the published ones.
    """

    weights: Mapping[str, Tensor]
    origin: str
    is_published: bool


def read_file_or_published(
    path: str | Path | None,
    url: str,
    *,
    label: str,
    argument: str,
    is_known: Callable[[Mapping[str, Tensor]], bool] = lambda weights: False,
) -> NamedWeights:
    """Read the weights of a network from a file, or without one the published ones.

    Args:
        path: The file; None for ``read_published``.
        url: Of the published ones.
        label: What an error calls the network.
        argument: That of the command line that names a file.
        is_known: Tells whether weights of another file are the published ones all the same.

    Raises:
        DataError: They cannot be downloaded. CheckpointError: A file that is missing, damaged or another one.
    """
    if path is not None:
        return read_file(path, url, is_known)
    try:
        return NamedWeights(read_published(url), cached_path(url).name, True)
    except UserError as error:
        raise type(error)(
            f'{label}: {error} Or name a file of weights: {argument} FILE, in an option file weights: FILE.'
        ) from error


def read_file(
    path: str | Path, url: str, is_known: Callable[[Mapping[str, Tensor]], bool] = lambda weights: False
) -> NamedWeights:
    """Read the weights of a network from a file.

    Args:
        path: The file.
        url: Of the published ones, which they may be.
        is_known: Tells whether weights of another file are the published ones all the same.

    Raises:
        CheckpointError: A file that is missing, damaged or another one.
    """
    content, digest = read_hashed_checkpoint(path)
    weights = weights_in(content, Path(path), None)
    is_published = digest.startswith(published_digest(url)) or is_known(weights)
    origin = f'{path} (SHA-256 {digest[:8]})'
    if not is_published:
        origin += f', not the published {cached_path(url).name}'
    return NamedWeights(weights, origin, is_published)


def load_weights(
    network: nn.Module, found: NamedWeights, label: str, name_of: Callable[[str], str] = lambda name: name
) -> None:
    """Load weights into a network; what else they hold is left out.

    Args:
        network: The network.
        found: The weights.
        label: What an error calls the network.
        name_of: Returns the name that a weight of the network has in the file.

    Raises:
        CheckpointError: A weight is missing, or of another shape.
    """
    state = {}
    for name, value in network.state_dict().items():
        source = name_of(name)
        if source not in found.weights or found.weights[source].shape != value.shape:
            raise CheckpointError(
                f'The weights of {label}, {found.origin}, lack {source} of shape {tuple(value.shape)}.'
            )
        state[name] = found.weights[source]
    network.load_state_dict(state)


def missing_published(url: str, label: str) -> str | None:
    """Return what has to be downloaded for a network, None where its published weights are in the cache."""
    cached = cached_path(url)
    if cached.exists():
        return None
    return f'{label} needs {url}, which is not in {cached.parent} yet; it is downloaded when it is first used.'


def check_one_source(label: str, weights: str | Path | None, random_weights: bool) -> None:
    """Refuse both a file of weights and random ones.

    Raises:
        InvalidValueError: Both are asked for.
    """
    if weights and random_weights:
        raise InvalidValueError(f'Give {label} a file of weights or ask for random ones, not both.')


@contextmanager
def _waiting_at_most(seconds: float) -> Iterator[None]:
    """Let connections that are opened meanwhile fail where nothing comes for a while; torch.hub would wait forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
