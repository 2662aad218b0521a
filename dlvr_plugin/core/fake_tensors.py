"""Fake tensors, which have shapes and no values, and in which options are checked."""

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor


def is_fake(tensor: Tensor) -> bool:
    """Tell whether a tensor is a fake one, of which every call costs the same, whatever its size.

    The compiler's own, which stand for tensors with values, are none.
    """
    return not torch.compiler.is_compiling() and isinstance(tensor, FakeTensor)
