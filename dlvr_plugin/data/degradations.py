"""Degradations that make low-quality frames, as pure functions, and their description in options."""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from dlvr_plugin.core.choices import DegradationType
from dlvr_plugin.core.declarations import POSITIVE, NoOption, Range, check_arguments
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.resampling import (
    BICUBIC_REACH,
    bicubic_downsample,
    check_sides,
    decimate,
    round_to_eight_bits,
)


def gaussian_downsample(frames: Tensor, scale: int = 4, *, sigma: float = 1.5) -> Tensor:
    """Blur by a Gaussian and keep every ``scale``-th pixel, from the first on.

    Args:
        frames: Frames (..., C, H, W), float; H and W multiples of ``scale``.
        scale: Factor, at least 1.
        sigma: Standard deviation in pixels; the kernel reaches 3 of them, 9 x 9 pixels by default.

    Returns:
        Frames (..., C, H / scale, W / scale); pixel (i, j) lies on pixel (scale i, scale j) of the input. At the
        borders the frame is reflected, the border pixel not repeated.

    Raises:
        InvalidValueError: H or W is no multiple of the scale, or the frame is smaller than the kernel.

    Source: the degradation called BD in video super-resolution, as TecoGAN and its PyTorch port make it.
    """
    kernel, first = gaussian_kernel(sigma)
    check_sides(frames, scale, minimum=len(kernel))
    return decimate(frames, kernel, first=first, scale=scale, repeat_border=False)


@functools.lru_cache
def gaussian_kernel(sigma: float) -> tuple[Tensor, int]:
    """Return the weights of a Gaussian as far as 3 sigma, and on which pixel the first one falls for the first one."""
    reach = int(3 * sigma)
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float64)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    return kernel / kernel.sum(), -reach


def motion_blur(frames: Tensor, *, linear_light: bool = False) -> Tensor:
    """Average frames that follow one another, as a longer exposure would.

    Args:
        frames: Frames (..., T, C, H, W) in [0, 1].
        linear_light: Average light rather than sRGB values.

    Returns:
        Frames (..., C, H, W).

    Source: the synthetic blur of the deblurring sets DVD, GoPro and REDS; IEC 61966-2-1 for sRGB.
    """
    if not linear_light:
        return frames.mean(dim=-4)
    light = torch.where(frames <= 0.04045, frames / 12.92, ((frames + 0.055) / 1.055).clamp(min=0) ** 2.4).mean(dim=-4)
    return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clamp(min=0) ** (1 / 2.4) - 0.055)


@dataclass(frozen=True, kw_only=True)
class Degradation:
    """A degradation as options describe it.

    Attributes:
        type: 'BI', bicubic downsampling; 'BD', Gaussian blur and decimation; 'motion_blur', which keeps the size.
        scale: Factor between the sizes.
        sigma: Standard deviation of the Gaussian of 'BD', in pixels.
        num_frame: Frames that 'motion_blur' averages, odd; beyond the ends of a clip its last frame counts again.
        linear_light: Whether 'motion_blur' averages light rather than values.
    """

    type: DegradationType = 'BI'
    scale: Annotated[int, POSITIVE, NoOption()] = 4
    sigma: Annotated[float, Range(above=0)] = 1.5
    num_frame: Annotated[int, POSITIVE] = 7
    linear_light: bool = False

    @classmethod
    def from_options(cls, options: str | Mapping[str, Any], *, scale: int, name: str = 'degradation') -> 'Degradation':
        """Read an option: the type alone, or a section with ``type`` and what belongs to it.

        Raises:
            InvalidValueError: An unknown key, or a value out of range. InvalidTypeError: a value of the wrong type.
        """
        section = {'type': options} if isinstance(options, str) else {'type': None, **options}
        check_arguments(cls, section, name)
        kind = section['type']
        known = {'BI': (), 'BD': ('sigma',), 'motion_blur': ('num_frame', 'linear_light')}[kind]
        for key in section:
            if key not in ('type', *known):
                raise InvalidValueError(f'{name}: {kind} takes {", ".join(known) or "no options"}, got {key}.')
        degradation = cls(scale=scale, **section)
        if degradation.num_frame % 2 == 0:
            raise InvalidValueError(f'{name}.num_frame must be odd, got {degradation.num_frame}.')
        if kind == 'motion_blur' and scale != 1:
            raise InvalidValueError(f'{name}: motion_blur keeps the size of frames, so scale must be 1, got {scale}.')
        return degradation

    @property
    def radius(self) -> int:
        """Frames before and after a frame that its low-quality version depends on."""
        return self.num_frame // 2 if self.type == 'motion_blur' else 0

    @property
    def margin(self) -> int:
        """Low-quality pixels beyond a crop that it depends on."""
        return {'BI': BICUBIC_REACH, 'BD': math.ceil(int(3 * self.sigma) / self.scale), 'motion_blur': 0}[self.type]

    def window(self, index: int, num_frames: int) -> list[int]:
        """Return the frames of a clip that the low-quality version of a frame is made of."""
        around = range(index - self.radius, index + self.radius + 1)
        return [min(max(neighbour, 0), num_frames - 1) for neighbour in around]

    def __call__(self, windows: Tensor) -> Tensor:
        """Degrade frames and round them to 8 bits.

        Args:
            windows: Frames (..., N, C, H, W) in [0, 1], N those of ``window``.

        Returns:
            Frames (..., C, H / scale, W / scale) in [0, 1], multiples of 1/255.
        """
        if self.type == 'motion_blur':
            frames = motion_blur(windows, linear_light=self.linear_light)
        elif self.type == 'BI':
            frames = bicubic_downsample(windows.squeeze(-4), self.scale)
        else:
            frames = gaussian_downsample(windows.squeeze(-4), self.scale, sigma=self.sigma)
        return round_to_eight_bits(frames)


def degrade_images(images: list[np.ndarray], degradation: Degradation) -> np.ndarray:
    """Degrade the images (H, W, 3), uint8, of one window, cropped at the bottom and right to multiples of the scale.

    Returns:
        Image (H // scale, W // scale, 3), uint8, in the channel order of the input.
    """
    return to_images(degradation(to_frames(images, degradation.scale))[None])[0]


def to_frames(images: Sequence[np.ndarray], scale: int) -> Tensor:
    """Return images (H, W, 3), uint8, as frames (T, 3, h, w) in [0, 1], cropped to multiples of a scale."""
    height, width = (side // scale * scale for side in images[0].shape[:2])
    clip = np.stack([image[:height, :width] for image in images])
    return torch.from_numpy(clip).permute(0, 3, 1, 2).float().div_(255)  # (T, H, W, C) -> (T, C, H, W)


def to_images(frames: Tensor) -> list[np.ndarray]:
    """Return frames (T, 3, H, W) in [0, 1], which may be changed, as images (H, W, 3), uint8."""
    clip = frames.mul_(255).round_().byte().permute(0, 2, 3, 1).contiguous().numpy()
    return list(clip)
