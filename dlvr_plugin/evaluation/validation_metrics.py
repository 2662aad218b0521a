"""The metrics that an option file names for validation and tests."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from basicsr.utils.registry import METRIC_REGISTRY

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.metrics.framework_metrics import LOWER_IS_BETTER


class Metric:
    """A metric of the option file.

    Args:
        name: Its key in ``val.metrics``.
        options: Its section.

    Attributes:
        better: 'higher' or 'lower'.
        takes_clip: Whether it looks at a whole clip at once.
        is_temporal: Whether it compares a frame with the one before.
    """

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        self.name = name
        self.better = options.get('better') or ('lower' if options['type'] in LOWER_IS_BETTER else 'higher')
        self._options = {key: value for key, value in options.items() if key not in ('type', 'better')}
        self._function: Callable[..., Any] = METRIC_REGISTRY.get(options['type'])
        self.takes_clip = getattr(self._function, 'takes_clip', False)
        self._parameters = inspect.signature(self._function).parameters
        self.is_temporal = 'previous_img' in self._parameters

    def __call__(self, **images: Any) -> Any:
        """Return the value of those of the images, by name, that the metric takes.

        Raises:
            DataError: It needs ground truth, which is None.
        """
        takes_all = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in self._parameters.values())
        taken = {name: image for name, image in images.items() if takes_all or name in self._parameters}
        if taken.get('img2', 0) is None:
            raise DataError(f'{self.name} needs ground truth, and the set has none.')
        return self._function(**taken, **self._options)


def check_clip_lengths(lengths: Mapping[str, int], set_name: str, options: Mapping[str, Any]) -> None:
    """Demand that ``val.skip_frames`` leaves enough frames of each clip.

    Args:
        lengths: Number of frames by clip; single images have an empty name.
        set_name: Name of the set.
        options: The section ``val``.

    Raises:
        DataError: A clip is too short.
    """
    skipped = options.get('skip_frames', 0)
    metrics = [Metric(name, metric) for name, metric in (options.get('metrics') or {}).items()]
    needed = 2 * skipped + 1 + any(metric.is_temporal or metric.takes_clip for metric in metrics)
    for clip, length in lengths.items():
        if clip and metrics and length < needed:
            raise DataError(
                f'Clip {clip} of {set_name} has {length} frames; val.metrics with val.skip_frames {skipped} need '
                f'{needed}. Lower val.skip_frames, or leave the clip out.'
            )
