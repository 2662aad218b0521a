"""What a host model did to the ground truth of a sample in its ``feed_data``, so that T's window can follow.

Shape legend: B batch, T frames of a clip, S restored frames, C channels, h, w and H, W sizes of frames.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.models.windows import Window

_FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))
_PROBES = 24  # pixels compared before a whole crop is
_MOST_CROPS = 16  # places compared in full; more of them match only where frames are flat


class Change(NamedTuple):
    """A change that keeps the values of pixels.

    Attributes:
        frames: Which frames of a clip, in their new order; None for all as they are.
        transposed: Whether height and width changed places.
        flipped: Dimensions that run backwards after that, of -2 and -1.
        crop: Top, left, height and width of the part after that; None for the whole.
    """

    frames: tuple[int, ...] | None = None
    transposed: bool = False
    flipped: tuple[int, ...] = ()
    crop: tuple[int, int, int, int] | None = None

    def apply(self, clip: Tensor, *, in_time: bool, scale: int = 1) -> Tensor:
        """Change a clip.

        Args:
            clip: Frames (B, T, C, H, W).
            in_time: Whether to choose frames, too.
            scale: How many times smaller the frames are than those that the crop counts in.
        """
        if in_time and self.frames is not None:
            clip = clip[:, list(self.frames)]
        if self.transposed:
            clip = clip.transpose(-2, -1)
        if self.flipped:
            clip = clip.flip(self.flipped)
        if self.crop is not None:
            top, left, height, width = (value // scale for value in self.crop)
            clip = clip[..., top : top + height, left : left + width]
        return clip


class _UnfollowedError(Exception):
    """Why a change cannot be followed."""


def follow(window: Window, gt: Tensor, lq: Tensor) -> Window:
    """Return a window changed as the host model changed the sample's ground truth.

    Restored frames that are turned, flipped, reversed or mirrored in time, cut out in time, or cropped are found by
    comparing values bit for bit, in the whole batch at once, else sample by sample. Where several changes lead to the
    same ground truth, as with black frames, those count that lead to the host's ``lq``, too; among these no change
    comes first. The common case, a ground truth that is where it was, costs nothing.

    Args:
        window: Of the sample as the data set gave it.
        gt: Ground truth that the host hands to its losses: (B, C, H, W), (B, S, C, H, W) or (B*S, C, H, W).
        lq: What the host hands to G.

    Raises:
        InvalidValueError: The frames of the sample are not in ``gt``, or it cannot be told where. The message goes on
            after the name of the host model.
    """
    restored = window.restored
    frames = _as_clips(gt, restored)
    if frames is not None and _is_same_memory(frames, restored):
        if window.gt._version != window.version:
            raise InvalidValueError('changes gt in place, and with it some of the frames that T sees. Copy it first.')
        return window
    try:
        if frames is None:
            raise _UnfollowedError('these are other numbers of samples or frames')
        return _follow_samples(window, frames, lq)
    except _UnfollowedError as problem:
        raise InvalidValueError(
            f'hands gt {tuple(gt.shape)} to its losses, which is not that of the sample, {tuple(window.gt.shape)}: '
            f'{problem}. The window of T follows frames that are flipped, turned, reversed or cropped, and no others. '
            'Make the change in the data set instead.'
        ) from None


def _as_clips(gt: Tensor, restored: Tensor) -> Tensor | None:
    """Return the host's ground truth as (B, S, C, h, w), None where it is nothing of that kind."""
    batch = restored.shape[0]
    if gt.dim() == 4 and len(gt) % batch == 0:  # (B*S, C, h, w) -> (B, S, C, h, w)
        gt = gt.unflatten(0, (batch, -1))
    if gt.dim() != 5 or gt.shape[0] != batch or gt.shape[2] != restored.shape[2]:
        return None
    return gt


def _is_same_memory(one: Tensor, other: Tensor) -> bool:
    return one.data_ptr() == other.data_ptr() and one.shape == other.shape and one.stride() == other.stride()


def _follow_samples(window: Window, frames: Tensor, lq: Tensor) -> Window:
    """Follow a change of all samples at once, or else one for each."""
    samples: Iterable[int | slice] = (slice(None),)
    change = _find_change(window, frames, lq)
    if change is None and len(frames) > 1:
        samples = [slice(index, index + 1) for index in range(len(frames))]
    parts = []
    for sample in samples:
        part = window._replace(
            gt_window=window.gt_window[sample],
            lq=window.lq[sample],
            gt=window.gt[sample],
            lq_neighbours=[neighbour[sample] for neighbour in window.lq_neighbours],
        )
        change = change or _find_change(part, frames[sample], lq[sample])
        if change is None:
            raise _UnfollowedError(_difference(window.restored, frames))
        parts.append(_changed(part, change))
        change = None
    gt_windows, neighbours = zip(*parts, strict=True)
    return window._replace(
        gt_window=torch.cat(gt_windows),
        gt=frames if window.is_clip else frames[:, 0],
        lq_neighbours=[torch.cat(each) for each in zip(*neighbours, strict=True)],
    )


def _difference(expected: Tensor, frames: Tensor) -> str:
    if expected.shape != frames.shape:
        return 'the frames of the sample are not in it'
    return f'its values differ from those of the sample by up to {float((expected - frames).abs().max()):.3g}'


