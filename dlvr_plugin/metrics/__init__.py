"""Metrics of restored clips: pure functions of images, and what each metric declares about itself.

All functions take images (h, w, 3), BGR, uint8, as OpenCV reads them. Of a tensor (3, h, w), RGB, in [0, 1], as most
networks give it, ``basicsr.utils.tensor2img`` makes one. What they raise, and their options, are in their docstrings.

>>> import numpy as np
>>> from dlvr_plugin.metrics import lpips, psnr, ssim, tof
>>> truth = np.random.default_rng(0).integers(0, 256, (2, 64, 80, 3)).astype(np.uint8)  # two frames
>>> restored = truth // 2 + 60
>>> print(f'{psnr(restored[1], truth[1], crop_border=0):.1f} dB, SSIM {ssim(restored[1], truth[1]):.2f}')
16.7 dB, SSIM 0.80
>>> tof(restored[0], restored[1], truth[0], truth[1]) > 0  # frame t - 1, frame t, and the same of the ground truth
True
>>> lpips(restored[1], truth[1], random_weights=True) > 0  # without random_weights: LPIPS, whose weights are downloaded
True
"""

# The order is that of the lists that people see.
# isort: off
from dlvr_plugin.metrics.psnr_ssim import psnr, ssim
from dlvr_plugin.metrics.lpips_metric import lpips
from dlvr_plugin.metrics.dists import dists
from dlvr_plugin.metrics.tof import tof
from dlvr_plugin.metrics.tlp import tlp
from dlvr_plugin.metrics.warping_error import warping_error
from dlvr_plugin.metrics.flicker import flicker
from dlvr_plugin.metrics.vmaf import vmaf
from dlvr_plugin.metrics.niqe import niqe
from dlvr_plugin.metrics.sharpness import sharpness
from dlvr_plugin.metrics.consistency import consistency
from dlvr_plugin.metrics.grid import grid

# isort: on
from dlvr_plugin.metrics.spec import METRICS, MetricSpec, register

__all__ = [
    'METRICS',
    'MetricSpec',
    'consistency',
    'dists',
    'flicker',
    'grid',
    'lpips',
    'niqe',
    'psnr',
    'register',
    'sharpness',
    'ssim',
    'tlp',
    'tof',
    'vmaf',
    'warping_error',
]
