import numpy as np
import pytest
import torch
from scipy import stats

from dlvr_plugin.data.realistic.noise import add_gaussian_noise, add_poisson_noise, draw_poisson, generator_of


def gaussian(is_grey: bool, size: int = 256) -> torch.Tensor:
    frame = torch.full((3, size, size), 0.5)
    return add_gaussian_noise(frame, sigma=12, is_grey=is_grey, generator=generator_of(5, 0)) - 0.5


@pytest.mark.parametrize('is_grey', [False, True])
def test_gaussian_noise_has_its_width_and_no_mean(is_grey):
    noise = gaussian(is_grey) * 255
    assert noise.std().item() == pytest.approx(12, rel=0.02)
    assert noise.mean().item() == pytest.approx(0, abs=0.15)
    assert stats.kstest(noise[0].flatten() / 12, 'norm').pvalue > 0.001


def test_noise_is_white():
    power = torch.fft.fft2(gaussian(False)[0]).abs().square() / 256**2 / (12 / 255) ** 2
    bands = power.view(8, 32, 8, 32).mean((1, 3))  # of 1024 frequencies each, spread 1/32
    assert bands.min() > 0.85
    assert bands.max() < 1.15


def test_grey_noise_is_the_same_in_all_channels_and_colour_noise_is_not():
    grey, colour = gaussian(True), gaussian(False)
    assert torch.equal(grey[0], grey[1])
    assert torch.equal(grey[0], grey[2])
    assert abs(np.corrcoef(colour.flatten(1))[0, 1]) < 0.02
    ramp = torch.linspace(0.2, 0.8, 64).expand(3, 64, 64)
    poisson = add_poisson_noise(ramp, scale=1, is_grey=True, generator=generator_of(5, 0)) - ramp
    torch.testing.assert_close(poisson[0], poisson[1])


@pytest.mark.parametrize('scale', [0.5, 2.0])
def test_variance_of_poisson_noise_is_proportional_to_the_signal(scale):
    signal = torch.tensor([0.02, 0.1, 0.4, 0.8]).view(1, 4, 1).expand(3, 4, 60000)
    noise = add_poisson_noise(signal, scale=scale, is_grey=False, generator=generator_of(1, 2)) - signal
    expected = scale**2 * signal[:, :, 0] / 256
    np.testing.assert_allclose(noise.var(2), expected, rtol=0.03)
    np.testing.assert_allclose(noise.mean(2), torch.zeros(3, 4), atol=4 * scale * (0.8 / 256 / 60000) ** 0.5)


def test_grey_poisson_noise_follows_the_luma():
    red = torch.zeros(3, 300, 300)
    red[0] = 0.9
    noise = add_poisson_noise(red, scale=1, is_grey=True, generator=generator_of(1, 2)) - red
    assert noise[1].var().item() == pytest.approx(0.299 * 0.9 / 256, rel=0.03)


@pytest.mark.parametrize('mean', [0.0, 0.3, 4.0, 15.9, 16.0, 40.0, 256.0])
def test_counts_have_poisson_distributions(mean):
    counts = draw_poisson(torch.full((100_000,), mean), generator_of(3, 1)).numpy()
    if not mean:
        assert not counts.any()
        return
    assert (counts >= 0).all()
    assert (counts == counts.round()).all()
    edges = np.unique(stats.poisson.ppf(np.linspace(0.02, 0.98, 25), mean))  # bins of enough counts
    seen = np.bincount(np.searchsorted(edges, counts), minlength=len(edges) + 1)
    expected = np.diff(stats.poisson.cdf(edges, mean), prepend=0, append=1) * len(counts)
    assert np.abs(seen - expected).max() < 0.005 * len(counts)
    assert counts.var() == pytest.approx(mean, rel=0.02)
    assert stats.skew(counts) == pytest.approx(mean**-0.5, abs=0.03)


def test_signals_beyond_the_range_are_no_trouble():
    frame = torch.tensor([-0.2, 1.3]).view(1, 1, 2).expand(3, 16, 2)
    noisy = add_poisson_noise(frame, scale=1, is_grey=False, generator=generator_of(0, 0))
    assert noisy.isfinite().all()
    assert torch.equal(noisy[..., 0], frame[..., 0])  # no photons, no noise


def test_generators_depend_on_seed_and_index_alone():
    draws = {(seed, index): torch.rand(4, generator=generator_of(seed, index)) for seed in (1, 11) for index in (1, 11)}
    assert len({tuple(each.tolist()) for each in draws.values()}) == 4
    assert torch.equal(draws[11, 1], torch.rand(4, generator=generator_of(11, 1)))
