"""``dlvr convert``: what it writes restores, says what it is, and replaces nothing unasked."""

import pytest
import torch
import yaml

from dlvr_plugin.archs import FRNet
from dlvr_plugin.cli.main import main
from dlvr_plugin.restoration.load_model import load_generator
from tests.helpers import Payload


@pytest.fixture
def published(tmp_path):
    net = FRNet(num_feat=4, num_block=1).eval()
    torch.save(net.state_dict(), tmp_path / 'TecoGAN.pth')
    return tmp_path / 'TecoGAN.pth', net


@torch.no_grad()
def test_a_converted_network_restores(published, tmp_path, capsys):
    path, net = published
    assert main(['convert', 'TecoGAN-PyTorch', str(path), str(tmp_path / 'frnet.pth')]) == 0
    said = capsys.readouterr().out
    assert f'{tmp_path / "frnet.pth"}: 42 tensors, ' in said
    network = {'type': 'FRNet', 'num_feat': 4, 'num_block': 1, 'upscale': 4, 'degradation': 'BD'}
    assert yaml.safe_load(said.partition('\n\n')[2]) == {'network_g': network}
    loaded = load_generator(tmp_path / 'frnet.pth')
    assert loaded.description['network'] == network
    assert (loaded.description['scale'], loaded.description['run']) == (4, 'TecoGAN-PyTorch')
    clip = torch.rand(1, 3, 3, 9, 10)
    assert torch.equal(loaded.net(clip), net(clip))
    assert main(['export', str(tmp_path / 'frnet.pth')]) == 0
    assert torch.equal(load_generator(tmp_path / 'frnet.safetensors').net(clip), net(clip))


def test_nothing_is_replaced_unasked(published, tmp_path, host_log):
    path, _ = published
    target = tmp_path / 'frnet.pth'
    target.write_bytes(b'kept')
    assert main(['convert', 'TecoGAN-PyTorch', str(path), str(target)]) == 1
    assert 'exists already' in host_log[-1]
    assert '--force' in host_log[-1]
    assert main(['convert', 'STFAN', str(path), str(target), '--force']) == 1
    assert 'deblurnet_state_dict' in host_log[-1]
    assert target.read_bytes() == b'kept'
    assert main(['convert', 'TecoGAN-PyTorch', str(path), str(target), '--force']) == 0
    assert load_generator(target)


def test_bad_input(published, tmp_path, host_log):
    path, _ = published
    for words, message in (
        ([str(path), str(tmp_path / 'x.safetensors')], 'must end in .pth'),
        ([str(tmp_path / 'missing.pth'), str(tmp_path / 'x.pth')], 'missing.pth does not exist'),
        ([str(path), str(path / 'x.pth')], 'TecoGAN.pth cannot be a folder'),
    ):
        assert main(['convert', 'TecoGAN-PyTorch', *words]) == 1
        assert message in host_log[-1]
    assert [each.name for each in tmp_path.iterdir()] == ['TecoGAN.pth']
    with pytest.raises(SystemExit):
        main(['convert', 'TecoGAN', str(path), str(tmp_path / 'x.pth')])


def test_nothing_in_a_file_is_executed(tmp_path, host_log):
    torch.save({'a': Payload(tmp_path / 'ran')}, tmp_path / 'weights.pth')
    assert main(['convert', 'TecoGAN-PyTorch', str(tmp_path / 'weights.pth'), str(tmp_path / 'x.pth')]) == 1
    assert 'holds code, which is never run' in host_log[-1]
    assert [each.name for each in tmp_path.iterdir()] == ['weights.pth']


def test_the_folder_of_the_target_is_made_for_what_can_be_converted(tmp_path):
    path, target = tmp_path / 'weights.pth', tmp_path / 'experiments' / 'FRNet' / 'frnet.pth'
    path.write_bytes(b'no checkpoint')
    assert main(['convert', 'TecoGAN-PyTorch', str(path), str(target)]) == 1
    assert not target.parent.parent.exists()
    torch.save(FRNet().state_dict(), path)
    assert main(['convert', 'TecoGAN-PyTorch', str(path), str(target)]) == 0
    assert target.is_file()
