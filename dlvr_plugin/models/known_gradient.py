"""A loss whose gradient with respect to the output of a network is known already."""

from typing import Any

import torch
from torch import Tensor


class _KnownGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, output: Tensor, loss: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return grad_output * gradient, None, None


def with_gradient(output: Tensor, loss: Tensor, gradient: Tensor) -> Tensor:
    """Return a loss from which ``backward`` goes on through an output with a gradient that was computed before.

    Args:
        output: Output of a network, any shape.
        loss: Scalar without a graph.
        gradient: Of the loss with respect to the output, in its shape.

    >>> weight = torch.ones(2, requires_grad=True)
    >>> with_gradient(3 * weight, torch.tensor(7.0), torch.tensor([1.0, 2.0])).backward()
    >>> weight.grad
    tensor([3., 6.])
    """
    loss_with_graph: Tensor = _KnownGradient.apply(output, loss, gradient)
    return loss_with_graph
