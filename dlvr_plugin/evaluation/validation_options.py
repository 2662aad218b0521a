"""What the section ``val`` of an option file may say beside what the framework reads of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from dlvr_plugin.core.declarations import NOT_NEGATIVE, check_fields
from dlvr_plugin.evaluation.protocol import NanPolicy


@dataclass(frozen=True, kw_only=True)
class ValidationOptions:
    """Options of validation and tests.

    Attributes:
        skip_frames: frames at each end of a clip that no metric counts
        nan: whether a value that is not a number is an error, or its frame is left out
        picture_clips: clips to show in TensorBoard
        keep_best: metric, or SET/METRIC, whose best checkpoint is kept
        pbar: whether to show progress

    Raises:
        InvalidValueError: A value out of range. InvalidTypeError: of another type.
    """

    skip_frames: Annotated[int, NOT_NEGATIVE] = 0
    nan: NanPolicy = 'leave-out'
    picture_clips: Sequence[str | int] | Literal['all'] | None = None
    keep_best: str | None = None
    pbar: bool = True

    def __post_init__(self) -> None:
        check_fields(self, 'val')

    @classmethod
    def from_section(cls, section: Mapping[str, Any]) -> 'ValidationOptions':
        """Return the options of a section ``val``, whose other keys are those of the framework."""
        return cls(**{each.name: section[each.name] for each in fields(cls) if section.get(each.name) is not None})
