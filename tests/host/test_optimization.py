"""The host's step, repaired: the same numbers, and what was missing."""

import pytest
import torch
from basicsr.archs.arch_util import DCNv2Pack
from basicsr.models.base_model import BaseModel
from torch import nn


@pytest.fixture
def model():
    return BaseModel({'num_gpu': 0, 'is_train': True, 'dist': False, 'rank': 0})


@pytest.mark.parametrize('name', ['Adam', 'AdamW'])
def test_optimizers_are_fused_and_equal_the_plain_ones(model, name):
    torch.manual_seed(0)
    start = torch.rand(50)
    results = []
    for build in (
        lambda parameters: model.get_optimizer(name, parameters, 1e-2, betas=(0.9, 0.99), weight_decay=0.1),
        lambda parameters: getattr(torch.optim, name)(parameters, 1e-2, betas=(0.9, 0.99), weight_decay=0.1),
    ):
        parameter = nn.Parameter(start.clone())
        optimizer = build([parameter])
        for step in range(5):
            parameter.grad = torch.linspace(-1, 1, 50) * (step + 1)
            optimizer.step()
        results.append((parameter, optimizer.param_groups[0]['fused']))
    assert [fused for _, fused in results] == [True, None]
    torch.testing.assert_close(results[0][0], results[1][0], rtol=1e-6, atol=1e-7)
    assert model.get_optimizer(name, [parameter], 1e-2, fused=False).param_groups[0]['fused'] is False
    with pytest.raises(ValueError, match="must be one of Adam, AdamW, got 'SGD'"):
        model.get_optimizer('SGD', [parameter], 1e-2)


def test_moving_average_carries_buffers(model):
    model.net_g, model.net_g_ema = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    model.net_g(torch.rand(8, 2) + 5)
    with torch.no_grad():
        model.net_g.weight.fill_(3)
    model.model_ema(0.5)
    assert torch.equal(model.net_g_ema.running_mean, model.net_g.running_mean)
    assert model.net_g_ema.num_batches_tracked == 1
    assert torch.equal(model.net_g_ema.weight, torch.full((2,), 2.0))


def test_losses_are_read_when_they_are_logged(model):
    loss = torch.tensor([1.0, 2.0], requires_grad=True)
    model.log_dict = model.reduce_loss_dict({'l_pix': loss.sum(), 'l_percep': loss * 2})
    assert not any(value.requires_grad for value in model.log_dict.values())
    assert model.get_current_log() == {'l_pix': 3.0, 'l_percep': 3.0}


def test_deformable_convolution_equals_the_host_s():
    torch.manual_seed(0)
    layer = DCNv2Pack(8, 8, 3, padding=1, deformable_groups=2)
    nn.init.normal_(layer.conv_offset.weight, std=0.2)
    x, feat = torch.rand(2, 8, 9, 9), torch.rand(2, 8, 9, 9)
    expected = DCNv2Pack.forward.__wrapped__(layer, x, feat)
    assert torch.equal(layer(x, feat), expected)
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
