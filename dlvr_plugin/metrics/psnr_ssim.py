"""PSNR and SSIM, equal to the host's and several times faster."""

import functools
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dlvr_plugin.core.choices import ColorSpace
from dlvr_plugin.core.declarations import NOT_NEGATIVE
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.metrics.frames import Frame, check_images
from dlvr_plugin.metrics.spec import How, MetricSpec, for_framework, register

_Y_FROM_BGR = np.array([[24.966, 128.553, 65.481]]) / 255  # ITU-R BT.601, as MATLAB's rgb2ycbcr
_Y_OFFSET = 16
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_WINDOW, _SIGMA = 11, 1.5
_MIDDLE = np.float32(128)  # around which float32 is accurate enough for variances
_STRIP_ROWS = 48


def psnr(img: np.ndarray, img2: np.ndarray, *, crop_border: int = 8, color_space: ColorSpace = 'rgb') -> float:
    """Return the peak signal-to-noise ratio in dB; higher is better, infinite for equal images.

    Args:
        img: Image (h, w, 3), BGR, uint8.
        img2: Image to compare with, of the same size.
        crop_border: Pixels left out at each border.
        color_space: 'rgb': the mean over all three channels; 'y': the luma of BT.601, not rounded.

    Raises:
        InvalidValueError: Images of different sizes, or of another type.

    Source: ``calculate_psnr`` of the host.
    """
    img, img2 = _crop(img, img2, crop_border)
    if color_space == 'y':
        img, img2 = _to_y(img), _to_y(img2)
    squared = cv2.norm(img, img2, cv2.NORM_L2SQR) / img.size
    return float(10 * np.log10(255**2 / squared)) if squared else float('inf')


def ssim(img: np.ndarray, img2: np.ndarray, *, crop_border: int = 8, color_space: ColorSpace = 'rgb') -> float:
    """Return the structural similarity, the mean over channels; higher is better, 1 for equal images.

    Args, Raises: as ``psnr``; the cropped image must hold a window of 11x11 pixels.

    Source: Wang et al., Image quality assessment: from error visibility to structural similarity; ``calculate_ssim``
        of the host.
    """
    img, img2 = _crop(img, img2, crop_border, at_least=_WINDOW)
    margin, num_rows = _WINDOW - 1, img.shape[0] - _WINDOW + 1
    total = 0.0
    for start in range(0, num_rows, _STRIP_ROWS):  # strips stay in the cache
        stop = min(start + _STRIP_ROWS, num_rows)
        strips = (image[start : stop + margin] for image in (img, img2))
        x, y = (_to_y(strip) if color_space == 'y' else strip.astype(np.float32) for strip in strips)
        total += float(_ssim_map(x, y).mean(dtype=np.float64)) * (stop - start)
    return total / num_rows


