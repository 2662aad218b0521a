"""The plugin's metrics in the host's registry, for ``val.metrics`` of an option file.

A metric that compares a frame with the one before takes ``previous_img`` and ``previous_img2``, too; one that looks at
a whole clip takes its frames as ``img`` and ``img2``, and says so by ``takes_clip``.
"""

import functools
import inspect
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from basicsr.utils import get_root_logger
from basicsr.utils.registry import METRIC_REGISTRY

from dlvr_plugin.core.choices import Crop, FlowNorm
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.metrics.lpips_distance import LpipsDistance, LpipsNet
from dlvr_plugin.metrics.psnr_ssim import check_images, psnr, ssim
from dlvr_plugin.metrics.tof import tof
from dlvr_plugin.metrics.vmaf import find_ffmpeg, vmaf

# Of the metrics that can be named in an option file; the host takes 'higher' where nothing is said.
LOWER_IS_BETTER = ('calculate_tof', 'calculate_lpips', 'calculate_tlp', 'calculate_niqe')


@METRIC_REGISTRY.register()
def calculate_psnr_fast(
    img: np.ndarray, img2: np.ndarray, *, crop_border: int = 8, test_y_channel: bool = False
) -> float:
    """Return the PSNR in dB of two images (h, w, 3), BGR, uint8: that of the host, faster; higher is better."""
    return psnr(img, img2, crop_border=crop_border, color_space='y' if test_y_channel else 'rgb')


@METRIC_REGISTRY.register()
def calculate_ssim_fast(
    img: np.ndarray, img2: np.ndarray, *, crop_border: int = 8, test_y_channel: bool = False
) -> float:
    """Return the SSIM of two images (h, w, 3), BGR, uint8: that of the host, faster; higher is better."""
    return ssim(img, img2, crop_border=crop_border, color_space='y' if test_y_channel else 'rgb')


@METRIC_REGISTRY.register()
def calculate_tof(
    img: np.ndarray,
    img2: np.ndarray,
    previous_img: np.ndarray,
    previous_img2: np.ndarray,
    *,
    norm: FlowNorm = 'euclidean',
    crop: Crop = 'none',
    crop_border: int = 8,
) -> float:
    """Return the tOF in pixels a frame of images (h, w, 3), BGR, uint8; lower is better. See ``tof``."""
    return tof(previous_img, img, previous_img2, img2, norm=norm, crop=crop, crop_border=crop_border)


@METRIC_REGISTRY.register()
def calculate_lpips(
    img: np.ndarray,
    img2: np.ndarray,
    *,
    net: LpipsNet = 'alex',
    weights: str | None = None,
    random_weights: bool = False,
) -> float:
    """Return the LPIPS of images (h, w, 3), BGR, uint8; lower is better. Options as for ``LpipsDistance``."""
    check_images(img, img2)
    return _load_lpips(net, weights, random_weights)(img, img2)


@METRIC_REGISTRY.register()
def calculate_tlp(
    img: np.ndarray,
    img2: np.ndarray,
    previous_img: np.ndarray,
    previous_img2: np.ndarray,
    *,
    net: LpipsNet = 'alex',
    weights: str | None = None,
    random_weights: bool = False,
) -> float:
    """Return by how much the LPIPS between two restored frames differs from that of the true ones; lower is better.

    Source: Chu et al., TecoGAN: |LPIPS(Gen_{t-1}, Gen_t) - LPIPS(GT_{t-1}, GT_t)|.
    """
    check_images(img, img2)
    lpips = _load_lpips(net, weights, random_weights)
    return abs(lpips(previous_img, img) - lpips(previous_img2, img2))


@METRIC_REGISTRY.register()
def calculate_vmaf(img: Sequence[np.ndarray], img2: Sequence[np.ndarray]) -> list[float]:
    """Return the VMAF of each frame of two clips of images (h, w, 3), BGR, uint8; higher is better."""
    return vmaf(img, img2)


calculate_vmaf.takes_clip = True


def check_metric(key: str, options: Mapping[str, Any]) -> None:
    """Check a metric of an option file as far as that is possible without images.

    Args:
        key: What an error calls it.
        options: ``type`` and the options of the metric, with ``better`` where the host is to know the direction.

    Raises:
        InvalidValueError: The metric is unknown, or has no such option. DataError: what it needs is missing: weights,
            ffmpeg.
    """
    if options.get('type') not in METRIC_REGISTRY:
        known = ', '.join(sorted(METRIC_REGISTRY.keys()))
        raise InvalidValueError(f'{key}.type must be one of {known}, got {options.get("type")!r}.')
    if options.get('better', 'higher') not in ('higher', 'lower'):
        raise InvalidValueError(f'{key}.better must be higher or lower, got {options["better"]!r}.')
    arguments = {name: value for name, value in options.items() if name not in ('type', 'better')}
    parameters = inspect.signature(METRIC_REGISTRY.get(options['type'])).parameters
    if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        has = [name for name in parameters if 'img' not in name]
        for name in arguments:
            if name not in has:
                raise InvalidValueError(f'{key}.{name} is no option of {options["type"]}, which has {", ".join(has)}.')
    if options['type'] in ('calculate_lpips', 'calculate_tlp'):
        _load_lpips(arguments.get('net', 'alex'), arguments.get('weights'), arguments.get('random_weights', False))
    if options['type'] == 'calculate_vmaf':
        find_ffmpeg()


@functools.cache
def _load_lpips(net: LpipsNet, weights: str | None, random_weights: bool) -> LpipsDistance:
    # By its number, because validation measures in threads, whose current GPU is the first.
    device = f'cuda:{os.environ.get("LOCAL_RANK", 0)}' if torch.cuda.is_available() else 'cpu'
    lpips = LpipsDistance(net, weights=weights, random_weights=random_weights, device=device)
    if not lpips.is_published:
        get_root_logger().warning(f'LPIPS has weights that are not the published ones: {lpips.origin}.')
    return lpips
