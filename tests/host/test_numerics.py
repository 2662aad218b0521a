"""Moving averages and deformable convolutions: the same numbers, and what was missing."""

import pytest
import torch
from basicsr.archs.arch_util import DCNv2Pack
from basicsr.models.base_model import BaseModel
from torch import nn


@pytest.fixture
def model():
    return BaseModel({'num_gpu': 0, 'is_train': True, 'dist': False, 'rank': 0})


def test_moving_average_carries_buffers(model):
    model.net_g, model.net_g_ema = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    model.net_g(torch.rand(8, 2) + 5)
    with torch.no_grad():
        model.net_g.weight.fill_(3)
    model.model_ema(0.5)
    assert torch.equal(model.net_g_ema.running_mean, model.net_g.running_mean)
    assert model.net_g_ema.num_batches_tracked == 1
    assert torch.equal(model.net_g_ema.weight, torch.full((2,), 2.0))


def test_deformable_convolution_equals_the_host_s():
    torch.manual_seed(0)
    layer = DCNv2Pack(8, 8, 3, padding=1, deformable_groups=2)
    nn.init.normal_(layer.conv_offset.weight, std=0.2)
    x, feat = torch.rand(2, 8, 9, 9), torch.rand(2, 8, 9, 9)
    expected = DCNv2Pack.forward.__wrapped__(layer, x, feat)
    torch.testing.assert_close(layer(x, feat), expected, rtol=1e-5, atol=1e-6)
    layer.register_buffer('largest_offset', torch.zeros(()), persistent=False)
    layer(x, feat)
    offset = layer.conv_offset(feat)[:, : 2 * 2 * 9]
    assert layer.largest_offset == pytest.approx(offset.abs().mean().item())
    with torch.autocast('cpu', dtype=torch.bfloat16):
        half = layer(x, feat)
    torch.testing.assert_close(half.float(), expected, rtol=0.1, atol=0.05)


def test_offsets_that_are_not_numbers_do_not_crash():
    layer = DCNv2Pack(8, 8, 3, padding=1, deformable_groups=2)
    layer.register_buffer('largest_offset', torch.zeros(()), persistent=False)
    x = torch.rand(1, 8, 9, 9)
    assert layer(x, torch.full_like(x, torch.nan)).isnan().any()
    assert layer.largest_offset.isnan()
