"""Weights and frames that a formula gives, and five numbers of a tensor, to compare a network with another one.

The numbers in the tests were computed from the published layer tables with other code, on the same weights and frames.
"""

import math

import torch
from torch import Tensor, nn


def formula(shape, k, dtype=torch.float64) -> Tensor:
    """Numbers in [0, 1): the fractional part of 43758.5453 * sin(12.9898 * j + 78.233 * k), j counting elements."""
    j = torch.arange(math.prod(shape), dtype=torch.float64)
    numbers = 43758.5453 * torch.sin(12.9898 * j + 78.233 * k)
    return (numbers - numbers.floor()).reshape(shape).to(dtype)


def frames(*shape, seed=1000) -> Tensor:
    return formula(shape, seed, torch.float32)


def formula_weights(net: nn.Module) -> dict[str, Tensor]:
    """Weights of a network by the formula, k counting the sorted names of its parameters from 1."""
    norms = {f'{name}.weight' for name, module in net.named_modules() if isinstance(module, nn.BatchNorm2d)}
    weights = {}
    for k, (name, parameter) in enumerate(sorted(net.named_parameters()), 1):
        numbers = 2 * formula(parameter.shape, k) - 1
        if parameter.dim() > 1:
            numbers *= math.sqrt(parameter.shape[0] / parameter.numel())
        else:
            numbers = 0.1 * numbers + (name in norms)
        weights[name] = numbers.float()
    return weights


def with_formula_weights(net: nn.Module) -> nn.Module:
    """Give a network these weights, and set it to evaluation mode."""
    net.load_state_dict({**net.state_dict(), **formula_weights(net)})
    return net.eval()


def fingerprint(tensor: Tensor) -> list[float]:
    """Mean, standard deviation, and the elements at the beginning, at a third and at the end."""
    flat = tensor.detach().flatten()
    return [float(each) for each in (flat.mean(), flat.std(), flat[0], flat[len(flat) // 3], flat[-1])]


def assert_fingerprint(tensor: Tensor, shape, expected) -> None:
    assert tuple(tensor.shape) == tuple(shape)
    found = torch.tensor(fingerprint(tensor), dtype=torch.float64)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-4)
