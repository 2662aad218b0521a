"""Checkpoints of BasicSR: written atomically, with what they hold; read without running anything."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import master_only
from torch import nn

from dlvr_plugin.core.checkpoints import DESCRIPTION, check_weights, describe_network, read_weights, write_checkpoint
from dlvr_plugin.host.repair import Repair


@master_only
def save_network(
    self: BaseModel,
    net: nn.Module | list[nn.Module],
    net_label: str,
    current_iter: int | str,
    param_key: str | list[str] = 'params',
) -> None:
    """Save networks of one label as the host does, atomically, with their description.

    ``saved_networks`` of the model keeps the hash of the file by its name, for the training state.
    """
    nets = net if isinstance(net, list) else [net]
    keys = param_key if isinstance(param_key, list) else [param_key]
    content: dict[str, Any] = {
        key: {
            name.removeprefix('module.'): value.cpu() for name, value in self.get_bare_model(each).state_dict().items()
        }
        for key, each in zip(keys, nets, strict=True)
    }
    if description := describe_network(self.opt, net_label):
        content[DESCRIPTION] = description
    name = f'{net_label}_{"latest" if current_iter == -1 else current_iter}.pth'
    digest = write_checkpoint(Path(self.opt['path']['models']) / name, content)
    self.saved_networks = {**getattr(self, 'saved_networks', {}), name: digest}


@master_only
def save_training_state(self: BaseModel, epoch: int, current_iter: int) -> None:
    """Save what resuming needs, as the host does, and the names and hashes of the networks saved before it.

    What ``run_state`` of the model returns, where a training loop has set it, is saved with it.
    """
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
        CheckpointError: The file cannot be read, has no such key, or holds another network.
    """
    net = self.get_bare_model(net)
    weights = read_weights(load_path, param_key)
    get_root_logger().info(f'Loading {type(net).__name__} model from {load_path}, with param key: [{param_key}].')
    if strict:
        check_weights(weights, net.state_dict(), where=str(load_path), network=type(net).__name__)
    else:
        self._print_different_keys_loading(net, weights, strict)
    net.load_state_dict(weights, strict=strict)


def _remember_best_metrics(host_resume_training: Callable[..., Any]) -> Callable[..., Any]:
    def resume_training(self: BaseModel, resume_state: dict[str, Any]) -> None:
        host_resume_training(self, resume_state)
        if resume_state.get('best_metric_results'):
            self.best_metric_results = resume_state['best_metric_results']

    return resume_training


REPAIRS = (
    *(
        Repair(
            defect='a stop while saving leaves a part of a file, and a failed write lets training go on without it',
            owner=BaseModel,
            name=name,
            source=source,
            build=build,
        )
        for name, source, build in (
            ('save_network', 'bce5aca626e377e4', lambda host_save_network: save_network),
            ('save_training_state', '58fc551a477f37b6', lambda host_save_training_state: save_training_state),
        )
    ),
    Repair(
        defect='an environment variable makes loading run code, and a wrong checkpoint fills the screen',
        owner=BaseModel,
        name='load_network',
        source='719e2df3d186ebc0',
        build=lambda host_load_network: load_network,
    ),
    Repair(
        defect='the best metrics are forgotten on resuming',
        owner=BaseModel,
        name='resume_training',
        source='bfbdea3b99ef63d7',
        build=_remember_best_metrics,
    ),
)
