"""The networks of metrics: what a metric declares about their weights, once, and how they are loaded."""

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from basicsr.utils import get_root_logger

from dlvr_plugin.core.choices import WeightedNetwork
from dlvr_plugin.core.published_weights import check_one_source


class MetricNetwork(Protocol):
    """A network that a metric needs.

    Attributes:
        origin: Where its weights come from, for people.
        is_published: Whether they are the published ones.
        is_random: Whether they are random.
        device: Where it computes.
    """

    origin: str
    is_published: bool
    is_random: bool
    device: torch.device


@dataclass(frozen=True, kw_only=True)
class WeightsSpec:
    """Weights that metrics need.

    A registered function of such a metric takes the arguments ``weights`` and ``random_weights``, and those that
    ``settings`` names.

    Attributes:
        name: In ``--NAME-weights``, ``--NAME-random-weights``, and ``NAME_weights`` of the protocol.
        label: Name for people.
        build: Makes the network; takes weights, random_weights, device, and the settings.
        missing: Returns what will have to be downloaded where no file is named, None for nothing; takes the settings.
        settings: Names of settings of the metric that choose the network.
    """

    name: WeightedNetwork
    label: str
    build: Callable[..., MetricNetwork]
    missing: Callable[..., str | None]
    settings: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of what ``load`` and ``check`` take of the options of a metric."""
        return (*self.settings, 'weights', 'random_weights')

    def load(
        self,
        *,
        weights: str | Path | None = None,
        random_weights: bool = False,
        device: str | None = None,
        **settings: Any,
    ) -> Any:
        """Return the network, the same one for the same arguments; warn once where its weights are not published.

        Args:
            weights: File of weights; None for the published ones, from the cache or by download.
            random_weights: Take random weights, seeded; the result is not the metric.
            device: Where to compute; None for the GPU of this process, where it has one.
            **settings: Those that choose the network.

        Raises:
            DataError: The weights cannot be downloaded. CheckpointError: They are missing, damaged, or in the cache
                under the name of the published ones without being these. InvalidValueError: Arguments that contradict
                one another.
        """
        file = str(weights) if weights else None
        return load_network(self, file, random_weights, device, tuple(sorted(settings.items())))

    def check(self, *, weights: str | None = None, random_weights: bool = False, **settings: Any) -> str | None:
        """Check the weights as far as that is possible without a network.

        Args:
            weights: As for ``load``, and so are the others.
            random_weights: See there.
            **settings: See there.

        Returns:
            What will have to be downloaded, None for nothing.

        Raises:
            CheckpointError: Weights that are here cannot be used. InvalidValueError: Arguments that contradict one
                another.
        """
        if not weights and not random_weights and (missing := self.missing(**settings)):
            return missing
        self.load(weights=weights, random_weights=random_weights, **settings)
        return None

    def taken_of(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of the options of a metric that ``load`` and ``check`` take."""
        return {name: options[name] for name in self.arguments if name in options}


@functools.cache
def load_network(
    spec: WeightsSpec, weights: str | None, random_weights: bool, device: str | None, settings: tuple[Any, ...]
) -> MetricNetwork:
    """Return what ``WeightsSpec.load`` does."""
    check_one_source(spec.label, weights, random_weights)
    if device is None:
        # By its number, because validation measures in threads, whose current GPU is the first.
        device = f'cuda:{os.environ.get("LOCAL_RANK", 0)}' if torch.cuda.is_available() else 'cpu'
    network = spec.build(weights=weights, random_weights=random_weights, device=device, **dict(settings))
    if not network.is_published:
        get_root_logger().warning(f'{spec.label} has weights that are not the published ones: {network.origin}.')
    return network
