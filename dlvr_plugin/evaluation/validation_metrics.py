"""The metrics that an option file names for validation and tests, as the measuring core takes them.

A section of ``val.metrics`` names a function of the framework's registry. Where it is that of a ``MetricSpec``, the
metric is measured as evaluations measure it. Any other function is called with the images that it takes: ``img``,
``img2``, and where it compares a frame with the one before ``previous_img``, ``previous_img2``; with all frames of a
clip where it has the attribute ``takes_clip``.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
from basicsr.utils import get_root_logger
from basicsr.utils.registry import METRIC_REGISTRY

from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.evaluation.measuring import Measurement
from dlvr_plugin.evaluation.protocol import Protocol, format_protocol
from dlvr_plugin.evaluation.validation_options import ValidationOptions
from dlvr_plugin.metrics import METRICS, MetricSpec
from dlvr_plugin.metrics.frames import Frame
from dlvr_plugin.metrics.spec import IMAGE_ARGUMENTS, Direction, How


def find_spec(options: Mapping[str, Any]) -> MetricSpec:
    """Return what the metric of a section is."""
    function = METRIC_REGISTRY.get(options['type'])
    found = next((spec for spec in METRICS.values() if spec.function is function), None)
    return found or _spec_of_function(options['type'], function)


def specify(options: Mapping[str, Any]) -> MetricSpec:
    """Return what the metric of a section is with its options."""
    spec = find_spec(options)
    return spec.under(_settings(spec, _arguments(options))) if spec.needs_less else spec


def direction_of(options: Mapping[str, Any]) -> Direction:
    """Return which values are better: what the section says, else what the metric declares."""
    return options.get('better') or find_spec(options).direction


def measurement_of(name: str, options: Mapping[str, Any]) -> Measurement:
    """Return the metric of a section, ready to be measured.

    Args:
        name: Its key in ``val.metrics``.
        options: The section.

    Raises:
        DataError: Weights are missing, damaged, or cannot be downloaded.
    """
    spec, arguments = find_spec(options), _arguments(options)
    if spec.function is None:
        return Measurement(name, spec, How(arguments))
    settings = _settings(spec, arguments)
    spec = spec.under(settings)
    network = spec.weights.load(**spec.weights.taken_of(_all_options(spec, arguments))) if spec.weights else None
    return Measurement(name, spec, How(settings, network))


def load_metrics(val: Mapping[str, Any] | None) -> dict[str, Measurement]:
    """Return the metrics of a section ``val`` by name; what they need is downloaded, so that it is here later on.

    Raises:
        DataError: As ``measurement_of``.
    """
    sections = (val or {}).get('metrics') or {}
    return {name: measurement_of(name, options) for name, options in sections.items()}


def describe_protocol(options: ValidationOptions, measurements: Iterable[Measurement]) -> str:
    """Return in a line how validation measures."""
    described: dict[str, Any] = Protocol(skip_frames=options.skip_frames, nan=options.nan).describe(())
    for each in measurements:
        settings = each.spec.effective(each.how.settings)
        if each.how.network is not None:
            settings['weights'] = each.how.network.origin
        if settings:
            described[each.name] = '(' + ', '.join(f'{key} {value}' for key, value in settings.items()) + ')'
    return format_protocol(described)


def check_metric(key: str, options: Mapping[str, Any]) -> None:
    """Check a metric of an option file as far as that is possible without images and without a network.

    What will have to be downloaded is logged.

    Args:
        key: What an error calls it.
        options: ``type`` and the options of the metric, with ``better`` where the direction is to be another one.

    Raises:
        InvalidValueError: The metric is unknown, or has no such option. DataError: what it needs is missing: a file of
            weights, ffmpeg.
    """
    if options.get('type') not in METRIC_REGISTRY:
        known = ', '.join(sorted(METRIC_REGISTRY.keys()))
        raise InvalidValueError(f'{key}.type must be one of {known}, got {options.get("type")!r}.')
    if options.get('better', 'higher') not in ('higher', 'lower'):
        raise InvalidValueError(f'{key}.better must be higher or lower, got {options["better"]!r}.')
    arguments = _arguments(options)
    parameters = inspect.signature(METRIC_REGISTRY.get(options['type'])).parameters
    if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        has = [name for name in parameters if name not in IMAGE_ARGUMENTS]
        for name in arguments:
            if name not in has:
                raise InvalidValueError(f'{key}.{name} is no option of {options["type"]}, which has {", ".join(has)}.')
    spec = specify(options)
    if spec.weights is not None and (missing := spec.weights.check(**spec.weights.taken_of(arguments))):
        get_root_logger().info(f'{key}: {missing}')
    if spec.check_tools is not None:
        spec.check_tools()


def check_clip_lengths(lengths: Mapping[str, int], set_name: str, options: Mapping[str, Any]) -> None:
    """Demand that ``val.skip_frames`` leaves enough frames of each clip.

    Args:
        lengths: Number of frames by clip; single images have an empty name.
        set_name: Name of the set.
        options: The section ``val``.

    Raises:
        DataError: A clip is too short.
    """
    skipped = ValidationOptions.from_section(options).skip_frames
    specs = [find_spec(metric) for metric in (options.get('metrics') or {}).values()]
    needed = 2 * skipped + 1 + any(spec.looks_at != 'frame' for spec in specs)
    for clip, length in lengths.items():
        if clip and specs and length < needed:
            raise DataError(
                f'Clip {clip} of {set_name} has {length} frames; val.metrics with val.skip_frames {skipped} need '
                f'{needed}. Lower val.skip_frames, or leave the clip out.'
            )


def _arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in ('type', 'better')}


def _all_options(spec: MetricSpec, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the function of a metric, those that are not given by their defaults."""
    parameters = inspect.signature(spec.function).parameters if spec.function else {}
    options = {key: each.default for key, each in parameters.items() if key not in IMAGE_ARGUMENTS}
    defaults = {key: default for key, default in options.items() if default is not inspect.Parameter.empty}
    return {**defaults, **arguments}


