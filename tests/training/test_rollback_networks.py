"""A run that goes back loads the networks of its own checkpoint, those too that it began without."""

import math

import torch

from dlvr_plugin import train as train_command
from dlvr_plugin.core.checkpoints import read_weights
from dlvr_plugin.models import DiscriminativeSpaceModel
from dlvr_plugin.training.updates import GuardedUpdates
from tests.helpers import tiny_options, write_options


def test_networks_that_resuming_ignored_come_from_the_checkpoint(clip_root, tmp_path, monkeypatch):
    root = tmp_path / 'root'
    monkeypatch.setenv('DLVR_ROOT', str(root))
    opt = tiny_options(clip_root, total_iter=2)
    opt['logger']['save_checkpoint_freq'] = 2
    path = write_options(opt, tmp_path / 'tiny.yml')
    assert train_command.main(['-opt', str(path)]) == 0
    folder = root / 'experiments/tiny'

    # It goes on with another T, diverges once after its first checkpoint, and goes back to that.
    first_t = tmp_path / 'first_t.pth'
    weights = read_weights(folder / 'models/net_t_2.pth')
    torch.save({'params': {name: value + 1 for name, value in weights.items()}}, first_t)
    opt['train'].update(total_iter=6, divergence={'policy': 'rollback'})
    opt['path'].update(pretrain_network_t=str(first_t), ignore_resume_networks=['network_t'])
    write_options(opt, path)
    started, prepare, build = [], GuardedUpdates._prepare, DiscriminativeSpaceModel._build_net_t

    def remember(self):
        build(self)
        started.append({name: value.clone() for name, value in self.net_t.state_dict().items()})

    def spoil(self, parameters, letter, *others):
        steps = self.model.optimizer_t.state_dict()['state'].get(0, {}).get('step', 0)
        if letter == 't' and len(started) == 1 and steps == 4:
            parameters[0].grad.fill_(math.nan)
        prepare(self, parameters, letter, *others)

    monkeypatch.setattr(DiscriminativeSpaceModel, '_build_net_t', remember)
    monkeypatch.setattr(GuardedUpdates, '_prepare', spoil)
    assert train_command.main(['-opt', str(path), '--auto_resume']) == 0
    for network, expected in zip(started, (first_t, folder / 'models/net_t_4.pth'), strict=True):
        for name, value in read_weights(expected).items():
            assert torch.equal(network[name], value), name
