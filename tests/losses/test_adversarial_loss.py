"""Adversarial losses against the framework's classes, and by hand."""

import math

import pytest
import torch
from basicsr.losses.gan_loss import GANLoss

from dlvr_plugin.losses import discriminator_lead, discriminator_loss, generator_loss, sequence_loss


def logits(seed, *shape):
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def real():
    return logits(0, 2, 1, 3, 4, 4).requires_grad_()


@pytest.fixture
def fake():
    return logits(1, 4, 1, 3, 2, 2).requires_grad_()


@pytest.mark.parametrize('gan_type', ['vanilla', 'lsgan'])
def test_they_are_those_of_the_framework(gan_type, real, fake):
    of_framework = GANLoss(gan_type)
    loss = discriminator_loss(real, fake, gan_type)
    torch.testing.assert_close(loss.real, of_framework(real, True, is_disc=True))
    torch.testing.assert_close(loss.fake, of_framework(fake, False, is_disc=True))
    torch.testing.assert_close(generator_loss(real, fake, gan_type), of_framework(fake, True))


def test_the_relativistic_ones_have_the_values_of_esrgan(real, fake):
    """As the framework's ``ESRGANModel`` computes them; the gradient of D goes through the means, too."""
    of_framework = GANLoss('vanilla')
    loss = discriminator_loss(real, fake, 'relativistic')
    torch.testing.assert_close(loss.real, of_framework(real - fake.mean(), True, is_disc=True) * 0.5)
    torch.testing.assert_close(loss.fake, of_framework(fake - real.mean(), False, is_disc=True) * 0.5)
    expected = (of_framework(real - fake.mean(), False) + of_framework(fake - real.mean(), True)) / 2
    torch.testing.assert_close(generator_loss(real, fake, 'relativistic'), expected)
    shifted = discriminator_loss(real + 3, fake + 3, 'relativistic')  # what is common to both says nothing
    torch.testing.assert_close(shifted.total, loss.total)
    loss.total.backward()
    assert float(real.grad.sum() + fake.grad.sum()) == pytest.approx(0, abs=1e-12)
    assert float(real.grad.sum()) < -1e-3


@pytest.mark.parametrize('gan_type', ['vanilla', 'lsgan', 'relativistic'])
def test_the_generator_does_not_change_what_is_real(gan_type, real, fake):
    generator_loss(real, fake, gan_type).backward()
    assert real.grad is None
    assert fake.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ('gan_type', 'acc_real', 'acc_fake'),
    [('vanilla', 2 / 4, 1 / 4), ('lsgan', 1 / 4, 3 / 4), ('relativistic', 1 / 4, 3 / 4)],
)
def test_accuracies_by_hand(gan_type, acc_real, acc_fake):
    """Real is: above 0; nearer to 1 than to 0; above the mean of the fake, 0.3. That of the real is 0.25."""
    real, fake = torch.tensor([-1.0, 0.2, 2.2, -0.4]), torch.tensor([-1.0, 0.1, 0.2, 1.9])
    loss = discriminator_loss(real, fake, gan_type)
    assert (float(loss.acc_real), float(loss.acc_fake)) == (acc_real, acc_fake)


def test_lead_by_hand(real, fake):
    assert float(discriminator_lead(real, real, 'vanilla')) == 0
    one, other = torch.tensor([2.0, 0.0]), torch.tensor([-1.0])
    expected = (-math.log1p(math.exp(-2)) - math.log(2)) / 2 + math.log1p(math.exp(1))
    assert float(discriminator_lead(one, other, 'vanilla')) == pytest.approx(expected)
    relative = -math.log1p(math.exp(-3)) / 2 - math.log1p(math.exp(-1)) / 2 + math.log1p(math.exp(2))
    assert float(discriminator_lead(one, other, 'relativistic')) == pytest.approx(relative)
    assert float(discriminator_lead(one + 5, other + 5, 'relativistic')) == pytest.approx(relative)
    assert not discriminator_lead(real, fake, 'vanilla').requires_grad
    loss = sequence_loss(real, fake)
    torch.testing.assert_close(
        discriminator_lead(real, fake, 'vanilla'), generator_loss(real, fake, 'vanilla') - loss.real
    )
    with pytest.raises(ValueError, match='which lsgan does not have'):
        discriminator_lead(real, fake, 'lsgan')
