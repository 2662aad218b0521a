import lpips
import pytest
import torch
import torchvision
from basicsr.losses import build_loss

from dlvr_plugin.core.errors import CheckpointError, InvalidValueError


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(1)
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), tmp_path / 'squeeze.pth')
    return tmp_path / 'squeeze.pth'


def make(file, **changes):
    return build_loss({'type': 'LPIPSLoss', 'net': 'squeeze', 'weights': str(file), **changes})


def frames(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_it_equals_the_package(weights, monkeypatch):
    def build(pretrained=True, **_):
        network = torchvision.models.SqueezeNet('1_1')
        network.load_state_dict(torch.load(weights))
        return network

    loss = make(weights, loss_weight=0.5)
    monkeypatch.setattr(torchvision.models, 'squeezenet1_1', build)  # what the package would download
    reference = lpips.LPIPS(net='squeeze', version='0.1', verbose=False)
    output, gt = frames(2, 3, 48, 40, seed=1).requires_grad_(), frames(2, 3, 48, 40, seed=2)
    found, style = loss(output, gt)
    expected = 0.5 * reference(2 * output - 1, 2 * gt - 1).mean()
    assert style is None
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(value, output)[0] for value in (found, expected)]
    torch.testing.assert_close(*gradients)
    assert gradients[0].abs().max() > 0


def test_frames_of_clips_count_alike(weights):
    loss = make(weights)
    output, gt = frames(2, 3, 3, 40, 40, seed=1), frames(2, 3, 3, 40, 40, seed=2)
    single = [loss(output[:, t], gt[:, t])[0] for t in range(3)]
    torch.testing.assert_close(loss(output, gt)[0], torch.stack(single).mean())


def test_nothing_of_it_is_trained_or_drops_out(weights):
    loss = make(weights).train()
    assert not any(parameter.requires_grad for parameter in loss.parameters())
    output, gt = frames(1, 3, 40, 40, seed=1), frames(1, 3, 40, 40, seed=2)
    assert torch.equal(loss(output, gt)[0], loss(output, gt)[0])


def test_other_weights_are_said_to_be_so(weights, host_log):
    make(weights)
    assert any('LPIPSLoss has weights that are not the published ones' in message for message in host_log)


@pytest.mark.parametrize(
    ('changes', 'error', 'message'),
    [
        ({'net': 'resnet'}, InvalidValueError, 'net must be one of alex, vgg, squeeze'),
        ({'loss_weight': -1}, InvalidValueError, 'loss_weight must be at least 0'),
        ({'random_weights': True}, InvalidValueError, 'not both'),
        ({'weights': 'none.pth'}, CheckpointError, 'none.pth does not exist'),
        ({'net': 'vgg'}, CheckpointError, r'lack features.2.weight of shape \(64, 64, 3, 3\)'),
    ],
)
def test_unusable_options_are_refused(weights, changes, error, message):
    with pytest.raises(error, match=message):
        make(weights, **changes)