def _settings(spec: MetricSpec, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a metric by the options of its function."""
    given = _all_options(spec, arguments)
    if spec.read_options is not None:
        return spec.read_options(given)
    of_network = spec.weights.arguments if spec.weights else ()
    return {key: value for key, value in given.items() if key in spec.settings or key not in of_network}


def _spec_of_function(name: str, function: Callable[..., Any]) -> MetricSpec:
    """Return the spec of any function of images."""
    parameters = inspect.signature(function).parameters
    takes_clip = getattr(function, 'takes_clip', False)
    return MetricSpec(
        name=name,
        label=name,
        summary='a function of images',
        direction='higher',
        decimals=4,
        aspect='distortion',
        looks_at='clip' if takes_clip else 'previous' if 'previous_img' in parameters else 'frame',
        needs_ground_truth=bool({'img2', 'previous_img2'} & set(parameters)),
        measure=partial(_call_with_clips if takes_clip else _call_with_frames, function),
    )


def _call_with_frames(function: Callable[..., Any], restored: Frame, truth: Frame | None, how: How) -> float:
    images = {'img': restored.image, 'img2': truth.image if truth else None}
    if restored.previous is not None:
        previous_truth = truth.previous if truth else None
        images['previous_img'] = restored.previous.image
        images['previous_img2'] = previous_truth.image if previous_truth else None
    return function(**_taken(function, images), **how.settings)


def _call_with_clips(
    function: Callable[..., Any], restored: Iterable[np.ndarray], truth: Iterable[np.ndarray] | None, how: How
) -> list[float]:
    images = {'img': list(restored), 'img2': None if truth is None else list(truth)}
    return function(**_taken(function, images), **how.settings)


def _taken(function: Callable[..., Any], images: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the images that a function takes; one that takes anything gets the present and its truth."""
    parameters = inspect.signature(function).parameters
    takes_all = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values())
    found = {name: image for name, image in images.items() if name in parameters}
    if takes_all:
        found.update({name: images[name] for name in ('img', 'img2') if images[name] is not None})
    return found