def _changed(window: Window, change: Change) -> tuple[Tensor, list[Tensor]]:
    """Return the window of T and the inputs of its neighbours after a change."""
    scale = window.gt.shape[-1] // window.lq.shape[-1]
    if window.lq_neighbours and any(value % scale for value in change.crop or ()):
        raise _UnfollowedError(f'it is cropped at {change.crop}, which are no whole pixels of lq')
    neighbours = [change.apply(each, in_time=False, scale=scale) for each in window.lq_neighbours]
    return change.apply(window.gt_window, in_time=window.is_clip), neighbours


def _find_change(window: Window, frames: Tensor, lq: Tensor) -> Change | None:
    """Return the change that turns the restored frames of a window into those of the host, None where none does.

    Raises:
        _UnfollowedError: Several do, with different windows.
    """
    found = []
    for change in _changes(window.restored, frames):
        found.append(change)
        if change == Change() and torch.equal(_input_clip(window, lq), _as_clip(lq)):
            return change  # nothing was changed
    if len(found) > 1:
        found = [change for change in found if _turns_into(window, change, lq)] or found
    if len(found) <= 1 or Change() in found:
        return min(found, key=lambda change: change != Change(), default=None)
    first, *others = (change.apply(window.gt_window, in_time=window.is_clip) for change in found)
    if not all(torch.equal(first, other) for other in others):
        raise _UnfollowedError('it is a part of the sample, but several places look the same')
    return found[0]


def _changes(expected: Tensor, frames: Tensor) -> Iterator[Change]:
    """Go through the changes that turn clips (B, S, C, H, W) into others."""
    for order in _orders(expected.shape[1], frames.shape[1]):
        for transposed in (False, True):
            for flipped in _FLIPS:
                change = Change(order, transposed, flipped)
                clip = change.apply(expected, in_time=True)
                if clip.shape == frames.shape:
                    if torch.equal(clip, frames):
                        yield change
                elif clip.shape[-2] >= frames.shape[-2] and clip.shape[-1] >= frames.shape[-1]:
                    for top, left in _places(clip, frames):
                        yield change._replace(crop=(top, left, *frames.shape[-2:]))


def _orders(num_frame: int, num_taken: int) -> list[tuple[int, ...] | None]:
    """Return which frames of a clip, in which order, a host may have taken."""
    forwards = tuple(range(num_frame))
    if num_taken == num_frame:
        return [None, forwards[::-1]] if num_frame > 1 else [None]
    if num_taken == 2 * num_frame and num_frame > 1:
        return [forwards + forwards[::-1]]
    parts = [forwards[start : start + num_taken] for start in range(num_frame - num_taken + 1)]
    return [*parts, *(part[::-1] for part in parts)]


def _places(clip: Tensor, part: Tensor) -> list[tuple[int, int]]:
    """Return where clips (B, T, C, H, W) hold smaller ones (B, T, C, h, w): top and left, for all samples the same."""
    height, width = part.shape[-2:]
    places = _likely_places(clip[:, :1], part[:, :1])
    if len(places) > _MOST_CROPS:  # the first frame is flat; the others may not be
        places = _likely_places(clip, part)[:_MOST_CROPS]
    return [
        (top, left) for top, left in places if torch.equal(clip[..., top : top + height, left : left + width], part)
    ]


def _likely_places(clip: Tensor, part: Tensor) -> list[tuple[int, int]]:
    """Return where some pixels of the smaller clips are those of the larger ones."""
    height, width = part.shape[-2:]
    rows, columns = clip.shape[-2] - height + 1, clip.shape[-1] - width + 1
    fits = torch.ones(rows, columns, dtype=torch.bool, device=clip.device)
    for probe in range(_PROBES):
        y, x = probe * (height - 1) // (_PROBES - 1), probe * 7 * (width - 1) // (_PROBES - 1) % width
        region = clip[..., y : y + rows, x : x + columns]
        fits &= (region == part[..., y : y + 1, x : x + 1]).flatten(0, 2).all(0)
        if not fits.any():
            return []
    return [(top, left) for top, left in fits.nonzero().tolist()]


def _as_clip(lq: Tensor) -> Tensor:
    return lq.unsqueeze(1) if lq.dim() == 4 else lq  # (B, C, h, w) -> (B, 1, C, h, w)


def _input_clip(window: Window, lq: Tensor) -> Tensor:
    """Return what the host got to hand to G, as (B, T, C, h, w)."""
    clip = _as_clip(window.lq)
    middle = clip.shape[1] // 2
    return clip[:, middle : middle + 1] if lq.dim() == 4 else clip


def _turns_into(window: Window, change: Change, lq: Tensor) -> bool:
    """Tell whether a change turns the input that the host got into the one that it hands to G."""
    clip, scale = _input_clip(window, lq), window.gt.shape[-1] // window.lq.shape[-1]
    if any(value % scale for value in change.crop or ()):
        return False
    inputs = [change.apply(clip, in_time=window.is_clip, scale=scale)]
    if not window.is_clip:  # the order of neighbours says nothing about the frame in the middle
        inputs.append(inputs[0].flip(1))
    return any(torch.equal(each, _as_clip(lq)) for each in inputs)
