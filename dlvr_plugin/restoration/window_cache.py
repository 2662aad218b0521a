"""Features of frames that several windows share, computed once."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from basicsr.models.base_model import BaseModel
from torch import Tensor, nn

from dlvr_plugin.archs.spec import NetworkSpec, WindowParts

Features = tuple[Tensor, ...]


class WindowCache:
    """What a network of windows gives, by features that are kept from one window to the next.

    Frames are known by their content, so that windows may come in any order, of any clip; only those that share frames
    with the window before save time. It keeps the features of one window.

    Args:
        net: The network; its weights must not change meanwhile.
        parts: It, in two parts.
        forward: Its forward pass, for batches.
    """

    def __init__(self, net: nn.Module, parts: WindowParts, forward: Callable[[Tensor], Tensor]) -> None:
        self._net, self._parts, self._forward = net, parts, forward
        self._kept: list[tuple[Tensor, Features]] = []

    def __call__(self, window: Tensor) -> Tensor:
        """Return what the network gives, (B, C, H, W), for windows (B, T, C, h, w); those of batches are not kept."""
        if len(window) != 1 or torch.is_grad_enabled():
            return self._forward(window)
        previous, self._kept = self._kept, []
        for frame in window[0].split(1):
            self._kept.append((frame, self._find(frame, previous) or self._parts.extract(self._net, frame)))
        features = tuple(torch.cat(levels) for levels in zip(*(features for _, features in self._kept), strict=True))
        return self._parts.restore(self._net, features, window)

    def _find(self, frame: Tensor, previous: list[tuple[Tensor, Features]]) -> Features | None:
        kept = (*self._kept, *previous)
        return next((features for known, features in kept if torch.equal(known, frame)), None)


@contextmanager
def cached_windows(model: BaseModel, spec: NetworkSpec | None) -> Iterator[None]:
    """Let a model restore windows by a ``WindowCache``, where its network has parts."""
    with ExitStack() as stack:
        if spec is not None and spec.parts is not None:
            for name in ('net_g', 'net_g_ema'):
                if hasattr(model, name):
                    stack.enter_context(_cached(model.get_bare_model(getattr(model, name)), spec.parts))
        yield


@contextmanager
def _cached(net: nn.Module, parts: WindowParts) -> Iterator[None]:
    own = vars(net).get('forward')  # where somebody has wrapped it already
    net.forward = WindowCache(net, parts, net.forward)  # type: ignore[method-assign]
    try:
        yield
    finally:
        del net.forward
        if own is not None:
            net.forward = own  # type: ignore[method-assign]
