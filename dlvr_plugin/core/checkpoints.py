"""Checkpoints: written atomically, read in one way, executed never, and able to say what they hold.

A checkpoint of networks is a dictionary: weights by name below ``params`` (and ``params_ema``), and below
``description`` what they are weights of. A safetensors file has the weights of one key, and the description as JSON in
its metadata.
"""

import errno
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch
from basicsr.utils import get_root_logger
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from dlvr_plugin.core.checkpoint_archive import check_archive
from dlvr_plugin.core.errors import CheckpointError
from dlvr_plugin.core.files import write_atomic
from dlvr_plugin.core.regular_files import check_regular, hash_open, open_regular
from dlvr_plugin.core.version import __version__

DESCRIPTION = 'description'
"""Key of the description in a checkpoint, and in the metadata of a safetensors file."""

_SAFETENSORS = '.safetensors'


def checkpoint_bytes(content: Mapping[str, Any]) -> bytes:
    """Return the file of a checkpoint (.pth, .state)."""
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    return buffer.getvalue()


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> str:
    """Write a checkpoint and return its SHA-256.

    Raises:
        OSError: It cannot be written; the file that had this name, and all others, are as they were.
    """
    data = checkpoint_bytes(content)
    try:
        write_atomic(path, data)
    except OSError as error:
        raise OSError(
            f'{path} cannot be written: {error.strerror}. The checkpoints before it are intact: mend this, and go on '
            'with --auto_resume.'
        ) from error
    return hashlib.sha256(data).hexdigest()


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint (.pth, .state or .safetensors) to the CPU; nothing in it is executed.

    Returns:
        Its content; that of a safetensors file is its weights below ``params``, and the description where it has one.

    Raises:
        CheckpointError: It is missing, no regular file, may not be read, is cut off, takes more room when it is
            unpacked, or holds other things than tensors and plain values.
    """
    path = Path(path)
    if path.suffix == _SAFETENSORS:
        check_regular(path, error=CheckpointError)  # the library opens it by its name
        with _telling_damage(path):
            return _read_safetensors(path)
    with open_regular(path, error=CheckpointError) as file:
        return _read_open(file, path)


def read_hashed_checkpoint(path: str | Path, *, expected: str | None = None) -> tuple[dict[str, Any], str]:
    """Read a checkpoint (.pth) and its SHA-256, hexadecimal, of one and the same open file.

    Args:
        path: The file.
        expected: What the SHA-256 must begin with, all 64 digits or fewer; nothing is read of another file.

    Raises:
        CheckpointError: As ``read_checkpoint``; or it is another file.
    """
    path = Path(path)
    with open_regular(path, error=CheckpointError) as file:
        digest = hash_open(file)
        if expected is not None and not digest.startswith(expected):
            raise CheckpointError(
                f'{path} has the SHA-256 {digest}, expected {expected}{"..." * (len(expected) < 64)}.'
            )
        return _read_open(file, path), digest


@contextmanager
def _telling_damage(path: Path) -> Iterator[None]:
    """Raise a CheckpointError for whatever the readers of checkpoints raise, which is of many kinds."""
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:
        # Invalid is the place in the file that the reader was led to, not the file.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise CheckpointError(f'{path} cannot be read: {error.strerror or error}.') from error
        raise CheckpointError(
            f'{path} cannot be read as a checkpoint ({type(error).__name__}). It is damaged or cut off, of '
            'another kind, or holds code, which is never run.'
        ) from error


def _read_open(file: BinaryIO, path: Path) -> dict[str, Any]:
    with _telling_damage(path):
        if zipfile.is_zipfile(file):
            check_archive(file, path)
        file.seek(0)
        content = torch.load(file, map_location='cpu', weights_only=True)
    if not isinstance(content, dict):
        raise CheckpointError(f'{path} is no checkpoint: it holds {_name_kind(content)}.')
    return content


def _read_safetensors(path: Path) -> dict[str, Any]:
    with safe_open(path, 'pt') as file:
        metadata = file.metadata() or {}
        content: dict[str, Any] = {'params': {name: file.get_tensor(name) for name in file.keys()}}  # noqa: SIM118
    try:
        if DESCRIPTION in metadata:
            content[DESCRIPTION] = json.loads(metadata[DESCRIPTION])
    except ValueError as error:
        raise SafetensorError(f'the description in its metadata is no JSON: {error}') from error
    return content


def read_weights(path: str | Path, param_key: str | None = 'params') -> dict[str, Tensor]:
    """Read the weights of a network, without the prefix that parallel processing puts in front of their names.

    Args:
        path: Checkpoint.
        param_key: Key of the weights; None where the file is the weights themselves. As in the framework, ``params``
            stands in for a key that is not there, which is logged. A safetensors file has one set of weights, whatever
            the key.

    Raises:
        CheckpointError: As ``read_checkpoint``; or there is no such key, or it holds no weights.
    """
    return weights_in(read_checkpoint(path), path, param_key)


def weights_in(content: Mapping[str, Any], path: str | Path, param_key: str | None = 'params') -> dict[str, Tensor]:
    """Return the weights in what ``read_checkpoint`` returned, as ``read_weights`` does.

    Args:
        content: Content of the checkpoint.
        path: Its file, for errors.
        param_key: As for ``read_weights``.

    Raises:
        CheckpointError: There is no such key, or it holds no weights: other things than plain tensors by name.
    """
    path, found = Path(path), content
    if path.suffix == _SAFETENSORS:
        found = content['params']
    elif param_key is not None:
        if param_key not in content and 'params' in content:
            get_root_logger().info(f'Loading: {param_key} does not exist in {path}, use params.')
            param_key = 'params'
        if param_key not in content:
            known = ', '.join(map(_shorten, list(content)[:3]))
            raise CheckpointError(
                f'{path} has no key {param_key!r}, only {known}{", ..." if len(content) > 3 else ""}. Set param_key_* '
                'to one of them, or to ~ where the file is the weights themselves.'
            )
        found = content[param_key]
    where = str(path) if param_key is None or path.suffix == _SAFETENSORS else f'{path}, key {param_key},'
    if not isinstance(found, Mapping):
        raise CheckpointError(f'{where} holds no tensors by name, and so no weights: it is {_name_kind(found)}.')
    for name, value in found.items():
        if problem := _find_weight_problem(name, value):
            raise CheckpointError(f'{where} holds no weights of a network: {problem}.')
    return {name.removeprefix('module.'): value for name, value in found.items()}


def _find_weight_problem(name: Any, value: Any) -> str | None:
    """Return what keeps an entry from being a weight, None for nothing."""
    if not isinstance(name, str):
        return f'the name {_shorten(name)} is {_name_kind(name)}, not text'
    if not isinstance(value, Tensor):
        return f'{_shorten(name)} is {_name_kind(value)}, not a tensor'
    for is_odd, what in (
        (value.is_meta, 'a meta tensor, a shape without values'),
        (value.is_nested, 'a nested tensor'),
        (value.is_quantized, 'a quantized tensor'),
        (value.layout != torch.strided, 'a sparse tensor'),
        (value.is_complex(), 'a tensor of complex numbers'),
    ):
        if is_odd:
            return f'{_shorten(name)} is {what}; expected a plain one'
    return None


def _name_kind(value: Any) -> str:
    """Return what a value is, in words."""
    if value is None:
        return 'None'
    name = type(value).__name__
    return f'{"an" if name[0] in "aeiouAEIOU" else "a"} {name}'


def _shorten(value: Any) -> str:
    text = value if isinstance(value, str) else f'{value!r:.60}' if isinstance(value, (int, float)) else '(...)'
    text = text.encode(errors='backslashreplace').decode()
    return text if len(text) <= 60 else f'{text[:57]}...'


def check_weights(
    found: Mapping[str, Any], wanted: Mapping[str, Any], *, where: str, network: str, is_strict: bool = True
) -> None:
    """Compare names and shapes of weights with those of a network.

    Args:
        found: Tensors of the weights, by name.
        wanted: Tensors of the network, by name.
        where: File of the weights, for the error.
        network: Name of the network, for the error.
        is_strict: Whether all must fit, or at least one.

    Raises:
        CheckpointError: They belong to another network; names the first tensor that differs.
    """
    found_shapes, wanted_shapes = (
        {name: tuple(value.shape) for name, value in each.items() if hasattr(value, 'shape')}
        for each in (found, wanted)
    )
    wrong = [name for name, shape in wanted_shapes.items() if found_shapes.get(name) != shape]
    extra = [name for name in found_shapes if name not in wanted_shapes]
    if (wrong or extra) if is_strict else len(wrong) == len(wanted_shapes):
        first = (wrong or extra)[0]
        raise CheckpointError(
            f'{where} holds another network than {network}: {len(wrong)} of {len(wanted_shapes)} tensors are missing '
            f'or of another shape, {len(extra)} are unknown. {first} is {found_shapes.get(first, "missing")} in the '
            f'file and {wanted_shapes.get(first, "missing")} in the network.'
        )


def load_weights(net: nn.Module, path: str | Path, *, param_key: str | None = 'params') -> None:
    """Load the weights of a network from a checkpoint that holds this network.

    Args:
        net: Network to fill.
        path: Checkpoint, as the framework or ``dlvr export`` writes it.
        param_key: As for ``read_weights``.

    Raises:
        CheckpointError: As ``read_weights``; or they are those of another network.
    """
    weights = read_weights(path, param_key)
    check_weights(weights, net.state_dict(), where=str(path), network=type(net).__name__)
    net.load_state_dict(weights)


def describe_network(opt: Mapping[str, Any], label: str) -> dict[str, Any] | None:
    """Return what a checkpoint says about a network of a run, in plain values.

    Args:
        opt: Options of the run.
        label: ``net_g``, ``net_t`` or ``net_d``.

    Returns:
        ``network`` (the section of the options that builds it), ``scale``, ``run`` and ``version``; None where the
        options do not say.
    """
    network = opt.get(label.replace('net_', 'network_'))
    if not isinstance(network, Mapping):
        return None
    return {
        'version': __version__,
        'run': str(opt.get('name', '')),
        'scale': opt.get('scale', 1),
        'network': _to_plain(network),
    }


def description_in(content: Mapping[str, Any], path: str | Path) -> dict[str, Any] | None:
    """Return the description in what ``read_checkpoint`` returned.

    Args:
        content: Content of the checkpoint.
        path: Its file, for the error.

    Returns:
        What ``describe_network`` made; None in a checkpoint of the framework, or of an older version.

    Raises:
        CheckpointError: It is of another form.
    """
    found = content.get(DESCRIPTION)
    is_fit = found is None or (isinstance(found, dict) and isinstance(found.get('network'), dict))
    try:
        json.dumps(found)
    except (TypeError, ValueError, RecursionError):  # tensors, for example: it goes into metadata as JSON
        is_fit = False
    if not is_fit:
        raise CheckpointError(f'{path} holds a description of another form. Name the network in an option file.')
    return found


def _to_plain(value: Any) -> Any:
    """Return options in the types that JSON has."""
    if isinstance(value, Mapping):
        return {str(key): _to_plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_plain(each) for each in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
