"""Registered datasets, degradations, and the clips of the demo."""

from dlvr_plugin.core.resampling import bicubic_downsample
from dlvr_plugin.data.clip_dataset import ClipDataset
from dlvr_plugin.data.clip_test_dataset import ClipTestDataset
from dlvr_plugin.data.degradations import Degradation, gaussian_downsample, motion_blur

__all__ = [
    'ClipDataset',
    'ClipTestDataset',
    'Degradation',
    'bicubic_downsample',
    'gaussian_downsample',
    'motion_blur',
]
