"""How training samples are varied: each function treats the low-quality frames and their ground truth alike.

All draw from the module ``random``, whose state belongs to the sample. Shape legend: T frames of a sample, H, W size of
the ground truth, h, w of the low-quality frames.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any

from torch import Tensor
from torchvision.transforms import functional

from dlvr_plugin.core.declarations import NOT_NEGATIVE, Range, check_arguments
from dlvr_plugin.core.errors import InvalidValueError

Frames = tuple[Tensor, Tensor]  # low-quality ones (T, 3, h, w) and their ground truth (T, 3, H, W)

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class ColorJitter:
    """How much colours vary from sample to sample.

    Attributes:
        brightness: Factors are drawn from 1 - brightness, at least 0, to 1 + brightness.
        contrast: The same for the distance from the mean grey of the ground truth.
        saturation: The same for the distance from the grey of the pixel.
        hue: Angles are drawn from -hue to hue, in parts of a full turn.

    Raises:
        InvalidValueError: A value out of range. InvalidTypeError: of the wrong type.

    Source: torchvision's ``ColorJitter``; STFAN trains with 0.2, 0.15, 0.3 and 0.1.
    """

    brightness: Annotated[float, NOT_NEGATIVE] = 0.0
    contrast: Annotated[float, NOT_NEGATIVE] = 0.0
    saturation: Annotated[float, NOT_NEGATIVE] = 0.0
    hue: Annotated[float, Range(minimum=0, maximum=0.5)] = 0.0

    @classmethod
    def from_options(cls, options: Mapping[str, Any], name: str = 'color_jitter') -> 'ColorJitter':
        """Read the section of an option file; errors call it by its name."""
        known = [field.name for field in fields(cls)]
        if not isinstance(options, Mapping) or not options.keys() <= set(known):
            raise InvalidValueError(f'{name} must be a section with some of {", ".join(known)}, got {options}.')
        check_arguments(cls, options, name)
        return cls(**options)

    def __call__(self, lq: Tensor, gt: Tensor) -> Frames:
        """Change the colours of all frames of a sample alike, in an order that is drawn, too.

        Args:
            lq: Low-quality frames (T, 3, h, w) in [0, 1], RGB.
            gt: Their ground truth (T, 3, H, W) in [0, 1], RGB.
        """
        # Frame by frame, torchvision would change the contrast of a clip in time, and of both by other amounts.
        grey = functional.rgb_to_grayscale(gt).mean()
        brightness, contrast, saturation = map(_draw_factor, (self.brightness, self.contrast, self.saturation))
        hue = random.uniform(-self.hue, self.hue)
        changes: list[Change] = []
        if self.brightness:
            changes.append(lambda frames: functional.adjust_brightness(frames, brightness))
        if self.contrast:
            changes.append(lambda frames: (grey + contrast * (frames - grey)).clamp(0, 1))
        if self.saturation:
            changes.append(lambda frames: functional.adjust_saturation(frames, saturation))
        if self.hue:
            changes.append(lambda frames: functional.adjust_hue(frames, hue))
        random.shuffle(changes)
        for change in changes:
            lq, gt = change(lq), change(gt)
        return lq, gt


def _draw_factor(spread: float) -> float:
    return random.uniform(max(1 - spread, 0), 1 + spread)


def flip_and_transpose(lq: Tensor, gt: Tensor, *, use_hflip: bool, use_rot: bool) -> Frames:
    """Flip and transpose at random, drawing as the host's ``augment`` does."""
    hflip = use_hflip and random.random() < 0.5
    vflip = use_rot and random.random() < 0.5
    rot90 = use_rot and random.random() < 0.5
    dims = [dim for dim, flip in ((-1, hflip), (-2, vflip)) if flip]
    lq, gt = lq.flip(dims), gt.flip(dims)
    if rot90:
        lq, gt = lq.transpose(-1, -2), gt.transpose(-1, -2)
    return lq.contiguous(), gt.contiguous()


def permute_channels(lq: Tensor, gt: Tensor) -> Frames:
    """Put the three channels of all frames into an order that is drawn."""
    order = random.sample(range(3), 3)
    return lq[..., order, :, :], gt[..., order, :, :]


def draw_walk(num_steps: int, first: int, *, largest_step: int, last: int, unit: int = 1) -> list[int]:
    """Return the places (num_steps + 1) of something that wanders along a line.

    Args:
        num_steps: Steps, each drawn alike from those between ``-largest_step`` and ``largest_step``.
        first: Where it starts, a multiple of the unit.
        largest_step: The farthest that it moves at once.
        last: It stays between 0 and this.
        unit: Places and steps are multiples of it.
    """
    reach, last = largest_step // unit, last // unit
    places = [first // unit]
    for _ in range(num_steps):
        places.append(min(max(places[-1] + random.randint(-reach, reach), 0), last))
    return [place * unit for place in places]
