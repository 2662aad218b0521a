"""A checkpoint alone makes a generator, as it was trained; what it does not say is asked for."""

import pytest
import torch
from basicsr.archs import build_network
from basicsr.models import build_model

from dlvr_plugin import train as train_command
from dlvr_plugin.archs import LossNetT
from dlvr_plugin.cli.main import main
from dlvr_plugin.core.checkpoints import DESCRIPTION, describe_network, read_checkpoint, write_checkpoint
from dlvr_plugin.core.errors import CheckpointError
from dlvr_plugin.restoration.load_model import load_generator
from tests.archs.test_spec import EDVR
from tests.helpers import tiny_options, write_options
from tests.models.conftest import model_options

COMPACT = {'type': 'SRVGGNetCompact', 'num_feat': 4, 'num_conv': 1, 'upscale': 2}


def write(path, network, keys=('params',), **changes):
    nets = {key: build_network(network) for key in keys}
    description = describe_network({'name': 'run', 'scale': 2, 'network_g': network}, 'net_g')
    content = {key: net.state_dict() for key, net in nets.items()}
    write_checkpoint(path, {**content, 'description': description, **changes})
    return nets


def assert_equal(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_described_checkpoint_needs_nothing_else(tmp_path):
    path = tmp_path / 'net_g_1.pth'
    nets = write(path, EDVR)
    net, spec, description = load_generator(path)
    assert_equal(net.state_dict(), nets['params'].state_dict())
    assert not net.training
    assert (spec.takes, spec.num_frame, spec.scale) == ('window', 3, 4)
    assert (description['run'], description['scale'], description['network']) == ('run', 2, EDVR)


def test_averaged_weights_first_and_exports(tmp_path):
    path = tmp_path / 'net_g_1.pth'
    nets = write(path, COMPACT, ('params', 'params_ema'))
    assert_equal(load_generator(path).net.state_dict(), nets['params_ema'].state_dict())
    assert main(['export', str(path)]) == 0
    exported = load_generator(path.with_suffix('.safetensors'))
    assert_equal(exported.net.state_dict(), nets['params_ema'].state_dict())
    assert exported.spec.scale == 2


def test_checkpoints_that_do_not_say_what_they_hold(tmp_path):
    path = tmp_path / 'old.pth'
    net = build_network(COMPACT)
    torch.save({'params': net.state_dict()}, path)
    with pytest.raises(CheckpointError, match='old.pth does not say which network it holds.*network_g of the option'):
        load_generator(path)
    loaded = load_generator(path, network=COMPACT)
    assert_equal(loaded.net.state_dict(), net.state_dict())
    assert loaded.description == {'network': COMPACT}


def test_files_that_parts_were_loaded_from_are_not_needed(tmp_path):
    network = {'type': 'BasicVSR', 'num_feat': 4, 'num_block': 1}
    path = tmp_path / 'net_g_1.pth'
    nets = {'params': build_network(network).state_dict()}
    description = {'network': {**network, 'spynet_path': 'gone/spynet.pth'}}
    write_checkpoint(path, {**nets, 'description': description})
    assert_equal(load_generator(path).net.state_dict(), nets['params'])


@pytest.mark.parametrize(
    ('description', 'message'),
    [
        (
            {'network': {'type': 'EDVRR'}},
            'x.pth holds a network of type EDVRR, .* Did you mean EDVR.* Import',
        ),
        ({'network': {**COMPACT, 'num_feats': 3}}, "of type SRVGGNetCompact with other arguments .*'num_feats'"),
        ({'network': {**COMPACT, 'num_feat': 6}}, 'x.pth holds another network than SRVGGNetCompact'),
        ({'network': EDVR}, 'x.pth holds another network than EDVR'),
        ({'network': {'type': 'LossNetT'}}, r'holds the loss network T \(LossNetT\), which restores nothing'),
        ({'network': 'EDVR'}, 'x.pth holds a description of another form'),
    ],
)
def test_checkpoints_that_hold_something_else(tmp_path, description, message):
    write(tmp_path / 'x.pth', COMPACT, description=description)
    with pytest.raises(CheckpointError, match=message):
        load_generator(tmp_path / 'x.pth')


def test_exports_of_either_network_are_loaded_by_option_files(tmp_path):
    opt = model_options()
    opt['path'] = {'models': str(tmp_path), 'training_states': str(tmp_path)}
    trained = build_model(opt)
    trained.save(0, 1)
    for name in ('net_g_1', 'net_t_1'):
        assert (
            read_checkpoint(tmp_path / f'{name}.pth')[DESCRIPTION]['network'] == opt[name[:5].replace('net', 'network')]
        )
        assert main(['export', str(tmp_path / f'{name}.pth')]) == 0
        exported = read_checkpoint(tmp_path / f'{name}.safetensors')[DESCRIPTION]
        assert exported == read_checkpoint(tmp_path / f'{name}.pth')[DESCRIPTION]
    torch.manual_seed(7)
    paths = {f'pretrain_network_{name}': str(tmp_path / f'net_{name}_1.safetensors') for name in ('g', 't')}
    for keys in ({}, {'param_key_g': None, 'param_key_t': None}):
        opt['path'] = {**paths, **keys}
        other = build_model(opt)
        assert_equal(other.net_g.state_dict(), trained.net_g.state_dict())
        assert_equal(other.net_t.state_dict(), trained.net_t.state_dict())


@pytest.mark.slow
def test_after_a_training_run(clip_root, tmp_path, monkeypatch):
    monkeypatch.setenv('DLVR_ROOT', str(tmp_path))
    opt = tiny_options(clip_root)
    opt['train']['ema_decay'] = 0.9
    assert train_command.main(['-opt', str(write_options(opt, tmp_path / 'x.yml'))]) == 0
    models = tmp_path / 'experiments/tiny/models'
    assert read_checkpoint(models / 'net_t_latest.pth')[DESCRIPTION]['network'] == {
        'type': 'LossNetT',
        **opt['network_t'],
    }
    net, spec, description = load_generator(models / 'net_g_latest.pth')
    saved = torch.load(models / 'net_g_latest.pth', weights_only=True)
    assert_equal(net.state_dict(), saved['params_ema'])
    assert (spec.arch, spec.num_frame, description['run']) == ('EDVR', 3, 'tiny')
    for name in ('g', 't'):
        assert main(['export', str(models / f'net_{name}_latest.pth')]) == 0
        opt['path'][f'pretrain_network_{name}'] = str(models / f'net_{name}_latest.safetensors')
    opt['path']['param_key_g'] = None
    opt['name'] = 'again'
    assert train_command.main(['-opt', str(write_options(opt, tmp_path / 'y.yml'))]) == 0
    section = {key: value for key, value in opt['network_t'].items() if key != 'type'}
    torch.save({'params': LossNetT(**section).state_dict()}, tmp_path / 'old.pth')  # as older versions wrote it
    opt['path']['pretrain_network_t'] = str(tmp_path / 'old.pth')
    opt['name'] = 'old'
    assert train_command.main(['-opt', str(write_options(opt, tmp_path / 'z.yml'))]) == 0
