"""The degradation that an option describes, of either kind."""

from collections.abc import Mapping
from typing import Any

from dlvr_plugin.core.errors import InvalidTypeError
from dlvr_plugin.data.degradations import Degradation
from dlvr_plugin.data.realistic import RealisticDegradation

AnyDegradation = Degradation | RealisticDegradation


def read_degradation(options: str | Mapping[str, Any], *, scale: int, name: str = 'degradation') -> AnyDegradation:
    """Read an option: the type alone, or a section with ``type`` and what belongs to it.

    Args:
        options: 'realistic', a section of ``RealisticOptions``, or what ``Degradation.from_options`` takes.
        scale: Factor between the sizes.
        name: What errors call it.

    Raises:
        InvalidValueError: An unknown key, or a value out of range. InvalidTypeError: a value of the wrong type.
    """
    if not isinstance(options, str | Mapping):
        raise InvalidTypeError(f'{name} must be a type, or a section with a type, got {options!r}.')
    section = {'type': options} if isinstance(options, str) else options
    if section.get('type') == 'realistic':
        return RealisticDegradation.from_options(section, scale=scale, name=name)
    return Degradation.from_options(section, scale=scale, name=name)
