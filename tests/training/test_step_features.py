"""Fused optimizers and losses that are read late give the same numbers."""

import pytest
import torch
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


def test_losses_are_read_when_they_are_logged(model):
    loss = torch.tensor([1.0, 2.0], requires_grad=True)
    model.log_dict = model.reduce_loss_dict({'l_pix': loss.sum(), 'l_percep': loss * 2})
    assert not any(value.requires_grad for value in model.log_dict.values())
    assert model.get_current_log() == {'l_pix': 3.0, 'l_percep': 3.0}
