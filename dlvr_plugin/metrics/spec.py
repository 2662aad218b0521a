"""What a metric declares about itself, once; commands, validation, tables and figures follow from it.

A metric is a file of this package: pure functions, a ``MetricSpec``, and ``calculate_NAME`` for option files and for
scripts of the framework. ``dlvr_plugin.metrics`` imports the file by one line.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar, cast

import torch
from basicsr.utils.registry import METRIC_REGISTRY

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.metrics.weights import WeightsSpec

Direction = Literal['higher', 'lower']
LooksAt = Literal['frame', 'previous', 'clip']
Aspect = Literal['distortion', 'perception', 'motion', 'consistency', 'sharpness', 'steadiness']

_Function = TypeVar('_Function', bound=Callable[..., Any])

IMAGE_ARGUMENTS = ('img', 'img2', 'previous_img', 'previous_img2')
"""What a registered function gets from the validation; its other arguments are options."""


class NoValueError(InvalidValueError):
    """A metric has no value of a frame, which is for the protocol to judge as NaN is."""


@dataclass(frozen=True)
class How:
    """How a metric is measured.

    Attributes:
        settings: By the names in ``MetricSpec.settings``.
        network: What ``MetricSpec.weights`` loads, where the metric needs it.
        device: GPU for metrics that may use one; None for the CPU. A network has its own.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    network: Any = None
    device: torch.device | None = None


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """A metric of restored clips.

    Attributes:
        name: Name in commands and files.
        label: Name in tables.
        summary: What it is, in a line.
        direction: Which values are better.
        decimals: Digits that a table shows.
        measure: The value of a frame: takes the restored ``Frame``, that of the ground truth and ``How``. Of a metric
            that looks at a clip: the value of each frame; takes the restored images, the true ones and ``How``.
        unit: Empty where there is none.
        aspect: What it judges; a tradeoff is drawn between distortion and one of the others.
        looks_at: 'frame'; 'previous', that frame and the one before, so that the first one has no value; or 'clip'.
        settings: Names of the settings in ``How``, and of the keys of the protocol that give them.
        version: Raised whenever the numbers change, so that what was measured before is not taken for them.
        packages: Those that the numbers depend on.
        tool_versions: Versions of programs that the numbers depend on, by name.
        needs_ground_truth: Whether it compares with the ground truth.
        needs_input: Whether it compares with the low-quality frames that were restored; ``measure`` then takes the
            ``Frame`` of these instead of that of the ground truth. Only a metric of frames may.
        weights: Those of the network that it needs, None for none. Its function then takes the options of that.
        may_use_device: Whether it can be computed on a GPU.
        check_tools: Raises a DataError where a program that it needs is missing.
        function: The function of the framework's registry that option files name; None for none.
        read_options: Returns settings of the options of ``function``; None where they are the same.
        needs_less: Returns, by the settings, other values of the attributes above where less is needed; None where all
            settings need the same.
    """

    name: str
    label: str
    summary: str
    direction: Direction
    decimals: int
    measure: Callable[..., Any]
    unit: str = ''
    aspect: Aspect
    looks_at: LooksAt = 'frame'
    settings: Mapping[str, str] = field(default_factory=dict)
    version: int = 1
    packages: tuple[str, ...] = ()
    tool_versions: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    needs_ground_truth: bool = True
    needs_input: bool = False
    weights: WeightsSpec | None = None
    may_use_device: bool = False
    check_tools: Callable[[], object] | None = None
    function: Callable[..., Any] | None = None
    read_options: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
    needs_less: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None

    def under(self, settings: Mapping[str, Any]) -> 'MetricSpec':
        """Return the spec of the metric with some settings: what it does not need with these is left out."""
        return replace(self, **self.needs_less(settings)) if self.needs_less else self

    def effective(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of the settings that have an effect: the border counts only where it is cropped."""
        crops_border = settings.get('crop', 'border') == 'border'
        return {name: value for name, value in settings.items() if name != 'crop_border' or crops_border}


def for_framework(function: _Function) -> _Function:
    """Register a function for sections of option files, and return it.

    The framework's own loops hand ``better``, which they read themselves, on to it, and the ground truth, whether it
    compares with that or not; it does not get what it does not take.
    """
    not_taken = set(IMAGE_ARGUMENTS) - set(inspect.signature(function).parameters)

    @functools.wraps(function)
    def measure(*images: Any, better: str | None = None, **options: Any) -> Any:
        return function(*images, **{name: value for name, value in options.items() if name not in not_taken})

    METRIC_REGISTRY.register()(measure)
    return cast(_Function, measure)


METRICS: dict[str, MetricSpec] = {}
"""The metrics by name, in the order in which they were registered."""


def register(spec: MetricSpec) -> MetricSpec:
    """Make a metric known, and return it.

    Raises:
        ValueError: Another one has its name.
    """
    if spec.name in METRICS:
        raise ValueError(f'There are two metrics of the name {spec.name}.')
    METRICS[spec.name] = spec
    return spec


def check_metrics(names: Iterable[str]) -> None:
    """Demand known metrics, each once.

    Raises:
        InvalidValueError: One is unknown or named twice, or there is none.
    """
    names = list(names)
    for name in names:
        if name not in METRICS:
            raise InvalidValueError(f'metrics must be some of {", ".join(METRICS)}, got {name!r}.')
    if not names or len(set(names)) < len(names):
        raise InvalidValueError(f'metrics must name at least one, each once, got {" ".join(names) or "none"}.')


def check_references(specs: Iterable[MetricSpec], *, has_truth: bool, has_input: bool) -> None:
    """Demand metrics that can be measured with what there is to compare with.

    Raises:
        InvalidValueError: One needs the ground truth, or the low-quality input, which is missing.
    """
    for spec in specs:
        if spec.needs_ground_truth and not has_truth:
            known = ', '.join(metrics_without_truth(has_input=has_input))
            raise InvalidValueError(
                f'{spec.name} compares with the ground truth, and there is none. Give it by --gt, or take some of '
                f'{known}.'
            )
        if spec.needs_input and not has_input:
            raise InvalidValueError(
                f'{spec.name} compares with the low-quality frames that were restored. Give them by --input.'
            )


def metrics_without_truth(*, has_input: bool) -> list[str]:
    """Return the names of the metrics that need no ground truth, and no low-quality input where there is none."""
    return [
        name for name, spec in METRICS.items() if not spec.needs_ground_truth and (has_input or not spec.needs_input)
    ]
