import pytest
import torch
import torch.nn.functional as F

from dlvr_plugin.losses import HuberLoss, huber, huber_loss


def by_definition(pred, target, delta):
    """Equation 3 of the paper, written out."""
    d = (pred - target).abs()
    return torch.where(d <= delta, 0.5 * d**2, delta * d - 0.5 * delta**2)


def test_by_hand():
    pred, target = torch.tensor([0.0, 0.005, 0.01, 0.03, -1.0]), torch.zeros(5)
    expected = torch.tensor([0.0, 1.25e-5, 5e-5, 0.01 * 0.03 - 5e-5, 0.01 - 5e-5])
    torch.testing.assert_close(huber(pred, target, 0.01), expected, atol=1e-9, rtol=1e-6)
    torch.testing.assert_close(huber_loss(pred, target, reduction='sum'), expected.sum())


@pytest.mark.parametrize('delta', [0.01, 0.5, 2.0])
@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_equals_the_definition_and_torch(delta, reduction):
    pred, target = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    reduce = {'none': lambda x: x, 'mean': torch.mean, 'sum': torch.sum}[reduction]
    loss = huber_loss(pred, target, delta=delta, reduction=reduction)
    torch.testing.assert_close(loss, reduce(by_definition(pred, target, delta)))
    torch.testing.assert_close(loss, F.huber_loss(pred, target, delta=delta, reduction=reduction))


def test_gradcheck():
    pred = torch.randn(3, 4, dtype=torch.float64).mul_(0.05).requires_grad_()
    target = torch.zeros(3, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: huber(x, target, 0.01), pred)


def test_registered_loss():
    from basicsr.losses import build_loss

    loss = build_loss({'type': 'HuberLoss', 'loss_weight': 3.0, 'delta': 0.02, 'reduction': 'sum'})
    assert isinstance(loss, HuberLoss)
    pred, target = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(loss(pred, target), 3 * by_definition(pred, target, 0.02).sum())


def test_weights_count_as_in_the_hosts_losses():
    pred, target = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    weight = torch.zeros(2, 1, 4, 4)
    weight[..., :2, :] = 1.0
    kept = by_definition(pred, target, 0.01)[..., :2, :]
    torch.testing.assert_close(HuberLoss()(pred, target, weight), kept.mean())


@pytest.mark.parametrize(
    ('options', 'error', 'message'),
    [
        ({'delta': 0}, ValueError, 'delta must be above 0'),
        ({'delta': '1e-2'}, TypeError, 'write 1.0e-4'),
        ({'loss_weight': -1}, ValueError, 'loss_weight must be at least 0'),
        ({'reduction': 'max'}, ValueError, 'none, mean, sum'),
        ({'detla': 0.1}, TypeError, 'detla'),
    ],
)
def test_unusable_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        HuberLoss(**options)
