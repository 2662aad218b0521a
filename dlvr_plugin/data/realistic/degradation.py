"""Realistic degradations of clips: drawn from ranges, then applied."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.data.degradations import round_to_eight_bits
from dlvr_plugin.data.realistic.drawing import Draw, RandomSource
from dlvr_plugin.data.realistic.drawn_stages import draw_stages
from dlvr_plugin.data.realistic.options import RealisticOptions
from dlvr_plugin.data.realistic.section_reading import read_options
from dlvr_plugin.data.realistic.stages import Place, Stage


@dataclass(frozen=True, kw_only=True)
class Chain:
    """What happens to a clip, everything drawn: a pure function of frames and their place in the clip.

    Attributes:
        scale: Factor between the sizes.
        num_frames: Frames of the clip.
        stages: In their order.
    """

    scale: int
    num_frames: int
    stages: tuple[Stage, ...]

    def __call__(self, frames: Tensor, *, first: int = 0) -> Tensor:
        """Degrade frames that follow one another.

        The same frames become the same bytes. A frame's noise, kernels and qualities depend on its index in the clip
        alone; codecs see the frames of one call as a clip of its own.

        Args:
            frames: Frames (T, 3, H, W), RGB, float32 in [0, 1]; H and W multiples of the scale.
            first: Index in the clip of the first of them.

        Returns:
            Frames (T, 3, H / scale, W / scale) in [0, 1], multiples of 1/255.

        Raises:
            InvalidValueError: H or W is no multiple of the scale, or the clip has no such frames.
        """
        height, width = frames.shape[-2:]
        if height % self.scale or width % self.scale:
            raise InvalidValueError(f'Frames must have sides that are multiples of {self.scale}, got {height}x{width}.')
        if not 0 <= first <= self.num_frames - len(frames):
            raise InvalidValueError(
                f'Strengths were drawn for {self.num_frames} frames, got frames {first} to {first + len(frames) - 1}.'
            )
        place = Place(first=first, size=(height // self.scale, width // self.scale))
        for stage in self.stages:
            frames = stage(frames, place)
        return round_to_eight_bits(frames)


@dataclass(frozen=True, kw_only=True)
class RealisticDegradation:
    """Blur, resizing, noise, JPEG and video codecs in one or two rounds, drawn anew for each clip.

    Attributes:
        options: Ranges.
        scale: Factor between the sizes.

    Source: Real-ESRGAN, Wang et al. 2021, section 3; RealBasicVSR, Chan et al. 2022, section 4.1.

    >>> import random, torch
    >>> degradation = RealisticDegradation.from_options({'preset': 'real_esrgan'}, scale=4)
    >>> chain = degradation.draw(random.Random(0), num_frames=5)
    >>> chain(torch.rand(5, 3, 128, 96)).shape
    torch.Size([5, 3, 32, 24])
    """

    options: RealisticOptions
    scale: int

    @classmethod
    def from_options(
        cls, section: Mapping[str, Any], *, scale: int, name: str = 'degradation'
    ) -> 'RealisticDegradation':
        """Read a section; given keys replace those of its preset, key by key.

        Args:
            section: Keys of ``RealisticOptions``.
            scale: Factor between the sizes.
            name: What errors call the section.

        Raises:
            InvalidValueError: An unknown key, a value out of range, or a codec that cannot be had. InvalidTypeError: a
                value of the wrong type.
        """
        return cls(options=read_options(section, name), scale=scale)

    @property
    def margin(self) -> int:
        """Low-quality pixels beyond a crop that a chain should see.

        Kernels rarely reach further than that; what lies beyond is reflected. Eight are also a block of JPEG, so that
        crops lie on its grid as whole frames do. Real-ESRGAN degrades 400 pixels for a crop of 256, RealBasicVSR none
        beyond the crop.
        """
        return 8

    def draw(self, rng: RandomSource, *, num_frames: int) -> Chain:
        """Draw what happens to a clip.

        Args:
            rng: All that is drawn comes from it: a ``random.Random``, or the module ``random``.
            num_frames: Frames of the clip, for strengths that change slowly.
        """
        draw = Draw(rng=rng, num_frames=num_frames, change=self.options.change)
        return Chain(scale=self.scale, num_frames=num_frames, stages=draw_stages(self.options, draw))
