"""``metrics.json``: what an evaluation found, frame by frame, and how."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypedDict, cast

from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.regular_files import read_json
from dlvr_plugin.evaluation.evaluation_check import find_evaluation_problem
from dlvr_plugin.metrics.spec import Direction

FILE_NAME = 'metrics.json'
FORMAT = 1

GROUND_TRUTH = 'GT'
"""Name of the ground truth in figures and reports; no method may have it."""

INPUT, ENLARGED_INPUT = 'Input', 'Input (bicubic)'
"""Names of the low-quality input, the second where it is shown enlarged; beside one, no method may have them."""


class MetricEntry(TypedDict):
    """What a metric is.

    ``label`` is its name in tables, ``direction`` says which values are better, ``decimals`` how many a table shows,
    ``unit`` is empty where there is none.
    """

    label: str
    direction: Direction
    decimals: int
    unit: str


class _AnyClipEntry(TypedDict):
    size: list[int]
    frames: list[str]
    frame_rate: float | None


class ClipEntry(_AnyClipEntry, total=False):
    """A clip that was compared.

    ``size`` is (height, width), ``frames`` the names of all frames in the order of time, ``frame_rate`` None where the
    files do not say it, ``sha256`` a digest for each of the files of the ground truth, where there is one.
    """

    sha256: dict[str, str]


class ClipResult(TypedDict):
    """A clip of a method.

    ``mean`` has one value a metric; ``frames`` one a metric and frame, None where the protocol leaves the frame out or
    the metric has none (the first frame of a temporal one).
    """

    mean: dict[str, float]
    frames: dict[str, list[float | None]]
    sha256: dict[str, str]


class Interval(TypedDict):
    """Bootstrap intervals of a mean, lower and upper bound; None where there is too little to draw from."""

    frames: list[float] | None
    clips: list[float] | None


class MethodEntry(TypedDict):
    """What a method reached; ``mean`` holds the numbers of the table."""

    root: str
    mean: dict[str, float]
    intervals: dict[str, Interval]
    clips: dict[str, ClipResult]


class FileHashes(TypedDict):
    """A clip of the low-quality input: a digest for each of its files."""

    sha256: dict[str, str]


class InputEntry(TypedDict):
    """The low-quality clips that all results were made of; these are ``scale`` times as large."""

    root: str
    scale: int
    clips: dict[str, FileHashes]


class _AnyEvaluation(TypedDict):
    format: int
    protocol: dict[str, Any]
    versions: dict[str, str]
    metrics: dict[str, MetricEntry]
    clips: dict[str, ClipEntry]
    methods: dict[str, MethodEntry]


class Evaluation(_AnyEvaluation, total=False):
    """The whole file; methods, metrics and clips stand in the order in which they were asked for.

    Without ground truth there is no ``gt_root``, and the clips have no ``sha256``.
    """

    gt_root: str
    input: InputEntry


def input_label(scale: int) -> str:
    """Return what the low-quality input is called where it is shown ``scale`` times as large."""
    return ENLARGED_INPUT if scale > 1 else INPUT


def check_method_names(names: Iterable[str]) -> None:
    """Demand that no method is called as the low-quality input beside it is.

    Raises:
        InvalidValueError: One is.
    """
    for name in names:
        if name in (INPUT, ENLARGED_INPUT):
            raise InvalidValueError(f'The name {name} stands for the low-quality input. Choose another one.')


def format_json(content: Any) -> str:
    """Return an evaluation, or anything else, as JSON; infinity (PSNR of equal frames) is the number 1e999."""
    text = json.dumps(_mark_infinities(content), indent=1, allow_nan=False)
    return text.replace(f'"{_INFINITY}"', '1e999') + '\n'


_INFINITY = '@infinity@'


def _mark_infinities(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _mark_infinities(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mark_infinities(item) for item in value]
    return _INFINITY if isinstance(value, float) and math.isinf(value) else value


def read_evaluation(folder: str | Path) -> Evaluation:
    """Read the file of an evaluation.

    Args:
        folder: What ``dlvr evaluate --out`` wrote, or the file itself.

    Raises:
        DataError: It is missing, no regular file, damaged, edited so that it is none any more, or of another version.
    """
    path = Path(folder)
    if path.is_dir() or not path.exists():
        path /= FILE_NAME
    if not path.exists():
        raise DataError(f'{path} is missing: {folder} is not the output of dlvr evaluate --out.')
    try:
        content = read_json(path)
    except DataError as error:
        raise DataError(f'{error} Run dlvr evaluate again.') from error
    if not isinstance(content, dict) or content.get('format') != FORMAT:
        raise DataError(f'{path} is no evaluation of format {FORMAT}. Run dlvr evaluate again.')
    if problem := find_evaluation_problem(content):
        raise DataError(f'{path} is damaged, or was edited: {problem}. Run dlvr evaluate again.')
    return cast(Evaluation, content)