def _ssim_map(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the similarity of each window of two images (h, w) or (h, w, 3), float32, 0 to 255; changes both."""
    x -= _MIDDLE
    y -= _MIDDLE
    squares = x * x
    squares += y * y
    mean_x, mean_y, mean_product, mean_squares = map(_window_mean, (x, y, x * y, squares))
    covariance = mean_product - mean_x * mean_y
    variances = mean_squares - mean_x * mean_x - mean_y * mean_y  # the sum of both
    mean_x = mean_x + _MIDDLE
    mean_y = mean_y + _MIDDLE
    structure = (2 * covariance + np.float32(_C2)) / (variances + np.float32(_C2))
    luminance = (2 * mean_x * mean_y + np.float32(_C1)) / (mean_x * mean_x + mean_y * mean_y + np.float32(_C1))
    return structure * luminance


def _window_mean(image: np.ndarray) -> np.ndarray:
    """Return the Gaussian mean around every pixel whose window lies inside."""
    margin = _WINDOW // 2
    return cv2.GaussianBlur(image, (_WINDOW, _WINDOW), _SIGMA)[margin:-margin, margin:-margin]


def _crop(img: np.ndarray, img2: np.ndarray, crop_border: int, at_least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    check_images(img, img2)
    height, width = img.shape[:2]
    if min(height, width) - 2 * crop_border < at_least:
        raise InvalidValueError(f'Images of {height}x{width} pixels are too small for crop_border {crop_border}.')
    inside = (slice(crop_border, height - crop_border), slice(crop_border, width - crop_border))
    return img[inside], img2[inside]


def _to_y(image: np.ndarray) -> np.ndarray:
    """Return the luma (h, w), float32, of an image (h, w, 3), BGR, uint8."""
    return cv2.transform(image.astype(np.float32), _Y_FROM_BGR) + np.float32(_Y_OFFSET)


def psnr_of_batch(frames: Tensor, frames2: Tensor, *, crop_border: int = 8, color_space: ColorSpace = 'rgb') -> Tensor:
    """Return ``psnr`` of each pair of frames (B, 3, H, W), BGR, uint8, on their device, (B,), float64."""
    x, y = (_prepare_batch(batch, crop_border, color_space) for batch in (frames, frames2))
    return 10 * torch.log10(255**2 / (x - y).square().mean(dim=(1, 2, 3)))


def ssim_of_batch(frames: Tensor, frames2: Tensor, *, crop_border: int = 8, color_space: ColorSpace = 'rgb') -> Tensor:
    """Return ``ssim`` of each pair of frames (B, 3, H, W), BGR, uint8, on their device, (B,), float64."""
    x, y = (_prepare_batch(batch, crop_border, color_space) for batch in (frames, frames2))
    # (4, B, C, H, W) -> (4 B C, 1, H, W) and back
    stack = torch.stack((x, y, x * y, x * x + y * y))
    kernel = _gaussian_kernel().to(x.device)
    means = F.conv2d(F.conv2d(stack.flatten(0, 2).unsqueeze(1), kernel[None, None, :, None]), kernel[None, None, None])
    mean_x, mean_y, mean_product, mean_squares = means.squeeze(1).unflatten(0, stack.shape[:3])
    squares_of_means = mean_x.square() + mean_y.square()
    structure = (2 * (mean_product - mean_x * mean_y) + _C2) / (mean_squares - squares_of_means + _C2)
    similarity = (2 * mean_x * mean_y + _C1) / (squares_of_means + _C1) * structure
    return similarity.mean(dim=(1, 2, 3))


def _prepare_batch(frames: Tensor, crop_border: int, color_space: ColorSpace) -> Tensor:
    """Return frames (B, 3 or 1, h, w), cropped, float64: exact, and no device rounds it to TF32."""
    height, width = frames.shape[-2:]
    inside = frames[..., crop_border : height - crop_border, crop_border : width - crop_border].double()
    if color_space == 'rgb':
        return inside
    weights = torch.from_numpy(_Y_FROM_BGR[0]).to(frames.device)
    return (inside * weights[:, None, None]).sum(dim=1, keepdim=True) + _Y_OFFSET


@functools.cache
def _gaussian_kernel() -> Tensor:
    """Return the window along one axis, (11,), float64."""
    return torch.from_numpy(cv2.getGaussianKernel(_WINDOW, _SIGMA)[:, 0])


@for_framework
def calculate_psnr_fast(
    img: np.ndarray,
    img2: np.ndarray,
    *,
    crop_border: Annotated[int, NOT_NEGATIVE] = 8,
    test_y_channel: bool = False,
) -> float:
    """Return the PSNR in dB of two images (h, w, 3), BGR, uint8: that of the host, faster; higher is better.

    Args:
        img: The restored image.
        img2: The true one.
        crop_border: Pixels left out at each border.
        test_y_channel: Whether the luma of BT.601 is compared, not RGB.
    """
    return psnr(img, img2, crop_border=crop_border, color_space='y' if test_y_channel else 'rgb')


@for_framework
def calculate_ssim_fast(
    img: np.ndarray,
    img2: np.ndarray,
    *,
    crop_border: Annotated[int, NOT_NEGATIVE] = 8,
    test_y_channel: bool = False,
) -> float:
    """Return the SSIM of two images (h, w, 3), BGR, uint8: that of the host, faster; higher is better.

    Args:
        img: The restored image.
        img2: The true one.
        crop_border: Pixels left out at each border.
        test_y_channel: Whether the luma of BT.601 is compared, not RGB.
    """
    return ssim(img, img2, crop_border=crop_border, color_space='y' if test_y_channel else 'rgb')


def _read_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {'crop_border': options['crop_border'], 'color_space': 'y' if options['test_y_channel'] else 'rgb'}


def _measure(
    of_images: Callable[..., float], of_batch: Callable[..., Tensor], restored: Frame, truth: Frame, how: How
) -> float:
    settings = {'color_space': 'y', **how.settings}
    if how.device is None:  # arrays are the fastest on a CPU
        return of_images(restored.image, truth.image, **settings)
    return float(of_batch(_to_batch(restored, how.device), _to_batch(truth, how.device), **settings))


def _to_batch(frame: Frame, device: torch.device) -> Tensor:
    # (h, w, 3) -> (1, 3, h, w)
    return frame.once((_to_batch, device), lambda: torch.from_numpy(frame.image).to(device).permute(2, 0, 1)[None])


_PSNR: dict[str, Any] = {
    'direction': 'higher',
    'decimals': 2,
    'unit': 'dB',
    'aspect': 'distortion',
    'measure': functools.partial(_measure, psnr, psnr_of_batch),
    'packages': ('numpy', 'opencv-python'),
    'may_use_device': True,
}
_SSIM = {**_PSNR, 'decimals': 4, 'unit': '', 'measure': functools.partial(_measure, ssim, ssim_of_batch)}
_BORDER = {'crop_border': 'crop_border'}
_BORDER_AND_SPACE = {**_BORDER, 'color_space': 'color_space'}

register(
    MetricSpec(
        name='psnr',
        label='PSNR',
        summary='RGB, or luma by the protocol; that of BasicSR to 1e-4',
        settings=_BORDER_AND_SPACE,
        function=calculate_psnr_fast,
        read_options=_read_options,
        **_PSNR,
    )
)
register(
    MetricSpec(
        name='ssim',
        label='SSIM',
        summary='RGB, or luma by the protocol; that of BasicSR to 1e-4',
        settings=_BORDER_AND_SPACE,
        function=calculate_ssim_fast,
        read_options=_read_options,
        **_SSIM,
    )
)
register(MetricSpec(name='psnr_y', label='PSNR-Y', summary='PSNR of the luma of BT.601', settings=_BORDER, **_PSNR))
register(MetricSpec(name='ssim_y', label='SSIM-Y', summary='SSIM of the luma of BT.601', settings=_BORDER, **_SSIM))
