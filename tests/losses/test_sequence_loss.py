import math

import torch
import torch.nn.functional as F

from dlvr_plugin.losses import sequence_loss


def test_by_hand():
    # Two patches each: log(1 + e^-x) for real, log(1 + e^x) for fake.
    real, fake = torch.tensor([0.0, math.log(3.0)]), torch.tensor([-math.log(3.0), math.log(3.0)])
    loss = sequence_loss(real, fake)
    torch.testing.assert_close(loss.real, torch.tensor((math.log(2) + math.log(4 / 3)) / 2))
    torch.testing.assert_close(loss.fake, torch.tensor((math.log(4 / 3) + math.log(4)) / 2))
    assert (float(loss.acc_real), float(loss.acc_fake)) == (0.5, 0.5)  # a logit of 0 is no decision


def test_equals_binary_cross_entropy_with_gradients():
    real, fake = (3 * torch.randn(4, 1, 3, 5, 5, dtype=torch.float64) for _ in range(2))
    real.requires_grad_(), fake.requires_grad_()
    loss = sequence_loss(real, fake)
    expected_real = F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
    expected_fake = F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    torch.testing.assert_close(loss.real, expected_real)
    torch.testing.assert_close(loss.fake, expected_fake)
    grads = torch.autograd.grad(loss.total, (real, fake))
    expected = torch.autograd.grad(expected_real + expected_fake, (real, fake))
    torch.testing.assert_close(grads, expected)
    assert float(loss.acc_real) == float((real > 0).double().mean())
