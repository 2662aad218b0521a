"""Checkpoints that are whole or absent, that name what belongs to them, and that run no code when they are read."""

import functools
import hashlib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import master_only
from safetensors.torch import load_file
from torch import nn

from dlvr_plugin.checks import check_weights
from dlvr_plugin.files import write_whole
from dlvr_plugin.host.adaptation import Adaptation, source_has


def write_checkpoint(path: Path, content: dict[str, Any]) -> str:
    """Write a checkpoint and return its SHA-256.

    Raises:
        OSError: It cannot be written; the file that had this name, and all others, are as they were.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    data = buffer.getvalue()
    try:
        write_whole(path, data)
    except OSError as error:
        raise OSError(
            f'{path} cannot be written: {error.strerror}. The checkpoints before it are intact: mend this, and go on '
            'with --auto_resume.'
        ) from error
    return hashlib.sha256(data).hexdigest()


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint (.pth, .state or .safetensors) to the CPU; nothing in it is executed.

    Raises:
        ValueError: It is missing, cut off, or holds other things than tensors and plain values.
    """
    if not path.is_file():
        raise ValueError(f'{path} is not a file.')
    try:
        if path.suffix == '.safetensors':
            return {'params': load_file(path)}
        if zipfile.is_zipfile(path):  # torch does not look at the checksums
            with zipfile.ZipFile(path) as archive:
                if archive.testzip() is not None:
                    raise zipfile.BadZipFile
        content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise ValueError(
            f'{path} cannot be read as a checkpoint ({type(error).__name__}). It is damaged or cut off, of '
            'another kind, or holds code, which is never run.'
        ) from error
    if not isinstance(content, dict):
        raise ValueError(f'{path} is no checkpoint: it holds a {type(content).__name__}.')
    return content


def states_in(folder: Path) -> list[Path]:
    """Return the training states ``<iter>.state`` in a folder, the highest iteration first."""
    states = [path for path in folder.glob('*.state') if path.stem.isdigit()]
    return sorted(states, key=lambda path: int(path.stem), reverse=True)


def remove_old_checkpoints(opt: dict[str, Any], keep_last: int) -> None:
    """Remove all numbered checkpoints but the newest: first a state, then the networks that it names."""
    for path in states_in(Path(opt['path']['training_states']))[keep_last:]:
        path.unlink()
        for network in Path(opt['path']['models']).glob(f'net_*_{path.stem}.pth'):
            network.unlink()


@master_only
def save_network(
    self: BaseModel,
    net: nn.Module | list[nn.Module],
    net_label: str,
    current_iter: int | str,
    param_key: str | list[str] = 'params',
) -> None:
    """Save networks of one label as the host does, but whole, and remember the hash for the training state."""
    nets = net if isinstance(net, list) else [net]
    keys = param_key if isinstance(param_key, list) else [param_key]
    content = {
        key: {
            name.removeprefix('module.'): value.cpu() for name, value in self.get_bare_model(each).state_dict().items()
        }
        for key, each in zip(keys, nets, strict=True)
    }
    name = f'{net_label}_{"latest" if current_iter == -1 else current_iter}.pth'
    digest = write_checkpoint(Path(self.opt['path']['models']) / name, content)
    self.saved_networks = {**getattr(self, 'saved_networks', {}), name: digest}


@master_only
def save_training_state(self: BaseModel, epoch: int, current_iter: int) -> None:
    """Save what resuming needs, as the host does, and the names and hashes of the networks saved before it."""
    if current_iter == -1:
        return
    networks = getattr(self, 'saved_networks', {})
    state = {
        'epoch': epoch,
        'iter': current_iter,
        'optimizers': [optimizer.state_dict() for optimizer in self.optimizers],
        'schedulers': [scheduler.state_dict() for scheduler in self.schedulers],
        'networks': {name: digest for name, digest in networks.items() if name.endswith(f'_{current_iter}.pth')},
        'best_metric_results': {
            set_name: {metric: {**best, 'val': float(best['val'])} for metric, best in record.items()}
            for set_name, record in getattr(self, 'best_metric_results', {}).items()
        },
        **getattr(self, 'run_state', dict)(),
    }
    write_checkpoint(Path(self.opt['path']['training_states']) / f'{current_iter}.state', state)


def load_network(
    self: BaseModel, net: nn.Module, load_path: str | Path, strict: bool = True, param_key: str | None = 'params'
) -> None:
    """Load a network as the host does, with an error of one screen where it is another one.

    Raises:
        ValueError: The file cannot be read, has no such key, or holds another network.
    """
    net, path = self.get_bare_model(net), Path(load_path)
    content = read_checkpoint(path)
    if param_key is not None:
        if param_key not in content and 'params' in content:
            get_root_logger().info(f'Loading: {param_key} does not exist in {path}, use params.')
            param_key = 'params'
        if param_key not in content:
            raise ValueError(f'{path} has no key {param_key!r}, only {", ".join(map(str, content))[:200]}.')
        content = content[param_key]
    get_root_logger().info(f'Loading {type(net).__name__} model from {path}, with param key: [{param_key}].')
    content = {name.removeprefix('module.'): value for name, value in content.items()}
    if strict:
        check_weights(content, net.state_dict(), where=str(path), network=type(net).__name__)
    else:
        self._print_different_keys_loading(net, content, strict)
    net.load_state_dict(content, strict=strict)


def _repair_saving() -> None:
    for function in (save_network, save_training_state):
        setattr(BaseModel, function.__name__, functools.wraps(getattr(BaseModel, function.__name__))(function))


def _repair_loading() -> None:
    BaseModel.load_network = functools.wraps(BaseModel.load_network)(load_network)


def _repair_best_metrics() -> None:
    host_resume_training = BaseModel.resume_training

    @functools.wraps(host_resume_training)
    def resume_training(self: BaseModel, resume_state: dict[str, Any]) -> None:
        host_resume_training(self, resume_state)
        if resume_state.get('best_metric_results'):
            self.best_metric_results = resume_state['best_metric_results']

    BaseModel.resume_training = resume_training


ADAPTATIONS: Sequence[Adaptation] = (
    Adaptation(
        defect='a stop while saving leaves a part of a file, and a failed write lets training go on without it',
        is_present=lambda: source_has(BaseModel.save_network.__wrapped__, 'torch.save(save_dict, save_path)'),
        repair=_repair_saving,
    ),
    Adaptation(
        defect='an environment variable makes loading run code, and a wrong checkpoint fills the screen',
        is_present=lambda: source_has(BaseModel.load_network, 'torch.load(load_path, map_location'),
        repair=_repair_loading,
    ),
    Adaptation(
        defect='the best metrics are forgotten on resuming',
        is_present=lambda: source_has(BaseModel.resume_training, "resume_schedulers = resume_state['schedulers']"),
        repair=_repair_best_metrics,
    ),
)
