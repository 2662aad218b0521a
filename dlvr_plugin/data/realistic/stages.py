"""Stages of a chain, everything drawn: each makes frames of frames, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from dlvr_plugin.core.choices import ResizeMode, SizeReference
from dlvr_plugin.data.realistic.blur_kernels import blur, gaussian_kernels, plateau_kernels, sinc_kernels
from dlvr_plugin.data.realistic.jpeg import compress_jpeg
from dlvr_plugin.data.realistic.noise import add_gaussian_noise, add_poisson_noise, generator_of
from dlvr_plugin.data.realistic.resizing import resize, scaled_size
from dlvr_plugin.data.realistic.video_codecs import VideoCompression

Strengths = tuple[float, ...]
"""One a frame of the clip."""


@dataclass(frozen=True)
class Place:
    """Where frames stand.

    Attributes:
        first: Index in the clip of the first of them.
        size: Height and width of the result.
    """

    first: int
    size: tuple[int, int]


class Stage(Protocol):
    """A stage of a chain."""

    def __call__(self, frames: Tensor, place: Place) -> Tensor:
        """Return frames (T, 3, H, W), not always in [0, 1], as frames (T, 3, H', W')."""


@dataclass(frozen=True, kw_only=True)
class Blur:
    """Blur by a kernel with two axes; see ``gaussian_kernels`` for what its numbers mean."""

    shape: Literal['gaussian', 'plateau']
    size: int
    sigma_x: Strengths
    sigma_y: Strengths
    angle: Strengths
    beta: Strengths

    def __call__(self, frames: Tensor, place: Place) -> Tensor:
        """Blur each frame by its kernel."""
        kernels = gaussian_kernels if self.shape == 'gaussian' else plateau_kernels
        sigma_x, sigma_y, angle, beta = (
            _of_frames(each, frames, place) for each in (self.sigma_x, self.sigma_y, self.angle, self.beta)
        )
        return blur(frames, kernels(size=self.size, sigma_x=sigma_x, sigma_y=sigma_y, angle=angle, beta=beta))


@dataclass(frozen=True, kw_only=True)
class Sinc:
    """A low-pass filter; see ``sinc_kernels`` for what its numbers mean."""

    size: int
    cutoff: Strengths

    def __call__(self, frames: Tensor, place: Place) -> Tensor:
        """Filter each frame by its kernel."""
        return blur(frames, sinc_kernels(size=self.size, cutoff=_of_frames(self.cutoff, frames, place)))


@dataclass(frozen=True, kw_only=True)
class Resize:
    """Another size, ``factor`` times that of the frames or of the result."""

    factor: float
    factor_of: SizeReference
    mode: ResizeMode

    def __call__(self, frames: Tensor, place: Place) -> Tensor:
        """Resize all frames alike."""
        height, width = frames.shape[-2:]
        of = (height, width) if self.factor_of == 'frames' else place.size
        return resize(frames, scaled_size((height, width), self.factor, of), self.mode)


@dataclass(frozen=True, kw_only=True)
class ResizeToResult:
    """The size of the result."""

    mode: ResizeMode

    def __call__(self, frames: Tensor, place: Place) -> Tensor:
        """Resize all frames alike."""
        return resize(frames, place.size, self.mode)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Noise whose frames depend on the seed and their place in the clip; ``strength`` is a sigma or a scale."""

    kind: Literal['gaussian', 'poisson']
    strength: Strengths
    is_grey: bool
    seed: int

    def __call__(self, frames: Tensor, place: Place) -> Tensor:
        """Add it to each frame and clamp."""
        noisy = []
        for index, (frame, strength) in enumerate(
            zip(frames, _of_frames(self.strength, frames, place), strict=True), place.first
        ):
            generator = generator_of(self.seed, index)
            if self.kind == 'gaussian':
                noisy.append(add_gaussian_noise(frame, sigma=strength, is_grey=self.is_grey, generator=generator))
            else:
                noisy.append(add_poisson_noise(frame, scale=strength, is_grey=self.is_grey, generator=generator))
        return torch.stack(noisy).clamp_(0, 1)


@dataclass(frozen=True, kw_only=True)
class Jpeg:
    """JPEG of each frame."""

    quality: Strengths

    def __call__(self, frames: Tensor, place: Place) -> Tensor:
        """Code and decode each frame."""
        return compress_jpeg(frames, [round(each) for each in _of_frames(self.quality, frames, place)])


@dataclass(frozen=True, kw_only=True)
class Video:
    """Compression by a video codec, the first of the frames being a key frame."""

    compression: VideoCompression

    def __call__(self, frames: Tensor, place: Place) -> Tensor:
        """Code and decode the frames as a clip."""
        return self.compression(frames)


def _of_frames(strengths: Strengths, frames: Tensor, place: Place) -> Sequence[float]:
    return strengths[place.first : place.first + len(frames)]
