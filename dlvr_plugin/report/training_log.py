"""Scalars of training runs, from what TensorBoard reads."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.files import what_is_wrong_with
from dlvr_plugin.core.regular_files import check_regular


@dataclass(frozen=True)
class Series:
    """Values of one scalar.

    Attributes:
        steps: Iterations (n), rising, int64.
        values: Values (n), float64; NaN and infinity as they were logged. Those of several runs that differ in their
            seeds are rows (runs, n).
    """

    steps: np.ndarray
    values: np.ndarray


def read_scalars(folder: Path) -> dict[str, Series]:
    """Read all scalars of a run.

    A run that was resumed has several event files. It goes on from its last checkpoint, so it repeats what was logged
    after that; what was written before and is repeated, or lies after it, does not belong to the run any more.

    Args:
        folder: ``tb_logger/NAME``.

    Returns:
        Series by tag, sorted by tag.

    Raises:
        DataError: The folder is missing, or holds no scalars.
    """
    if not folder.is_dir():
        problem = what_is_wrong_with(folder, wanted='a folder')
        raise DataError(f'{folder} {problem}. Give the TensorBoard folder of a run: tb_logger/NAME.')
    if not any(folder.glob('*.tfevents.*')):
        raise DataError(f'{folder} holds no event files. Give the TensorBoard folder of a run: tb_logger/NAME.')
    for file in folder.glob('*.tfevents.*'):
        check_regular(file)
    # Size 0 keeps all values; the default thins out long runs at random.
    events = EventAccumulator(str(folder), size_guidance={'scalars': 0}, purge_orphaned_data=False).Reload()
    tags = sorted(events.Tags()['scalars'])
    if not tags:
        raise DataError(f'The event files in {folder} hold no scalars: the run ended before it logged any.')
    series = {}
    for tag in tags:
        written = sorted(events.Scalars(tag), key=lambda event: event.wall_time)
        series[tag] = _keep_latest([event.step for event in written], [event.value for event in written])
    return series


def _keep_latest(steps: list[int], values: list[float]) -> Series:
    """Drop what a later value repeats or precedes, given the order of writing."""
    kept: list[tuple[int, float]] = []
    for step, value in zip(reversed(steps), reversed(values), strict=True):
        if not kept or step < kept[-1][0]:
            kept.append((step, value))
    kept.reverse()
    return Series(np.array([step for step, _ in kept], np.int64), np.array([value for _, value in kept], np.float64))


def find_tags(tags: list[str], wanted: list[str] | None) -> list[str]:
    """Find tags by their names or the last parts of these.

    Args:
        tags: Those of the runs.
        wanted: Such as ``l_g_pix`` or ``losses/l_g_pix``; None for all losses and accuracies.

    Returns:
        Tags in the order asked for; losses before accuracies.

    Raises:
        InvalidValueError: There is no such tag, or no loss at all.
    """
    if wanted is None:
        losses = [tag for tag in tags if short_name(tag).startswith('l_')]
        found = losses + [tag for tag in tags if 'acc' in short_name(tag) and tag not in losses]
        if not found:
            raise InvalidValueError(f'There are no losses or accuracies in the runs. Choose from {", ".join(tags)}.')
        return found
    found = []
    for name in wanted:
        matches = [tag for tag in tags if name in (tag, short_name(tag))]
        if not matches:
            raise InvalidValueError(f'There is no tag {name} in the runs. Choose from {", ".join(tags)}.')
        found += [tag for tag in matches if tag not in found]
    return found


def short_name(tag: str) -> str:
    """Return the last part of a tag."""
    return tag.rsplit('/', 1)[-1]


def smooth(values: np.ndarray, weight: float) -> np.ndarray:
    """Average exponentially, without the pull of the first value (as TensorBoard does).

    Args:
        values: Values (n).
        weight: Of the past, in [0, 1); 0 leaves the values as they are.

    Returns:
        Averages (n); NaN where the value is not finite, which the averages after it leave out.

    Raises:
        InvalidValueError: Another weight.
    """
    if not 0 <= weight < 1:
        raise InvalidValueError(f'The weight of smoothing must be in [0, 1), got {weight}.')
    averages = np.full(len(values), np.nan)
    total, count = 0.0, 0
    for index, value in enumerate(values):
        if np.isfinite(value):
            total, count = weight * total + (1 - weight) * float(value), count + 1
            averages[index] = total / (1 - weight**count)
    return averages
