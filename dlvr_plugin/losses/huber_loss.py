"""Huber loss, elementwise and reduced: the distance of every term of the method."""

from typing import Annotated, Any, Literal

import torch.nn.functional as F
from basicsr.losses.loss_util import weight_reduce_loss
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn

from dlvr_plugin.core.declarations import NOT_NEGATIVE, Range, check_arguments

Reduction = Literal['none', 'mean', 'sum']
Weight = Annotated[float, NOT_NEGATIVE]
Delta = Annotated[float, Range(above=0)]


def huber(pred: Tensor, target: Tensor, delta: float = 0.01) -> Tensor:
    """Return the Huber distance, elementwise.

    0.5 d^2 where |d| <= delta, else delta |d| - 0.5 delta^2, with d = pred - target.

    Args:
        pred: Any shape.
        target: The same shape.
        delta: Where the square turns into a line, above 0.

    Returns:
        Distances of the shape of ``pred``, at least 0.

    Source: Equation 3 of the paper.
    """
    return F.huber_loss(pred, target, reduction='none', delta=delta)


def huber_loss(
    pred: Tensor, target: Tensor, weight: Tensor | None = None, *, delta: float = 0.01, reduction: Reduction = 'mean'
) -> Tensor:
    """Return the reduced Huber distance.

    Args:
        pred: Any shape.
        target: The same shape.
        weight: Elementwise weights of the same rank, with 1 or all channels; None for 1 everywhere.
        delta: Where the square turns into a line, above 0.
        reduction: 'none' keeps the shape; 'mean' and 'sum' give a scalar. With weights, 'mean' is over them.

    Returns:
        The loss, at least 0.

    Source: Equation 5 of the paper.
    """
    if weight is None:
        return F.huber_loss(pred, target, reduction=reduction, delta=delta)
    return weight_reduce_loss(huber(pred, target, delta), weight, reduction)


@LOSS_REGISTRY.register()
class HuberLoss(nn.Module):
    """Huber loss for ``pixel_opt`` of any model.

    Args:
        loss_weight: Factor of the loss.
        delta: Where the square turns into a line.
        reduction: 'none', 'mean' or 'sum'.

    Raises:
        InvalidValueError: A value out of range. InvalidTypeError: not a number.

    Source: Equations 3 and 5 of the paper.
    """

    def __init__(self, *, loss_weight: Weight = 1.0, delta: Delta = 0.01, reduction: Reduction = 'mean') -> None:
        super().__init__()
        check_arguments(HuberLoss, {'loss_weight': loss_weight, 'delta': delta, 'reduction': reduction})
        self.loss_weight, self.delta, self.reduction = loss_weight, delta, reduction

    def forward(self, pred: Tensor, target: Tensor, weight: Tensor | None = None, **kwargs: Any) -> Tensor:
        """Return the weighted loss of frames (B, C, H, W) or clips (B, T, C, H, W)."""
        return self.loss_weight * huber_loss(pred, target, weight, delta=self.delta, reduction=self.reduction)
