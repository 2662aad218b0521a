"""Tensors inside tuples, lists and dicts, as networks take and give them."""

from collections.abc import Callable
from typing import Any

from torch import Tensor


def for_each_tensor(value: Any, function: Callable[[Tensor], Any]) -> Any:
    """Apply a function to a tensor, or to all in tuples, named or not, lists and dicts; leave anything else.

    >>> import torch
    >>> for_each_tensor({'frame': (torch.ones(2), None)}, lambda tensor: len(tensor))
    {'frame': (2, None)}
    """
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return {name: for_each_tensor(each, function) for name, each in value.items()}
    if not isinstance(value, (tuple, list)):
        return value
    values = [for_each_tensor(each, function) for each in value]
    return type(value)(*values) if hasattr(value, '_fields') else type(value)(values)
