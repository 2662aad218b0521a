"""Published weights of networks for images, in the cache of torch.hub: known by their hash, never executed."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlparse

import torch
from torch import Tensor

from dlvr_plugin.core.checkpoints import read_hashed_checkpoint, weights_in
from dlvr_plugin.core.errors import CheckpointError, DataError

# SHA-256 of files of torchvision. Of others the eight digits in their names must do, which somebody with time can
# forge; nothing in a file is executed all the same.
_DIGESTS = {
    'alexnet-owt-7be5be79.pth': '7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02',
    'vgg16-397923af.pth': '397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0',
    'squeezenet1_1-b8a52dc0.pth': 'b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b',
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


@contextmanager
def _waiting_at_most(seconds: float) -> Iterator[None]:
    """Let connections that are opened meanwhile fail where nothing comes for a while; torch.hub would wait forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
