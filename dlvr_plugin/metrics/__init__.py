"""Metrics of restored clips, the protocol of their comparison, and evaluations of whole results."""

from dlvr_plugin.metrics import framework_metrics  # registers the metrics with the host
from dlvr_plugin.metrics.psnr_ssim import psnr, ssim
from dlvr_plugin.metrics.tof import tof

__all__ = ['framework_metrics', 'psnr', 'ssim', 'tof']
